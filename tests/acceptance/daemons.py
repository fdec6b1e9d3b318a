"""`treeledger daemon` as a person starts it, in an empty home, with the folder `photos` under its care."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from executable import Executable, Running

CONFIGURATION = "config/treeledger/plugins.toml"


@contextmanager
def daemon(home: Path, settings: str = "", **environ: str) -> Iterator[Running]:
    """One that watches `home`/photos; `settings` is its plugins.toml. It ends in order, with no traceback."""
    file = home / CONFIGURATION
    file.parent.mkdir(parents=True)
    file.write_text(settings)
    file.chmod(0o600)
    treeledger = Executable(home)
    treeledger("repo", "add", home / "photos")
    with treeledger.started("daemon", terminal=False, **environ) as running:
        running.until("^log: .*$\n")  # the last line that says where it is: it answers
        running.until("photos: watching")
        yield running
        assert running.process.poll() is None, running.text
        assert running.stop() == 0, running.text


def photos(home: Path) -> Path:
    """A folder with one file, for who begins without a daemon."""
    folder = home / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_text("one")
    return folder


def has_ended(treeledger: Executable) -> bool:
    """Whether no engine has the ledger any more."""
    return "engine: none is running" in treeledger("status").text
