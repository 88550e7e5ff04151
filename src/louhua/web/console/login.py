"""The login form, which says to who failed too often when to try again."""

from datetime import datetime, timedelta

from axes.helpers import get_client_ip_address
from axes.models import AccessAttempt
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from unfold.forms import AuthenticationForm

from louhua.web.console.limits import COOL_OFF


class LoginForm(AuthenticationForm):
    """User name and password."""

    def get_invalid_login_error(self) -> ValidationError:
        """Why nobody was let in."""
        if getattr(self.request, "axes_locked_out", False):
            return ValidationError(
                _("Too many failed logins: this name is locked for this address. Try again at %(time)s."),
                code="locked",
                params={"time": time_format(timezone.localtime(self._end_of_lock()), "H:i")},
            )
        error: ValidationError = super().get_invalid_login_error()
        return error

    def _end_of_lock(self) -> datetime:
        attempts = AccessAttempt.objects.filter(
            username=self.cleaned_data.get("username"), ip_address=get_client_ip_address(self.request)
        )
        last = attempts.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
        return last + COOL_OFF + timedelta(minutes=1)  # as the seconds are not shown
