"""Logging: one JSON line an event on standard error, for a person in colours when that is a terminal."""

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


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
    """Configure structlog for this process; its name (``call``, ``alert`` …) stands on every line."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if sys.stderr.isatty():
        processors.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        processors += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stream())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(
        level=logging.WARNING, format='{"level": "%(levelname)s", "logger": "%(name)s", "event": %(message)r}'
    )
    for logger in ("django.request", "django.security.DisallowedHost"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # Whoever uses a pool says itself that the database is away, once and not ten times a second.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
