"""What can be configured, as types: every key of plugins.toml with its default.

A repository's settings are the defaults of this module, then its profile, then `[defaults]`, then
what the environment says, then its own table (see `treeledger.config.layers`). Durations are
seconds, sizes bytes. Where None is possible, "none", "off" and "forever" say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec


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
    ignore: IgnoreSettings = IgnoreSettings()
    filter: FilterSettings = FilterSettings()


class StoreSettings(Section, frozen=True, kw_only=True):
    url: str | None = None
    password: str | None = None
    auto_migrate: bool | None = None  # None: SQLite after a backup, PostgreSQL never
    retention: Duration | None = Duration(90 * 86400)


class RepositoryIdentity(Section, frozen=True, kw_only=True):
    """The keys of a `[[repositories]]` table that are no settings."""

    id: Annotated[str, Rule(_check_id)] | None = None
    name: Annotated[str, Rule(_check_name)]
    root: Annotated[str, Rule(_check_root)]
    paused: bool = False


class DeclaredRepository(RepositoryIdentity, frozen=True, kw_only=True):
    """One `[[repositories]]` table; `settings` are its other keys as written, merged later."""

    settings: dict[str, Any] = msgspec.field(default_factory=dict)
