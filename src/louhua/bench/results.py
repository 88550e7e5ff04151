"""What a measurement found, as a table for a person and as one JSON object for a machine."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


class Result(msgspec.Struct, kw_only=True):
    """One run. Times are in milliseconds, memory in megabytes, ``rate`` in units a second.

    ``cpu_ms`` is CPU time for each unit (call, event, text), by role and in ``total``.
    """

    bench: str
    unit: str
    count: int
    rate: float
    failures: int
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    peak_mb: float
    details: dict[str, Any] = {}

    def to_json(self) -> str:
        """The result as one JSON object; details stand beside the common figures."""
        values = msgspec.to_builtins(self)
        return msgspec.json.encode(_rounded(values | values.pop("details"))).decode()


def show(result: Result, console: Console) -> None:
    """Print the result as a table of at most 80 columns."""
    table = Table(title=f"louhua bench {result.bench}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    units = _several(result.unit)
    table.add_row(units, f"{result.count:,}")
    table.add_row("rate", f"{result.rate:,.1f} {units}/s")
    table.add_row("failures", f"{result.failures:,}")
    table.add_row("p50", f"{result.p50_ms:,.1f} ms")
    table.add_row("p99", f"{result.p99_ms:,.1f} ms")
    for role, spent in result.cpu_ms.items():
        table.add_row(f"CPU a {result.unit}: {role}", f"{spent:.2f} ms")
    table.add_row("memory at the peak", f"{result.peak_mb:,.0f} MB")
    for name, value in result.details.items():
        table.add_row(name.replace("_", " "), f"{value:,.2f}" if isinstance(value, float) else f"{value:,}")
    console.print(table)


def _several(unit: str) -> str:
    return f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"


def _rounded(value: Any) -> Any:
    """Thousandths are more than a measurement is good for."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie; 0 when there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
