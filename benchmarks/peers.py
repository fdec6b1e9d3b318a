"""The others: what does the same job, or a part of it, and how it is asked to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measure import Cost, pipe, run

Work = Callable[[Path, Path], Cost]  # does its job on a tree, keeping what it must in a folder


@dataclass(frozen=True, slots=True)
class Peer:
    """A program of a Debian package. `rescan` is only asked for after `index`, in the same folder."""

    name: str
    program: str
    package: str
    version: Sequence[str]  # a command
    index: Work
    rescan: Work | None = None

    def is_here(self) -> bool:
        """After it was installed, if that is possible."""
        return installed(self.program, self.package)


def installed(program: str, package: str) -> bool:
    """Whether a program can be run; its package is installed if that is possible."""
    if shutil.which(program) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        tried(["apt-get", "install", "-qq", "--no-install-recommends", package])
    return shutil.which(program) is not None


def tried(command: Sequence[str], within: float = 300.0) -> bool:
    """Whether a command succeeds, in so many seconds."""
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=within)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def said(command: Sequence[str]) -> str:
    """The first line that a command prints, "?" if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "?")


def find(root: Path, state: Path) -> Cost:
    return run(["find", str(root), "-printf", "%p %s %T@ %i\n"])


def sums(root: Path, state: Path) -> Cost:
    files = ["find", str(root), "-type", "f", "-print0"]
    return pipe(files, ["xargs", "-0", "-P2", "-n500", "sha256sum"])


def openssl(root: Path, state: Path) -> Cost:
    files = sorted(map(str, root.iterdir()))
    return run(["taskset", "-c", "0", "openssl", "dgst", "-sha256", *files])


def hashdeep(root: Path, state: Path) -> Cost:
    return run(["hashdeep", "-c", "sha256", "-r", "-j2", str(root)])


def mtree(root: Path, state: Path) -> Cost:
    return run(["mtree", "-c", "-K", "sha256", "-p", str(root)])


def rclone(root: Path, state: Path) -> Cost:
    return run(["rclone", "--config", os.devnull, "hashsum", "sha256", "--checkers", "2", str(root)])


def aide_index(root: Path, state: Path) -> Cost:
    return run(["aide", "--init", "-c", str(_aide_configuration(root, state))])


def aide_check(root: Path, state: Path) -> Cost:
    """Codes below 8 say what differs: a case may have written to the tree and put it back."""
    return run(["aide", "--check", "-c", str(_aide_configuration(root, state))], good=range(8))


def _aide_configuration(root: Path, state: Path) -> Path:
    """A rule is a regular expression for the beginning of a path, so it must say where a name ends."""
    path = state / "aide.conf"
    path.write_text(
        f"database_in=file:{state}/aide.db\ndatabase_out=file:{state}/aide.db\nlog_level=error\n"
        f"{re.escape(str(root))}(/|$) p+i+s+m+c+sha256\n"
    )
    return path


def restic_index(root: Path, state: Path) -> Cost:
    run([*_restic(state), "init"], environ=_RESTIC)
    return restic_again(root, state)


def restic_again(root: Path, state: Path) -> Cost:
    return run([*_restic(state), "backup", str(root)], environ=_RESTIC)


def _restic(state: Path) -> list[str]:
    return ["restic", "-q", "-r", f"{state}/restic", "--cache-dir", f"{state}/restic-cache"]


def borg_index(root: Path, state: Path) -> Cost:
    run(["borg", "init", "-e", "none", f"{state}/borg"], environ=_borg(state))
    return borg_again(root, state)


def borg_again(root: Path, state: Path) -> Cost:
    return run(
        ["borg", "create", "-C", "none", f"{state}/borg::{{now:%s.%f}}", str(root)], environ=_borg(state)
    )


def _borg(state: Path) -> dict[str, str]:
    return {
        "BORG_BASE_DIR": f"{state}/borg-base",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }


_RESTIC: Final = {"RESTIC_PASSWORD": "benchmark"}

FIND: Final = Peer("find -printf", "find", "findutils", ["find", "--version"], find)
SUMS: Final = Peer("xargs -P2 sha256sum", "sha256sum", "coreutils", ["sha256sum", "--version"], sums)
OPENSSL: Final = Peer("openssl dgst, one core", "openssl", "openssl", ["openssl", "version"], openssl)
INDEXERS: Final = (
    Peer("hashdeep", "hashdeep", "hashdeep", ["hashdeep", "-V"], hashdeep),
    Peer("mtree", "mtree", "mtree-netbsd", ["dpkg-query", "-Wf", "${Version}", "mtree-netbsd"], mtree),
    Peer("rclone hashsum", "rclone", "rclone", ["rclone", "version"], rclone),
    Peer("AIDE", "aide", "aide", ["aide", "--version"], aide_index, aide_check),
    Peer("restic", "restic", "restic", ["restic", "version"], restic_index, restic_again),
    Peer("borg", "borg", "borgbackup", ["borg", "--version"], borg_index, borg_again),
)


def versions(*peers: Peer) -> str:
    """Of those that are here, in a line."""
    return "; ".join(f"{peer.name}: {said(peer.version)}" for peer in peers if shutil.which(peer.program))
