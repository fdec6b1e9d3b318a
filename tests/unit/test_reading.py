"""Reading: a digest is right or it is not given."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.fs import stat_of
from treeledger.model import FileStat, ProblemCode
from treeledger.plugins.blake3_hasher import Blake3
from treeledger.plugins.sha256 import Sha256
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Digest
from treeledger.reading import Outcome, Read, ReadLimits, file_clock, read_files, settled_at

NO_LIMITS = ReadLimits()
SECOND = 10**9


class Meddling:
    """A hasher that does something to the file each time it gets a piece of it."""

    name = "meddling"

    def __init__(self, meddle: Callable[[], object]) -> None:
        self.meddle = meddle
        self.begun: list[int] = []

    def new(self) -> Digest:
        self.begun.append(file_clock())
        return _MeddlingDigest(self.meddle)


class _MeddlingDigest:
    def __init__(self, meddle: Callable[[], object]) -> None:
        self._meddle = meddle
        self._digest = hashlib.sha256()

    def update(self, data: memoryview | bytes, /) -> None:
        self._digest.update(data)
        self._meddle()

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[LocalTree]:
    tree = LocalTree(str(tmp_path), {tmp_path.stat().st_dev: 1})
    yield tree
    tree.close()


def stat(path: Path) -> FileStat:
    return stat_of(path.lstat(), 1)


def read_one(
    tree: LocalTree, path: Path, *, hasher: Meddling | Sha256 | None = None, limits: ReadLimits = NO_LIMITS
) -> Read:
    (result,) = read_files(tree, [hasher or Sha256()], [(path.name, stat(path))], limits)
    return result


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 2**20, 3 * 2**20 + 1])
def test_every_hasher_digests_all_of_the_file_in_one_reading(
    tree: LocalTree, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    wanted = [("file", stat(tmp_path / "file"))]
    (result,) = read_files(tree, [Sha256(), Blake3()], wanted, NO_LIMITS)
    blake3 = Blake3().new()
    blake3.update(content)
    assert result == Read(
        "file",
        wanted[0][1],
        Outcome.DONE,
        hashlib.sha256(content).hexdigest(),
        (("blake3", blake3.hexdigest()),),
    )


def test_results_come_in_the_order_that_was_asked(tree: LocalTree, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    wanted = []
    for name in ("b", "d/a", "a", "d/c"):
        (tmp_path / name).write_text(name)
        wanted.append((name, stat(tmp_path / name)))
    results = read_files(tree, [Sha256()], [*wanted, ("gone", wanted[0][1])], NO_LIMITS)
    assert [result.path for result in results] == ["b", "d/a", "a", "d/c", "gone"]
    assert [result.outcome for result in results] == [Outcome.DONE] * 4 + [Outcome.GONE]
    assert results[1].digest == hashlib.sha256(b"d/a").hexdigest()


@pytest.mark.parametrize("size", [100, 200_000])
@pytest.mark.parametrize("change", ["grow", "cut", "same size", "chmod"])
def test_a_file_that_changes_while_it_is_read_gets_no_digest(
    tree: LocalTree, tmp_path: Path, size: int, change: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))

    def meddle() -> None:
        match change:
            case "grow":
                os.truncate(path, size + 1)
            case "cut":
                os.truncate(path, size // 2)
            case "same size":
                with path.open("r+b") as file:
                    file.write(b"x")
            case "chmod":
                path.chmod(0o600)

    result = read_one(tree, path, hasher=Meddling(meddle))
    assert (result.outcome, result.digest, result.extra) == (Outcome.CHANGED, None, ())
    assert result.problem is not None
    assert result.problem.code is ProblemCode.CHANGED_WHILE_READ


@pytest.mark.parametrize("kind", ["other file", "symlink", "fifo", "directory", "device"])
def test_what_is_not_the_file_that_lstat_saw_is_not_read(tree: LocalTree, tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"x")
    other.write_bytes(b"x")
    seen = stat(path)
    path.unlink()
    match kind:
        case "other file":
            os.utime(other, ns=(seen.mtime_ns, seen.mtime_ns))
            other.rename(path)
        case "symlink":
            path.symlink_to(other)
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            if os.geteuid() != 0:
                pytest.skip("DEVICES NOT TESTED: only root can make one")
            os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero: reading it would never end
    (result,) = read_files(tree, [Sha256()], [("file", seen)], NO_LIMITS)
    assert (result.outcome, result.digest) == (Outcome.CHANGED, None)


def test_a_file_that_ends_before_its_size_has_failed(tmp_path: Path) -> None:
    """Some file systems tell sizes that their files do not have."""
    path = Path("/sys/kernel/uevent_seqnum")
    if not path.exists() or path.stat().st_size != 4096:
        pytest.skip("SHORT FILES NOT TESTED: no sysfs here")
    tree = LocalTree(str(path.parent), {path.stat().st_dev: 1})
    result = read_one(tree, path)
    tree.close()
    assert (result.outcome, result.digest) == (Outcome.FAILED, None)


def test_limits_are_kept_and_said(tree: LocalTree, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * 2**20))
    outcomes = {
        Outcome.TOO_LARGE: ReadLimits(max_size=2**20, deadline=0.0),
        Outcome.LATER: ReadLimits(small_only=2**20),
        Outcome.TIMED_OUT: ReadLimits(timeout=0.0),
        Outcome.DONE: ReadLimits(max_size=3 * 2**20, small_only=3 * 2**20, timeout=60.0),
    }
    for outcome, limits in outcomes.items():
        assert read_one(tree, path, limits=limits).outcome is outcome
    assert read_one(tree, path, limits=ReadLimits(deadline=time.monotonic() - 1)).outcome is Outcome.LATER


@pytest.mark.parametrize(
    ("number", "outcome", "code"),
    [
        (errno.EIO, Outcome.FAILED, ProblemCode.IO_ERROR),
        (errno.ESTALE, Outcome.FAILED, ProblemCode.IO_ERROR),
        (errno.EACCES, Outcome.FAILED, ProblemCode.UNREADABLE),
        (errno.EXDEV, Outcome.FAILED, ProblemCode.MOUNT_NOT_CROSSED),
        (errno.ENOENT, Outcome.GONE, None),
        (errno.ENOTDIR, Outcome.GONE, None),
    ],
)
def test_an_error_is_an_outcome(
    tmp_path: Path, number: int, outcome: Outcome, code: ProblemCode | None
) -> None:
    class Failing(LocalTree):
        def open(self, path: str) -> int:
            raise OSError(number, os.strerror(number))

    (tmp_path / "file").write_bytes(b"x")
    result = read_one(Failing(str(tmp_path), {}), tmp_path / "file")
    assert (result.outcome, result.problem and result.problem.code) == (outcome, code)


@pytest.mark.root
def test_what_may_not_be_read_has_failed() -> None:
    """In a process of nobody's, because root may read everything."""
    if os.geteuid() != 0:
        pytest.skip("PERMISSIONS NOT TESTED: only root can become somebody else")
    program = """
import os, tempfile
from treeledger.fs import stat_of
from treeledger.plugins.sha256 import Sha256
from treeledger.plugins.walker import LocalTree
from treeledger.reading import ReadLimits, read_files
os.setgid(65534); os.setuid(65534)
with tempfile.TemporaryDirectory() as folder:
    path = folder + "/file"
    open(path, "w").close()
    os.chmod(path, 0)
    tree = LocalTree(folder, {os.stat(folder).st_dev: 1})
    (result,) = read_files(tree, [Sha256()], [("file", stat_of(os.lstat(path), 1))], ReadLimits())
    print(result.outcome, result.problem.code)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "failed unreadable\n"


def test_a_file_just_written_is_read_only_when_a_further_write_would_show(
    tree: LocalTree, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        hasher = Meddling(lambda: None)
        result = read_one(tree, path, hasher=hasher)
        assert (result.outcome, result.digest) == (Outcome.DONE, hashlib.sha256(content).hexdigest())
        (begun,) = hasher.begun
        assert begun >= settled_at(result.stat)


@pytest.mark.parametrize("steady", [True, False])
def test_a_file_from_the_future_is_read_twice(tree: LocalTree, tmp_path: Path, steady: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    seen = stat(path)
    readings = iter([b"a", b"a" if steady else b"b"])
    hasher = Meddling(lambda: None)

    class Salted(Meddling):
        def new(self) -> Digest:
            digest = hasher.new()
            digest.update(next(readings))
            return digest

    long_ago = seen.ctime_ns - 3600 * SECOND
    (result,) = read_files(tree, [Salted(lambda: None)], [("file", seen)], NO_LIMITS, clock=lambda: long_ago)
    assert len(hasher.begun) == 2
    assert (result.outcome is Outcome.DONE) is steady
    assert (result.digest is not None) is steady


def test_no_file_is_waited_for_beyond_the_deadline(tree: LocalTree, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    seen = stat(tmp_path / "file")
    limits = ReadLimits(deadline=time.monotonic() + 0.5)
    (result,) = read_files(tree, [Sha256()], [("file", seen)], limits, clock=lambda: seen.ctime_ns - SECOND)
    assert result.outcome is Outcome.LATER


def test_none_is_waited_for_where_every_write_shows(tree: LocalTree, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    seen = stat(tmp_path / "file")

    def is_read(wanted: FileStat, file_system: int, within: float = 0.1) -> bool:
        limits = ReadLimits(deadline=time.monotonic() + within)
        clock = lambda: wanted.ctime_ns  # noqa: E731
        (result,) = read_files(
            tree, [Sha256()], [("file", wanted)], limits, prompt=[file_system], clock=clock
        )
        return result.outcome is not Outcome.LATER

    cut_off = seen._replace(ctime_ns=seen.ctime_ns // SECOND * SECOND)  # by the file system, perhaps
    fine = seen._replace(ctime_ns=cut_off.ctime_ns + 1)
    assert is_read(fine, seen.file_system, within=60.0)
    assert not is_read(cut_off, seen.file_system)
    assert not is_read(fine, seen.file_system + 1)


@given(st.integers(0, 4 * 10**18), st.sampled_from([1, 100, 10**3, 10**6, 10**7, 10**9, 2 * 10**9]))
def test_once_settled_a_write_shows_in_a_ctime_of_any_grain(now: int, grain: int) -> None:
    """A file system of that grain would give a write at the settled time another ctime."""
    ctime = now // grain * grain
    settled = settled_at(FileStat(0, 0, ctime, 1, 1, 0o100644))
    assert settled // grain * grain > ctime
