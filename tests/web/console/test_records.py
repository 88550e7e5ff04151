"""What staff changes is recorded, and can be read."""

from datetime import date

from structlog.testing import capture_logs
from tests.web.console.conftest import Login

TARIFFS = "/console/charging/planversion/add/"


def test_a_changed_account_is_recorded_before_and_after(login: Login) -> None:
    from auditlog.models import LogEntry
    from django.contrib.auth.models import Group, User

    user = User.objects.get(username="viewer")
    form = {"username": "viewer", "groups": [Group.objects.get(name="tariffs").pk]}
    client = login("admin")
    answer = client.post(f"/console/auth/user/{user.pk}/change/", form, REMOTE_ADDR="10.1.2.3",
                         HTTP_X_FORWARDED_FOR="6.6.6.6")  # fmt: skip
    assert answer.status_code == 302
    inactive = LogEntry.objects.get(changes__has_key="is_active", action=LogEntry.Action.UPDATE)
    assert str(inactive.actor) == "admin"
    assert inactive.remote_addr == "10.1.2.3"
    assert inactive.changes["is_active"] == ["True", "False"]
    moved = LogEntry.objects.filter(actor=inactive.actor, changes__has_key="groups").values_list(
        "changes", flat=True
    )
    assert {(change["groups"]["operation"], *change["groups"]["objects"]) for change in moved} == {
        ("add", "tariffs"), ("delete", "viewer"),
    }  # fmt: skip
    page = client.get(f"/console/auditlog/logentry/{inactive.pk}/change/").content.decode()
    assert "10.1.2.3" in page
    assert "操作人" in page


def test_a_role_that_is_made_and_changed_is_recorded_with_what_it_may(login: Login) -> None:
    from auditlog.models import LogEntry
    from django.contrib.auth.models import Group, Permission

    client = login("admin")
    see, add = (Permission.objects.get(codename=f"{may}_planversion") for may in ("view", "add"))
    client.post("/console/auth/group/add/", {"name": "shop", "permissions": [see.pk]})
    role = Group.objects.get(name="shop")
    client.post(f"/console/auth/group/{role.pk}/change/", {"name": "store", "permissions": [add.pk]})
    entries = LogEntry.objects.filter(actor__username="admin", content_type__model="group", object_pk=str(role.pk))
    names = [entry.changes["name"] for entry in entries.order_by("id") if "name" in entry.changes]
    assert names == [["None", "shop"], ["shop", "store"]]
    moved = [entry.changes["permissions"] for entry in entries if "permissions" in entry.changes]
    assert {(change["operation"], *change["objects"]) for change in moved} == {
        ("add", str(see)), ("add", str(add)), ("delete", str(see)),
    }  # fmt: skip


def test_no_hash_of_a_password_is_recorded(login: Login) -> None:
    from auditlog.models import LogEntry
    from django.contrib.auth.models import User

    user = User.objects.get(username="viewer")
    new = {"usable_password": "true", "password1": "another horse 78", "password2": "another horse 78"}
    client = login("admin")
    assert client.post(f"/console/auth/user/{user.pk}/password/", new).status_code == 302
    entry = LogEntry.objects.filter(object_repr="viewer", changes__has_key="password").first()
    assert entry is not None
    assert entry.changes["password"] == ["***", "***"]
    user.refresh_from_db()
    everything = str(list(LogEntry.objects.values()))
    assert user.password.rpartition("$")[2] not in everything


def test_a_login_is_recorded_and_no_change(login: Login) -> None:
    from auditlog.models import LogEntry
    from axes.models import AccessLog

    before = LogEntry.objects.count()
    login("viewer")
    assert LogEntry.objects.count() == before
    assert AccessLog.objects.get().username == "viewer"


def test_a_page_that_fails_leaves_a_line_in_the_log(login: Login) -> None:
    from louhua.charging.models import PlanVersion

    PlanVersion.objects.create(name="gold", number=1, valid_from=date(2026, 11, 23), document={}, author="nobody")
    client = login("viewer")
    client.raise_request_exception = False
    with capture_logs() as logs:
        assert client.get("/console/charging/planversion/").status_code == 500
    assert logs == [
        {
            "event": "web.failed", "log_level": "error", "method": "GET", "exc_info": True,
            "path": "/console/charging/planversion/",
        }
    ]  # fmt: skip


def test_lists_of_records_ask_a_bounded_number_of_queries(login: Login) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from louhua.web.console.accounts import change

    client = login("admin")
    counts = []
    for path in ("/console/auditlog/logentry/", "/console/auth/user/"):
        for active in (False, True):
            change("viewer", role=None, active=active, password=None)
            client.get(path)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(path).status_code == 200
            counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[2] == counts[3]
    assert max(counts) < 20
