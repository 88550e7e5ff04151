"""Money: whole thousandths of a yuan (厘), from reading a price to writing a bill. Nothing here is a float."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator

A_YUAN: Final = 1000
_MOST_YUAN: Final = 10**9
_THOUSANDTH: Final = Decimal("0.001")
_EXACTLY: Final = Context(prec=28, traps=[Inexact])


def parse_yuan(value: Any) -> int:
    """Read ``"0.10"`` (or 0.1, or 3) yuan as thousandths; raises ``ValueError`` with the way out."""
    try:
        exact = Decimal(str(value).strip())
    except InvalidOperation:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise ValueError(f'{value!r} is no amount; write yuan in quotes, as "0.10"')
    # Compared before anything is reckoned: there is no reckoning with 1e999999999.
    if not -_MOST_YUAN <= exact <= _MOST_YUAN:
        raise ValueError(f"{value!r}: a thousand million yuan at most")
    try:
        thousandths = exact.quantize(_THOUSANDTH, context=_EXACTLY)
    except Inexact:
        raise ValueError(
            f"{value!r}: there is nothing smaller than a thousandth of a yuan; write three decimals"
        ) from None
    return int(thousandths * A_YUAN)


def yuan(thousandths: int) -> str:
    """Thousandths as yuan with three decimals: ``100`` is ``"0.100"``."""
    sign = "-" if thousandths < 0 else ""
    whole, rest = divmod(abs(thousandths), A_YUAN)
    return f"{sign}{whole}.{rest:03}"


def rounded(exact: Fraction) -> int:
    """The one rounding there is: to the nearest thousandth, halves away from zero."""
    size = int(abs(exact) + Fraction(1, 2))
    return size if exact >= 0 else -size


def share(thousandths: int, part: int, whole: int) -> int:
    """``part`` of ``whole`` days of an amount, rounded."""
    return rounded(Fraction(thousandths * part, whole))


def _price(value: Any) -> int:
    thousandths = parse_yuan(value)
    if thousandths < 0:
        raise ValueError(f"{value!r}: a price or a cap is not negative")
    return thousandths


Price = Annotated[int, PlainValidator(_price), PlainSerializer(yuan)]
"""A field of a plan: written in yuan, kept in thousandths, never negative."""
