"""How the console looks, and what its menu has: unfold's settings."""

from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may_one_of(permissions: tuple[str, ...]) -> Any:
    def asked(request: HttpRequest) -> bool:
        return any(map(request.user.has_perm, permissions))

    return asked


def _item(title: Any, icon: str, model: str, *permissions: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": _may_one_of(permissions),
    }


_BLUE: Final = {
    "50": "#eff6ff", "100": "#dbeafe", "200": "#bfdbfe", "300": "#93c5fd", "400": "#60a5fa", "500": "#3b82f6",
    "600": "#1d4ed8", "700": "#1e40af", "800": "#1e3a8a", "900": "#172554", "950": "#0f1a3d",
}  # fmt: skip

_CHARGING: Final = {
    "title": _("Charging"),
    "collapsible": False,
    "items": [
        _item(_("Plans"), "sell", "charging_planversion", "charging.view_planversion", "charging.add_planversion")
    ],
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
    "STYLES": [lambda _request: static("console/console.css")],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("console/icon.svg")}
    ],
    "COLORS": {"primary": _BLUE},
    "SIDEBAR": {"navigation": [_CHARGING, _STAFF]},
}
