"""The demonstration's story: who calls, what they press, and which texts must arrive, each exactly once."""

import re
from typing import Final

import msgspec

from louhua.sandbox.phone import After, HangUp, Press, Step, Wait

CALLEE: Final = "13800138000"
_AT: Final = r"\d{1,2}月\d{1,2}日\d{1,2}时\d{1,2}分"


class Caller(msgspec.Struct, frozen=True):
    """Somebody who calls, once or several times, each time with a script."""

    letter: str
    number: str
    wants: str
    calls: tuple[tuple[Step, ...], ...]


CALLERS: Final = (
    Caller(
        "A", "13900139000", "leaves the own number, and calls again",
        ((After("menu-power-on"), Wait(0.3), Press("2")), (After("menu-intro"), Press("2"))),
    ),
    Caller(
        "B", "13900139001", "leaves another number",
        (
            (
                After("menu-other"), Press("3"), After("number-enter"), Press("01088886666#"),
                After("number-confirm"), Press("1"),
            ),
        ),
    ),
    Caller("C", "13900139002", "wants to be told when the phone is on", ((After("menu-power-on"), Press("4")),)),
    Caller("D", "13900139003", "hangs up", ((After("menu-intro"), HangUp()),)),
)  # fmt: skip


class Expected(msgspec.Struct, frozen=True):
    """A text that must arrive exactly once: on whose phone, and what it says (a regular expression)."""

    what: str
    phone: str
    pattern: str

    def matches(self, body: str) -> bool:
        """Whether this is the text."""
        return re.fullmatch(self.pattern, body) is not None


WHEN_ON: Final = (
    Expected("A, twice", CALLEE, f"13900139000号码于{_AT}前呼叫过您2次,正在期待您的回电,请您与他联系。"),
    Expected("B, once", CALLEE, f"13900139001号码于{_AT}前呼叫过您1次,请您拨01088886666号码与他联系。"),
    Expected(
        "the teaser for D",
        CALLEE,
        r"您有1个未接来电,欲知详情,请在24小时内编辑短信D到06001,或者拨打12599查询\(短信查询每条0\.1元\),本条免费。",
    ),
    Expected("C is told", "13900139002", f"您于{_AT}呼叫过的13800138000用户现已开机,请您与他联系。"),
)
"""What arrives when the callee's phone is back."""

AFTER_D: Final = (Expected("the details of D", CALLEE, f"13900139003于{_AT}呼叫过您1次。"),)
"""What the answer D brings."""

CHARGES: Final = "SELECT payer, item, amount FROM charging_charge ORDER BY id"

CHARGED: Final = [(CALLEE, "detail", 100)]
"""短信查询每条0.1元: who asked for details pays for the text that brought them; everything else was free."""
