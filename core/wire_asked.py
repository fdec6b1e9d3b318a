"""What the API is asked to do, as JSON: the bodies of its requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from treeledger.api.routing import MOST, Form
from treeledger.model import INT64_MAX

Number = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Paths = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)]
Ids = Annotated[tuple[Number, ...], msgspec.Meta(max_length=MOST)]
Priority = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]
Kind = Literal["full", "quick", "scrub"]


class NewRepository(Form, frozen=True, kw_only=True):
    """`root` is an absolute path; without a `name` it is called after its last part."""

    root: str
    name: str | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class RepositoryChange(Form, frozen=True, kw_only=True):
    """What is given is changed. `settings` take the place of all that the repository has of its own."""

    paused: bool | None = None
    settings: dict[str, Any] | None = None


class Relocation(Form, frozen=True, kw_only=True):
    """`root`: where the files are now."""

    root: str


class Limits(Form, frozen=True, kw_only=True):
    """How much a scrub reads: the first limit that is reached ends it, an hour if none is given.

    `percent` of the repository's bytes; `rate` in bytes a second; `older_than`: only what was not verified
    for so many seconds.
    """

    percent: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    files: Count | None = None
    bytes: Count | None = None
    seconds: Positive | None = None
    rate: Positive | None = None
    older_than: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Trigger(Form, frozen=True, kw_only=True):
    """Work for one repository, or for all of this host that are not paused.

    `paths`: only these and what is below them. `rehash`: every file is read again. `limits` are of a scrub.
    With `wait` the answer comes when all is done, else at once.
    """

    kind: Kind = "full"
    repository: str | None = None
    paths: Paths = ()
    rehash: bool = False
    limits: Limits | None = None
    wait: bool = False


class Which(Form, frozen=True, kw_only=True):
    """One repository; without a name all of this host."""

    repository: str | None = None


class Acceptance(Form, frozen=True, kw_only=True):
    """Corrupted files whose content now is right; `paths` are relative to the root."""

    repository: str
    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MOST)]


class Jobs(Form, frozen=True, kw_only=True):
    """Some jobs; without `ids` all that are dead."""

    ids: Ids = ()


class JobsPriority(Form, frozen=True, kw_only=True):
    """Jobs of a higher priority are taken first; 0 is usual."""

    ids: Ids
    priority: Priority


class PluginChange(Form, frozen=True, kw_only=True):
    """Whether a plugin is switched on, from the next start of the engine."""

    enabled: bool
