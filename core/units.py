"""Durations, sizes and times as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|s|m|h|d|w)")
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kKMGTPE])(i?))?B?")
_PREFIXES: Final = "kMGTPE"


def parse_duration(text: str) -> float:
    """Seconds in a duration such as `500ms`, `3 s`, `1h30m`. Raises ValueError with an example."""
    compact = text.strip()
    parts = _DURATION.findall(compact)
    if not parts or _DURATION.sub("", compact).strip():
        raise ValueError(f"{text!r} is not a duration; write for example 500ms, 3s, 10m, 24h or 90d")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(text: str) -> int:
    """Bytes in a size such as `50GiB`, `100kB`, `4096`. Raises ValueError with an example."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 100kB, 50GiB or 4096")
    number, prefix, binary = match.groups()
    power = _PREFIXES.index(prefix.replace("K", "k")) + 1 if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)


def parse_since(text: str, now: datetime) -> datetime:
    """The time meant by `10m` (ago), `2026-11-20` or `2026-11-20T08:30`, local unless it has a zone."""
    try:
        return now - timedelta(seconds=parse_duration(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write for example 10m, 2d, 2026-11-20 or 2026-11-20T08:30"
        ) from None
    return moment.astimezone(UTC)


def show_size(size: float) -> str:
    """A number of bytes in three or four digits: `28.1 MB`, `6.2 kB`, `512 B`."""
    if size < 1000:
        return f"{size:.0f} B"
    for prefix in _PREFIXES:
        size /= 1000
        if size < 999.5 or prefix == _PREFIXES[-1]:
            break
    return f"{size:.1f} {prefix}B" if size < 99.95 else f"{size:.0f} {prefix}B"


def show_duration(seconds: float) -> str:
    """A span of time in at most two units: `0.4 s`, `17 s`, `1 h 41 m`, `3 d`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} m" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 3 else f"{days} d"


def write_duration(seconds: float) -> str:
    """A duration as `parse_duration` reads it, in the largest unit that fits: `500ms`, `10m`, `90d`."""
    for unit in ("d", "h", "m", "s"):
        number = round(seconds / _SECONDS[unit], 9)
        if number >= 1 and number.is_integer():
            return f"{number:.0f}{unit}"
    return f"{round(seconds * 1000, 6):.15g}ms"


def show_count(number: int) -> str:
    return f"{number:,}"


def show_number(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 file`, `2,104 files`."""
    return f"{show_count(number)} {one if number == 1 else many or one + 's'}"
