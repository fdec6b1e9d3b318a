"""What can be configured, as types: every key of plugins.toml with its default.

A repository's settings are the defaults of this module, then its profile, then `[defaults]`, then
what the environment says, then its own table (see `treeledger.config.layers`). Durations are
seconds, sizes bytes. Where None is possible, "none", "off" and "forever" say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from treeledger.units import parse_size


class Duration(float):
    """Seconds; written `500ms`, `3s`, `24h` (see `treeledger.units.parse_duration`)."""


class Size(int):
    """Bytes; written `100kB`, `50GiB` (see `treeledger.units.parse_size`)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must satisfy beyond its type: `check` raises ValueError with a reason for people."""

    check: Callable[[Any], object]


def _check_cron(text: str) -> None:
    from cronsim import CronSim, CronSimError

    try:
        if len(text.split()) != 5:  # cronsim would take a sixth field for seconds
            raise CronSimError
        CronSim(text, datetime(2000, 1, 1))
    except CronSimError as error:
        wrong = f" ({error})" if str(error) else ""
        raise ValueError(
            f"is no cron expression{wrong}: five fields say minute, hour, day of the month, month and "
            'day of the week; "0 2 * * *" is every day at 02:00'
        ) from None


def parse_quiet_hours(text: str) -> tuple[time, time]:
    """From when to when, local time; the end may be on the next day. Raises ValueError."""
    begin, _, end = text.partition("-")
    try:
        return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError:
        raise ValueError('is no span of a day; write it as in "18:00-23:30"') from None


def _check_quiet_hours(text: str) -> None:
    begin, end = parse_quiet_hours(text)
    if begin == end:
        raise ValueError("begins when it ends; leave the key out for no quiet hours")


def parse_rate(text: str) -> int:
    """Bytes a second, as in `80MiB/s`. Raises ValueError."""
    rate = parse_size(text.removesuffix("/s"))
    if rate < 1:
        raise ValueError("must be one byte a second at least")
    return rate


def _check_interval(seconds: float) -> None:
    if seconds < 1:
        raise ValueError("must be one second at least")


def _check_name(name: str) -> None:
    if not name or "/" in name or name[0] in ".~":
        raise ValueError("a name is not empty, has no slash and starts neither with '.' nor '~'")


def _check_id(text: str) -> None:
    try:
        UUID(text)
    except ValueError:
        raise ValueError("is no UUID, as 6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a11 is one") from None


def _check_root(root: str) -> None:
    if not root.startswith(("/", "~")):
        raise ValueError("must be an absolute path, or start with ~")


ChangeKey = Literal["auto", "strict", "no-ctime", "size-mtime"]
Profile = Literal["small", "large", "high-change"]
Preset = Literal["lumilio", "synology", "nextcloud"]
Count = Annotated[int, msgspec.Meta(ge=1)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Cron = Annotated[str, Rule(_check_cron)]
QuietHours = Annotated[str, Rule(_check_quiet_hours)]
Rate = Annotated[str, Rule(parse_rate)]
WaitingKindName = Literal["held", "offline", "degraded", "corrupted", "dead_job"]
Interval = Annotated[Duration, Rule(_check_interval)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of plugins.toml. Unknown keys are errors. Subclasses repeat `frozen=True, kw_only=True`."""


class MaxDelete(Section, frozen=True, kw_only=True):
    """Deletions beyond this are held: more than `floor` files and (more than `files`, or than `percent`)."""

    files: Annotated[int, msgspec.Meta(ge=0)] = 1000
    percent: Percent = 50.0
    floor: Annotated[int, msgspec.Meta(ge=0)] = 20
    window: Duration = Duration(600)


class FileWatcherSettings(Section, frozen=True, kw_only=True):
    source: str = "auto"
    debounce: Duration | None = None  # None: what the source says, 500 ms; polling 3 s


class ReconciliationSettings(Section, frozen=True, kw_only=True):
    schedule: Cron | None = "0 2 * * *"  # local time
    interval: Interval | None = None  # wins over `schedule`
    startup_scan: bool = True
    batch_size: Count = 100
    max_concurrency: Count = 4
    calculate_hashes: bool = True
    hashers: tuple[str, ...] = ("sha256",)
    max_hash_size: Size | None = None
    hash_timeout: Duration | None = None
    quick_scan_interval: Interval | None = None  # of the folders that changed recently
    smart: bool = False  # full scans come earlier where much changes, later while the machine is busy
    jitter: Duration = Duration(0)  # scheduled work begins up to so much later, always by the same time
    quiet_hours: QuietHours | None = None  # "18:00-23:30", local time: no scheduled disk work
    max_rate: Rate | None = None  # bytes read per second for hashing and verifying
    ionice: Literal["normal", "low", "idle"] = "normal"


class ScrubSettings(Section, frozen=True, kw_only=True):
    """Scheduled scrubs; the first limit that is reached ends one."""

    schedule: Cron | None = None  # local time
    interval: Interval | None = None  # wins over `schedule`
    percent: Percent | None = None
    files: Count | None = None
    bytes: Size | None = None
    time: Duration | None = None  # all None: an hour


class IgnoreSettings(Section, frozen=True, kw_only=True):
    builtin: bool = True
    presets: tuple[Preset, ...] = ()
    patterns: tuple[str, ...] = ()
    files: bool = True  # .treeledgerignore in the tree


class FilterSettings(Section, frozen=True, kw_only=True):
    types: tuple[str, ...] = ()  # MIME patterns by file name; () is all
    min_size: Size = Size(0)


class RepositorySettings(Section, frozen=True, kw_only=True):
    profile: Profile | None = None
    change_key: ChangeKey = "auto"
    max_delete: MaxDelete = MaxDelete()
    cross_mounts: bool = False
    marker: str | None = None
    shown_as: str | None = None
    walker: str = "walker"
    priority: tuple[str, ...] = ()
    retention: Duration | None = Duration(90 * 86400)
    file_watcher: FileWatcherSettings = FileWatcherSettings()
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    scrub: ScrubSettings = ScrubSettings()
    ignore: IgnoreSettings = IgnoreSettings()
    filter: FilterSettings = FilterSettings()


class StoreSettings(Section, frozen=True, kw_only=True):
    url: str | None = None
    password: str | None = None
    auto_migrate: bool | None = None  # None: SQLite after a backup, PostgreSQL never
    retention: Duration | None = Duration(90 * 86400)
    journal_retention: Duration | None = None  # None: entries are kept for ever


class ApiSettings(Section, frozen=True, kw_only=True):
    """Where the engine listens, and who may ask. Tokens are secrets: `env:NAME`, `file:PATH`, ..."""

    socket: str | None = None  # a path; None: api.sock in the folder for running programs
    socket_group: str | None = None  # who may open it beside its owner
    listen: str | None = None  # HOST:PORT; None: no TCP
    hosts: tuple[str, ...] = ()  # further names by which it is addressed over TCP
    token: str | None = None  # for everything
    read_token: str | None = None  # for looking
    metrics_listen: str | None = None  # HOST:PORT of a listener that has /metrics only


class AttentionSettings(Section, frozen=True, kw_only=True):
    """Who is told what waits for a person."""

    notify: tuple[str, ...] = ()  # tables of plugins that receive
    kinds: tuple[WaitingKindName, ...] = ("held", "offline", "degraded", "corrupted", "dead_job")
    remind: Interval | None = Duration(86400)


class LogSettings(Section, frozen=True, kw_only=True):
    """The daemon's log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: str | None = None  # None: standard error
    max_size: Size = Size(10 * 2**20)  # bytes after which the file is rotated
    keep: Count = 5  # rotated files


class TuiSettings(Section, frozen=True, kw_only=True):
    """How the dashboard looks, and which keys it has."""

    theme: str = "treeledger-dark"
    keymap: dict[str, str] = msgspec.field(default_factory=dict)  # from the id of a key's use to keys


class RepositoryIdentity(Section, frozen=True, kw_only=True):
    """The keys of a `[[repositories]]` table that are no settings."""

    id: Annotated[str, Rule(_check_id)] | None = None
    name: Annotated[str, Rule(_check_name)]
    root: Annotated[str, Rule(_check_root)]
    paused: bool | None = None  # None: as it was paused or resumed last


class DeclaredRepository(RepositoryIdentity, frozen=True, kw_only=True):
    """One `[[repositories]]` table; `settings` are its other keys as written, merged later."""

    settings: dict[str, Any] = msgspec.field(default_factory=dict)
