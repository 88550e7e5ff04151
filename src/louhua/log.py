"""Logging: one JSON line an event on standard error, for a person in colours when that is a terminal.

Lines of libraries that use ``logging`` look the same. Numbers in what somebody else worded (exceptions, lines of
libraries) are masked here; our own events mask theirs where they are written.
"""

import contextlib
import logging
import re
import sys
from typing import Any, Final, TextIO, cast

import structlog

_WORDED_ELSEWHERE: Final = ("error", "exception", "why")
_NUMBER: Final = re.compile(r"(?<![\w.])\+?\d{3,16}(\d{4})(?![\w.])")


class _Stream:
    """Standard error. A line that it does not take (its disk is full) is lost; whoever wrote it goes on."""

    def write(self, text: str) -> None:
        """Write, if that can be."""
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush, if that can be."""
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def setup_logging(process: str) -> None:
    """Configure logging for this process; its name (``call``, ``alert`` …) stands on every line."""

    def name_process(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("process", process)
        return event

    shared: list[structlog.typing.Processor] = [
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [mask_numbers, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if sys.stderr.isatty()
        else [
            structlog.processors.format_exc_info,
            mask_numbers,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    structlog.configure(
        processors=shared + last,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stream())),
    )
    _take_over_logging(shared, last)


def mask_numbers(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Hide all but the last four digits of telephone numbers in what others worded."""
    foreign = ("event",) if "logger" in event else ()
    for key in (*_WORDED_ELSEWHERE, *foreign):
        if isinstance(said := event.get(key), str):
            event[key] = _NUMBER.sub(lambda found: "*" * (len(found[0]) - 4) + found[1], said)
    return event


def _take_over_logging(shared: list[structlog.typing.Processor], last: list[structlog.typing.Processor]) -> None:
    """Have the lines of ``logging`` look like ours."""
    handler = logging.StreamHandler(cast(TextIO, _Stream()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for logger in ("django.request", "django.security.DisallowedHost"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # Whoever uses a pool says itself that the database is away, once and not ten times a second.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
