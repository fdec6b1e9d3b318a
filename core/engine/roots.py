"""Whether the root is the root it was. An absent, unreadable or replaced root changes no record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio.to_thread

from treeledger.errors import RootOffline
from treeledger.fs.mounts import Mount, identify, mounts_below, tells_writes_apart
from treeledger.fs.root import ANOTHER, RootLook, RootVerdict, judge_root, look_at_root, offline
from treeledger.model import RecordState, Repository
from treeledger.names import successor
from treeledger.protocols import Store
from treeledger.units import show_count

log = logging.getLogger(__name__)
_SAMPLE: Final = 50
_PAGE: Final = 5000  # records


@dataclass(frozen=True, slots=True)
class KnownRoot:
    """A root as it was accepted: where it is, and the device and inode it must go on having."""

    path: str
    shown_as: str
    marker: str | None
    device: int
    inode: int
    file_system: int
    type: str
    devices: tuple[tuple[int, int], ...]
    prompt: tuple[int, ...]  # the file systems of these that tell writes apart
    mounts: tuple[Mount, ...]  # below the root
    barred: tuple[str, ...]  # those of them that are not entered, relative to it

    async def check(self) -> RootLook:
        """Looks again. Raises RootOffline if the root is absent, unreadable, or another directory by now."""
        look = await anyio.to_thread.run_sync(look_at_root, self.path, self.marker)
        if (look.device, look.inode) != (self.device, self.inode):
            raise RootOffline(f"{self.shown_as} is {ANOTHER}")
        return look

    async def new_mounts(self) -> KnownRoot | None:
        """This root with the mounts below it by now; None if they are the same. Raises RootOffline."""
        try:
            mounts = tuple(await anyio.to_thread.run_sync(mounts_below, self.path))
        except OSError as error:  # a folder above it was swapped at that moment
            raise offline(self.path, error, self.marker) from error
        return None if mounts == self.mounts else replace(self, mounts=mounts, barred=self.relative(mounts))

    def relative(self, mounts: Iterable[Mount]) -> tuple[str, ...]:
        """The places of mounts below this root."""
        return _relative(self.path, mounts)


async def examine_root(
    store: Store, repository: Repository, marker: str | None, shown_as: str | None, *, cross_mounts: bool
) -> tuple[KnownRoot, RootVerdict]:
    """Looks at a repository's root and says whether it is the one of the last time.

    Raises RootOffline if there is none. UNSURE leaves it to a sample of records (`sample_paths`).
    """
    look = await anyio.to_thread.run_sync(look_at_root, repository.root, marker)
    try:
        identity = await anyio.to_thread.run_sync(identify, repository.root, repository.host)
        mounts = tuple(await anyio.to_thread.run_sync(mounts_below, repository.root))
    except OSError as error:  # it went away since
        raise offline(repository.root, error, marker) from error
    number = await store.file_system(identity)
    verdict = judge_root(
        look,
        file_system=number,
        known_file_system=repository.root_file_system,
        known_inode=repository.root_inode,
        identity_is_stable=bool(identity.identity) and await _was_stable(store, repository),
    )
    devices = {look.device: (number, identity.type)}
    if cross_mounts:
        devices |= await _devices(store, [mount.mount_path for mount in mounts], repository.host)
    root = KnownRoot(
        path=repository.root,
        shown_as=shown_as or repository.root,
        marker=marker,
        device=look.device,
        inode=look.inode,
        file_system=number,
        type=identity.type,
        devices=tuple((device, number) for device, (number, _) in devices.items()),
        prompt=tuple(sorted({number for number, type in devices.values() if tells_writes_apart(type)})),
        mounts=mounts,
        barred=() if cross_mounts else _relative(repository.root, mounts),
    )
    return root, verdict


def _relative(root: str, mounts: Iterable[Mount]) -> tuple[str, ...]:
    return tuple(mount.mount_path[len(root.rstrip("/")) + 1 :] for mount in mounts)


async def _was_stable(store: Store, repository: Repository) -> bool:
    """Whether the root was last known by an identity of its file system, not only by its place."""
    number = repository.root_file_system
    known = None if number is None else await store.file_system_identity(number)
    return known is None or bool(known.identity)


async def _devices(store: Store, mount_paths: Sequence[str], host: str) -> dict[int, tuple[int, str]]:
    """By device the number and type of mounts' file systems; one that does not answer is not entered."""
    devices = {}
    for path in mount_paths:
        try:
            identity = await anyio.to_thread.run_sync(identify, path, host)
        except OSError as error:
            log.warning("%s does not answer (%s); its records are kept as they are", path, error)
            continue
        devices[identity.device] = (await store.file_system(identity), identity.type)
    return devices


async def sample_paths(store: Store, repository: Repository) -> list[tuple[str, int, int]]:
    """Path, size and mtime of some present records, spread over the first page that holds any."""
    low = ""
    while page := await store.keys(repository.id, low, None, _PAGE):
        low = successor(page[-1].path)
        present = [key for key in page if key.state == RecordState.PRESENT]
        if present:
            step = max(1, len(present) // _SAMPLE)
            return [(key.path, key.size, key.mtime_ns) for key in present[::step]]
    return []


def replaced(repository: Repository, root: KnownRoot) -> RootOffline:
    """The error for a root that is there but is not the one the records are of."""
    return RootOffline(
        f"{repository.name}: {root.shown_as} is another directory than the one whose"
        f" {show_count(repository.files)} files are on record. Nothing was changed. If it is meant to be"
        f" this one now, run: treeledger repo relocate {repository.name} {root.path}"
    )
