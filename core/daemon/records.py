"""One record of the log, as people and as machines read it; never with a secret."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

import msgspec

from treeledger.config.secrets import mask
from treeledger.names import shown

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_formatter: Final = logging.Formatter()


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One record. `exception` is the traceback of an unexpected failure."""

    ts: datetime
    level: str
    logger: str
    message: str
    repository: str | None = None
    exception: str | None = None

    @classmethod
    def of(cls, record: logging.LogRecord) -> LogLine:
        exception = None
        if record.exc_info and record.exc_info[0] is not None:
            exception = mask(_formatter.formatException(record.exc_info))
        return cls(
            ts=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname.lower(),
            logger=record.name,
            message=mask(_message(record)),
            repository=getattr(record, "repository", None),
            exception=exception,
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # of a plugin that names more values than it gives
        return f"{record.msg} {record.args}"


class TextFormatter(logging.Formatter):
    """Lines for people: local time, level, repository, message. Whatever names are in it, a record that has
    no traceback is one line."""

    def format(self, record: logging.LogRecord) -> str:
        line = LogLine.of(record)
        at = line.ts.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        about = f"{shown(line.repository)}: " if line.repository is not None else ""
        text = f"{at} {line.level.upper():<7} {about}{shown(line.message)}"
        if line.exception is not None:
            text = "\n".join((text, *map(shown, line.exception.splitlines())))
        return text


class JsonFormatter(logging.Formatter):
    """Lines for machines: one object each."""

    def format(self, record: logging.LogRecord) -> str:
        return msgspec.json.encode(LogLine.of(record)).decode()
