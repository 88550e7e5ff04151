"""Where a text may go: SMSCs in the order of preference, and which of them takes it now; pure.

A route is what the outbox keeps of that in the column ``smsc`` of a queued text: names separated by commas,
empty where any SMSC will do. Source: the requirement's 用户群体 (all numbers of an operator, which may have an
SMSC a region).
"""

from collections.abc import Collection, Mapping
from typing import Final

from louhua.config import Config
from louhua.ranges import Ranges
from louhua.texts.outbox import TextDraft, TextKind

ANY: Final = ""
"""The route of a text that any SMSC may have."""

_MOST: Final = 8
"""SMSCs of a route, as the configuration has it."""


class Routes:
    """The routes of one configuration."""

    def __init__(self, config: Config) -> None:
        self.backup_after = config.texts.backup_after
        self._ranges = Ranges(config.ranges)
        self._reachability = {smsc.name: smsc.reachability for smsc in config.smsc}
        lists = {given.smsc for given in config.ranges}
        lists |= {self._probed(names, kind) for names in lists for kind in ("probe", "set_dpf")}
        self.all = frozenset(map(_written, lists)) | {ANY} | self._reachability.keys()
        """Every route that ``of`` gives for this configuration."""

    def of(self, draft: TextDraft) -> str:
        """The route of a text: what its draft says, else its recipient's range.

        A probe goes to those of the range's SMSCs that answer it; if none does, to its draft's, which does.
        """
        given = self._ranges.of(draft.recipient)
        names = given.smsc if given else ()
        if draft.kind is TextKind.PROBE:
            return _written(self._probed(names, "set_dpf" if draft.set_dpf else "probe")) or draft.smsc
        return draft.smsc or _written(names)

    def beginning_with(self, smsc: str) -> list[str]:
        """The routes on which an SMSC comes first."""
        return sorted(route for route in self.all if route.split(",")[0] == smsc)

    def taken_by(self, smsc: str, queued: Collection[str], away: Mapping[str, float], waited: float) -> list[str]:
        """The routes whose texts this SMSC takes now, of those of the configuration and those ``queued``.

        ``away``: for how many seconds each SMSC has had no connection, as far as any process knows. ``waited``:
        for how many seconds this process has been waiting for them itself.
        """
        limit = self.backup_after.total_seconds()
        down = {name for name, seconds in away.items() if min(seconds, waited) >= limit}
        if waited >= limit:
            down |= {name for route in queued for name in _names(route)} - away.keys()
        return sorted(
            route for route in self.all | set(queued) if takes(smsc, route, self._reachability.keys(), down)
        )

    def elsewhere(self, route: str, smsc: str) -> str | None:
        """Where a text may still go that this SMSC refuses; ``None``: nowhere."""
        names = _names(route) or sorted(self._reachability)
        others = [name for name in names if name != smsc and name in self._reachability]
        return _written(others[:_MOST]) or None

    def _probed(self, names: Collection[str], kind: str) -> tuple[str, ...]:
        return tuple(name for name in names if self._reachability[name] == kind)


def takes(smsc: str, route: str, configured: Collection[str], down: Collection[str]) -> bool:
    """Whether an SMSC takes a route's texts: it is the first that is not down.

    An SMSC that is not configured any more, and down, is no reason to wait; a text without any other is anybody's.
    """
    names = [name for name in _names(route) if name in configured or name not in down]
    if not names:
        return True
    up = [name for name in names if name == smsc or name not in down]
    return bool(up) and up[0] == smsc


def _names(route: str) -> list[str]:
    return [name for name in route.split(",") if name]


def _written(names: Collection[str]) -> str:
    return ",".join(names)
