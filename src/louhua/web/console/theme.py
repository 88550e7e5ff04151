"""How the console looks, and what its menu has: unfold's settings."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Any:
    def asked(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return asked


def _item(title: Any, icon: str, model: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": _may(permission),
    }


_STAFF: Final = {
    "title": _("Staff"),
    "collapsible": False,
    "items": [
        _item(_("Accounts"), "badge", "auth_user", "auth.view_user"),
        _item(_("Roles"), "shield_person", "auth_group", "auth.view_group"),
        _item(_("Changes"), "history", "auditlog_logentry", "auditlog.view_logentry"),
        _item(_("Logins"), "login", "axes_accesslog", "axes.view_accesslog"),
        _item(_("Failed logins"), "lock_person", "axes_accessattempt", "axes.view_accessattempt"),
    ],
}

UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": _("Louhua console"),
    "SITE_HEADER": _("Louhua console"),
    "SITE_SYMBOL": "phone_missed",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SHOW_BACK_BUTTON": True,
    "LANGUAGES": {"action": reverse_lazy("console-language")},
    "SIDEBAR": {"navigation": [_STAFF]},
}
