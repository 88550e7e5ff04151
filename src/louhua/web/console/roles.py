"""Who may do what: three roles of ours as Django's groups; an operator may make more in the console.

Ours are put right after each migration, so that they know what a new version brought.
"""

from collections.abc import Mapping
from typing import Any, Final

ADMIN: Final = "admin"
"""May do everything."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "tariffs": frozenset({"charging.view_planversion", "charging.add_planversion"}),
    "viewer": frozenset({"charging.view_planversion"}),
}
"""What the others may."""

PERMISSIONS: Final = (
    "charging.view_planversion",
    "charging.add_planversion",
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.view_group",
    "auth.add_group",
    "auth.change_group",
    "auth.delete_group",
    "auditlog.view_logentry",
    "axes.view_accesslog",
    "axes.view_accessattempt",
    "axes.delete_accessattempt",
)
"""What an operator's own role may be given: all that the console's pages ask for."""

NAMES: Final = (ADMIN, *ROLES)


def keep(**_signal: Any) -> None:
    """Make the groups where missing, and give each exactly what it may."""
    from django.contrib.auth.models import Group, Permission

    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    wanted = {ADMIN: frozenset(permissions), **ROLES}
    for name, names in wanted.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(permissions[codename] for codename in names if codename in permissions)
