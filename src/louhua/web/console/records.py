"""What is recorded of staff's changes: who, when, and each field before and after."""

from auditlog.diff import model_instance_diff
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import Group, User
from django.db.models import Model

from louhua.charging.models import PlanVersion


def register() -> None:
    """Tell auditlog what to watch."""
    auditlog.register(User, exclude_fields=["last_login"], mask_fields=["password"], m2m_fields={"groups"})
    auditlog.register(Group, m2m_fields={"permissions"})
    auditlog.register(PlanVersion)


def record_new(row: Model) -> None:
    """Record a row that was made past Django, for which no signal tells auditlog."""
    changes = model_instance_diff(None, row)
    LogEntry.objects.log_create(row, action=LogEntry.Action.CREATE, changes=changes)


def hidden(_value: str) -> str:
    """What is shown of a password's hash: nothing, not even half of it."""
    return "***"
