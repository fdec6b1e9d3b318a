"""The action `notes`: a text file in a folder for each batch of new files.

[plugins.notes]
file = "notes.py"
folder = "~/new-photos"
"""

from pathlib import Path

import anyio

from treeledger import impl
from treeledger.config.settings import Section
from treeledger.errors import ConfigurationError
from treeledger.model import ChangeKind, NewJob
from treeledger.names import shown
from treeledger.protocols import Action


class Options(Section, frozen=True, kw_only=True):
    """The keys of a table of `notes`, beside those that every plugin's table has."""

    folder: str


class Notes(Action):
    ordered = False

    def __init__(self, name, folder, repositories):
        self.name = name
        self.folder = Path(folder).expanduser()
        self.repositories = repositories

    def plan(self, entries, known):
        new = [entry for entry in entries if entry.kind is ChangeKind.ADDED]
        return [NewJob(f"{new[0].n:012}", {"paths": [shown(entry.path) for entry in new]})] if new else []

    async def run(self, job):
        # The same job writes the same file: done twice, nothing is there twice.
        await anyio.to_thread.run_sync(self.write, f"{job.key}.txt", job.payload["paths"])

    def write(self, name, paths):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text("\n".join(paths) + "\n", encoding="utf-8")


@impl
def actions(tables):
    found = []
    for name, options in tables.instances("notes", Options):
        if tables.instance(name).backfill:
            raise ConfigurationError(f"[plugins.{name}] backfill: notes are of new files only")
        found.append(Notes(name, options.folder, tables.instance(name).repositories))
    return found
