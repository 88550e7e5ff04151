"""Money: whole thousandths of a yuan (厘), from reading a price to writing a bill. Nothing here is a float."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator

A_YUAN: Final = 1000
_MOST: Final = 10**12


def parse_yuan(value: Any) -> int:
    """Read ``"0.10"`` (or 0.1, or 3) yuan as thousandths; raises ``ValueError`` with the way out."""
    try:
        exact = Decimal(str(value).strip())
    except InvalidOperation:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise ValueError(f'{value!r} is no amount; write yuan in quotes, as "0.10"')
    thousandths = exact * A_YUAN
    if thousandths != thousandths.to_integral_value():
        raise ValueError(f"{value!r}: there is nothing smaller than a thousandth of a yuan; write three decimals")
    if abs(thousandths) > _MOST:
        raise ValueError(f"{value!r}: a thousand million yuan at most")
    return int(thousandths)


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
