"""What staff did, who logged in and who failed to: to be read. To delete a failed login is to lift its lock."""

from typing import Any, ClassVar, Final

from auditlog.mixins import LogEntryAdminMixin
from auditlog.models import LogEntry
from auditlog.render import get_field_verbose_name
from axes.models import AccessAttempt, AccessLog
from django.contrib.admin import display
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin


class ReadOnly(ModelAdmin):
    """A page that shows."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Nobody may."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody may."""
        return False


class Changes(LogEntryAdminMixin, ReadOnly):
    """Each change: who, when, what, before and after."""

    list_display = ("timestamp", "who", "action", "kind", "object_repr", "changed")
    list_display_links = ("timestamp",)
    list_filter = ("action",)
    list_select_related: ClassVar = ["content_type", "actor"]
    search_fields = ("object_repr", "actor__username")
    fields = ("timestamp", "who", "remote_addr", "action", "kind", "object_repr", "msg")
    readonly_fields = fields

    @display(description=_("who"))
    def who(self, entry: LogEntry) -> str:
        """The account; changes without one were made at a terminal (see audit.log) or by a migration."""
        return str(entry.actor or _("(terminal)"))

    @display(description=_("kind"))
    def kind(self, entry: LogEntry) -> str:
        """What sort of thing was changed."""
        return gettext(entry.content_type.name)

    @display(description=_("changed fields"))
    def changed(self, entry: LogEntry) -> str:
        """Their names."""
        return ", ".join(get_field_verbose_name(entry, name) for name in entry.changes_dict)


class Logins(ReadOnly):
    """Who was let in."""

    list_display = ("attempt_time", "username", "ip_address", "logout_time")
    search_fields = ("username", "ip_address")
    fields = ("attempt_time", "username", "ip_address", "user_agent", "logout_time")
    readonly_fields = fields


class FailedLogins(ReadOnly):
    """Who was not, until he is or the lock is over."""

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")
    search_fields = ("username", "ip_address")
    fields = ("attempt_time", "username", "ip_address", "user_agent", "failures_since_start")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        """Who may lift locks."""
        return bool(ModelAdmin.has_delete_permission(self, request, obj))


PAGES: Final = ((LogEntry, Changes), (AccessLog, Logins), (AccessAttempt, FailedLogins))
