"""What is recorded of staff's changes: who, when, and each field before and after."""

from auditlog.registry import auditlog
from django.contrib.auth.models import Group, User

from louhua.charging.models import PlanVersion


def register() -> None:
    """Tell auditlog what to watch."""
    auditlog.register(User, exclude_fields=["last_login"], mask_fields=["password"], m2m_fields={"groups"})
    auditlog.register(Group, m2m_fields={"permissions"})
    auditlog.register(PlanVersion)


def hidden(_value: str) -> str:
    """What is shown of a password's hash: nothing, not even half of it."""
    return "***"
