"""Relocation: a repository's files are in another directory now, perhaps on another disk."""

from __future__ import annotations

from treeledger.config.settings import RepositorySettings
from treeledger.engine.roots import examine_root, sample_paths
from treeledger.engine.session import LEASE_SECONDS, Tools, build_spec
from treeledger.errors import UsageError
from treeledger.model import Repository


async def relocate(tools: Tools, old: Repository, new: Repository, settings: RepositorySettings) -> None:
    """Writes the new root. Raises UsageError if it holds none of a sample of the files on record."""
    root, _ = await examine_root(
        tools.store, new, settings.marker, settings.shown_as, cross_mounts=settings.cross_mounts
    )
    sample = await sample_paths(tools.store, old)
    spec = build_spec(tools, new, settings, root)
    looks = await tools.workers.look(spec, [path for path, _, _ in sample])
    if sample and not any(look.stat is not None for look in looks):
        raise UsageError(
            f"{new.root} holds none of {len(sample)} files of {old.name} that were looked for, such as"
            f" {sample[0][0]}. Nothing was changed"
        )
    lease = await tools.store.claim(old.id, tools.owner, LEASE_SECONDS)
    try:
        if old.root_file_system not in (None, root.file_system):
            await tools.store.renumber_file_system(lease, old.root_file_system or 0, root.file_system)
        await tools.store.update_repository(
            old.id, root=new.root, root_identity=(root.file_system, root.inode), lease=lease
        )
    finally:
        await tools.store.release(lease, clean=False)
