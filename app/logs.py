"""The log: a line for each event, as text or as JSON, that nothing a client or a bundle says can forge.

Whatever is written, a newline, a control or a bidirectional character is escaped, here and for every logger, so that no
caller has to think of it. The lines of a traceback are indented: no other line begins with a space.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]

about: ContextVar[Mapping[str, Any]] = ContextVar("about", default={})  # noqa: B039  # nobody changes a Mapping
"""What each line says of the request in which it is written."""


def configuration(form: Format, level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`, in every process: all loggers to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": Text if form == "text" else Json}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }


class Text(logging.Formatter):
    """Time, level, logger, message, and what else is known as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        said = [f"{name}={value}" for name, value in _fields(record).items()]
        start = f"{self.formatTime(record)} {record.levelname} {record.name}: {record.getMessage()}"
        return "\n".join([printable(" ".join([start, *said])), *self._traceback(record)])

    def _traceback(self, record: logging.LogRecord) -> Iterator[str]:
        if record.exc_info:
            for line in self.formatException(record.exc_info).splitlines():
                yield f"    {printable(line)}"


class Json(logging.Formatter):
    """An object in ASCII: `time` (UTC), `level`, `logger`, `message`, what else is known, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str).replace("\x7f", "\\u007f")  # the one control character that it leaves


def printable(text: str) -> str:
    """The text with every character escaped that moves the cursor, turns the writing round, or cannot be seen."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What is known of the request, and what the caller gave as `extra={"fields": {…}}`."""
    return {**about.get(), **getattr(record, "fields", {})}
