"""The console as Django applications: its site, what it records, and its roles after each migration."""

from typing import Any

import structlog
from axes.apps import AppConfig as AxesConfig
from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.auth.signals import user_logged_in
from django.core.signals import got_request_exception
from django.db.models.signals import post_migrate
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

log = structlog.get_logger()


class AdminConfig(SimpleAdminConfig):
    """Django's administration with our site; pages are registered by ``ConsoleConfig``."""

    default_site = "louhua.web.console.site.ConsoleSite"


class LockOutConfig(AxesConfig):
    """axes, under a name for people."""

    verbose_name = _("Staff")


class ConsoleConfig(AppConfig):
    """The last application, so that all permissions exist when its roles are made."""

    name = "louhua.web.console"
    label = "console"

    def ready(self) -> None:
        """Register the pages and what is recorded."""
        from louhua.web.console import pages, records, roles

        pages.register()
        records.register()
        post_migrate.connect(roles.keep, sender=self, dispatch_uid="louhua.roles")
        user_logged_in.connect(_forget_old_sessions, dispatch_uid="louhua.sessions")
        got_request_exception.connect(_failed, dispatch_uid="louhua.failed")


def _forget_old_sessions(request: HttpRequest, **_about: Any) -> None:
    request.session.clear_expired()


def _failed(request: HttpRequest, **_about: Any) -> None:
    log.error("web.failed", method=request.method, path=request.path, exc_info=True)
