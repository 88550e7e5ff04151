"""What the platform knows of a subscriber when a call or a text is decided.

Source: the requirement's opening (注册用户, 非注册用户), 隐私防护 and 用户管理 (黑名单、白名单).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

import msgspec

from louhua.hours import Hours


class Language(StrEnum):
    """Languages of prompts and texts."""

    ZH_HANS = "zh-hans"
    EN = "en"


class Status(StrEnum):
    """What somebody is to the service; who is not known is unregistered, and served all the same."""

    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    SUSPENDED = "suspended"
    """By staff, who alone ends it."""
    OWING = "owing"
    """Suspended until a rental that is owed is paid."""


BY_STAFF: Final = (Status.UNREGISTERED, Status.REGISTERED, Status.SUSPENDED)
"""What staff, and files, may make of somebody."""


class Privacy(StrEnum):
    """Who may learn that one's phone is on."""

    EVERYBODY = "everybody"
    LIST = "list"
    NOBODY = "nobody"


class Sender(StrEnum):
    """Whose number a text about a caller comes from."""

    SERVICE = "service"
    CALLER = "caller"


class Listing(StrEnum):
    """A subscriber's lists (黑名单, 白名单)."""

    BLOCK = "block"
    ALLOW = "allow"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has agreed to pay by; the defaults are those of who never registered.

    ``registered`` is also who is suspended: he has his plan, and pays by it for what is still on its way. ``plan``
    empty is the service's own; ``next_plan`` takes its place on ``next_plan_on`` (a day of the service's
    zone), and the one it replaces stays in ``plan`` after that. ``activated_at`` is the first registration,
    ``served_since`` the last one, or the end of a suspension.
    """

    registered: bool = False
    plan: str = ""
    next_plan: str = ""
    next_plan_on: date | None = None
    prepaid: bool = False
    activated_at: datetime | None = None
    served_since: datetime | None = None

    def plan_on(self, day: date) -> str:
        """The name of the plan on a day of the service's zone."""
        return self.plan if self.next_plan_on is None or day < self.next_plan_on else self.next_plan


STRANGER: Final = Contract()


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One subscriber; the defaults are those of somebody who never registered.

    ``None`` is the service's own setting. ``textable`` is false for numbers that cannot get a text (land
    lines, withheld callers), ``served`` for those outside the operator's ranges. ``power_on_hours`` are those
    in which others may learn that the phone is on; ``daily_limit`` is in texts a day, and 0 is without limit.
    ``blocked`` and ``allowed`` are those on the subscriber's lists among the numbers that the look-up asked about.
    """

    number: str = ""
    status: Status = Status.UNREGISTERED
    voicemail: bool = False
    language: Language | None = None
    textable: bool = True
    served: bool = True
    power_on: Privacy = Privacy.EVERYBODY
    power_on_hours: Hours | None = None
    quiet_hours: Hours | None = None
    digest: bool = False
    sender: Sender | None = None
    daily_limit: int | None = None
    blocked: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    contract: Contract = STRANGER

    @property
    def registered(self) -> bool:
        """Whether the basic functions are this subscriber's."""
        return self.status is Status.REGISTERED

    @property
    def suspended(self) -> bool:
        """Whether the service rests for this subscriber."""
        return self.status in (Status.SUSPENDED, Status.OWING)

    def blocks(self, caller: str) -> bool:
        """Whether a caller is on the block list; who is withheld is on none."""
        return caller in self.blocked

    def may_learn_power_on(self, caller: str, local: datetime | None = None) -> bool:
        """Whether a caller may be told that this phone is on (隐私防护).

        ``local`` is when he would be told, in the operator's zone; ``None`` when that is not known yet.
        """
        if not caller or self.blocks(caller) or self.power_on is Privacy.NOBODY:
            return False
        if self.power_on is Privacy.LIST and caller not in self.allowed:
            return False
        return local is None or self.power_on_hours is None or local in self.power_on_hours
