"""The worker functions: looking, walking and reading from plain data, in any thread or process."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from treeledger import worker
from treeledger.errors import PluginError, RootOffline
from treeledger.model import File, ProblemCode
from treeledger.protocols import FilePlace, KeyRow, PartRef
from treeledger.reading import Outcome, ReadLimits
from treeledger.survey import Surveyed, Task
from treeledger.testing.trees import open_within
from treeledger.worker import WorkSpec

WALKER = PartRef("treeledger.plugins.walker", "LocalTree", {})
SHA256 = PartRef("treeledger.plugins.sha256", "Sha256", {})
NAMES = PartRef("treeledger.plugins.gitignore.name_rules", "NameRules", {})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("a/b/c.txt", "a/d.txt", "e.txt", "e.tmp", ".hidden/f.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.fixture
def spec(root: Path) -> Iterator[WorkSpec]:
    devices = ((root.stat().st_dev, 7),)
    spec = WorkSpec(str(root), str(root), devices, WALKER, (NAMES,), (SHA256,), ("own.db",))
    yield spec
    worker.release(spec.key)


def test_looks_come_in_the_order_asked_and_say_what_is_there(root: Path, spec: WorkSpec) -> None:
    (root / "link").symlink_to("e.txt")
    asked = [
        "e.txt",
        "a/b/c.txt",
        "nothing",
        "e.txt",
        "a",
        "link",
        "e.tmp",
        ".hidden/f.txt",
        "own.db-wal",
        "no/way",
    ]
    looks = worker.look(spec, asked)
    assert [look.path for look in looks] == asked
    assert [look.path for look in looks if look.stat] == ["e.txt", "a/b/c.txt", "e.txt"]
    assert [look.path for look in looks if look.gone] == ["nothing", "a", "link", "no/way"]
    assert {look.parent_file_system for look in looks if look.gone} == {7}
    assert [look.path for look in looks if look.verdict] == ["e.tmp", ".hidden/f.txt", "own.db-wal"]
    assert [look.problem.code for look in looks if look.problem] == [ProblemCode.SYMLINK]


def test_each_look_goes_by_the_names_and_rules_of_now(root: Path, spec: WorkSpec) -> None:
    assert worker.look(spec, ["a/d.txt"])[0].stat
    (root / "a").rename(root / "z")
    assert worker.look(spec, ["a/d.txt"])[0].gone
    assert worker.look(spec, ["z/d.txt"])[0].stat
    (root / "z" / ".treeledgerignore").write_text("d.*\n")
    verdict = worker.look(spec, ["z/d.txt"])[0].verdict
    assert verdict is not None
    assert (verdict.ignored, verdict.source) == (True, "z/.treeledgerignore:1")
    without_rules = spec._replace(filters=(), own=(), key="without rules")
    assert worker.look(without_rules, ["z/d.txt"])[0].stat
    (root / "z").rename(root / "a")
    assert worker.look(without_rules, ["z/d.txt"])[0].gone
    worker.release(without_rules.key)


def test_a_root_that_is_not_there_is_offline_and_no_file_gone(root: Path, spec: WorkSpec) -> None:
    root.rename(root.parent / "elsewhere")
    for call in (
        lambda: worker.look(spec, ["e.txt"]),
        lambda: surveyed(spec),
        lambda: worker.read(spec, worker_files(spec), ReadLimits()),
    ):
        with pytest.raises(RootOffline):
            call()


class Empty:
    """A ledger that knows nothing."""

    def keys(self, low: str, high: str | None, limit: int) -> list[KeyRow]:
        return []

    def known(self, files: Sequence[FilePlace]) -> set[str]:
        return set()

    def close(self) -> None:
        return


def surveyed(spec: WorkSpec) -> Surveyed:
    return worker.survey(spec, Task(), Empty())


def worker_files(spec: WorkSpec) -> list[File]:
    return surveyed(spec).nominations.new


def test_a_walk_and_a_reading_agree_with_the_files(spec: WorkSpec) -> None:
    files = worker_files(spec)
    assert [file.path for file in files] == ["a/b/c.txt", "a/d.txt", "e.txt"]
    assert {read.outcome for read in worker.read(spec, files, ReadLimits())} == {Outcome.DONE}


def test_everything_runs_in_spawned_processes(spec: WorkSpec) -> None:
    files = worker_files(spec)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        looks = pool.submit(worker.look, spec, [file.path for file in files]).result()
        reads = pool.submit(worker.read, spec, files, ReadLimits()).result()
    assert looks == worker.look(spec, [file.path for file in files])
    assert reads == worker.read(spec, files, ReadLimits())


def test_many_threads_share_no_tree(root: Path, spec: WorkSpec) -> None:
    for number in range(50):
        (root / f"d{number}").mkdir()
        (root / f"d{number}" / f"f{number}").write_bytes(b"")
    paths = [f"d{number}/f{number}" for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        for looks in pool.map(lambda _: worker.look(spec, paths), range(40)):
            assert all(look.stat for look in looks)


def test_released_parts_leave_no_descriptor(root: Path, spec: WorkSpec) -> None:
    worker.look(spec, ["a/b/c.txt"])
    assert worker.survey(spec, Task(batch=1, most=1), Empty()).rest, "it is broken off"
    worker.release(spec.key)
    assert open_within(root) == 0


def test_parts_not_used_for_long_are_closed(root: Path, spec: WorkSpec) -> None:
    keys = [f"{spec.key} {number}" for number in range(100)]
    for key in keys:
        worker.look(spec._replace(key=key), ["e.txt"])
    assert open_within(root) < 50
    for key in keys:
        worker.release(key)


def test_a_part_may_come_from_a_file(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "class Part:\n    def __init__(self, *args, **options):\n        self.told = (args, options)\n"
    )
    plugin.chmod(0o600)
    ref = pickle.loads(pickle.dumps(PartRef(str(plugin), "Part", {"x": 1})))
    assert worker.build_part(ref, "root").told == (("root",), {"x": 1})
    assert type(worker.build_part(ref)) is type(worker.build_part(ref))


@pytest.mark.parametrize(
    "ref",
    [
        PartRef("treeledger.no_such_module", "Part", {}),
        PartRef("treeledger.plugins.sha256", "NoSuchPart", {}),
        PartRef("treeledger.plugins.sha256", "Sha256", {"no_such_option": 1}),
    ],
)
def test_a_part_that_cannot_be_built_is_named(ref: PartRef) -> None:
    with pytest.raises(PluginError, match=ref.location):
        worker.build_part(ref)


def test_an_unreadable_ignore_file_is_a_problem_of_the_walk(root: Path, spec: WorkSpec) -> None:
    (root / "a" / ".treeledgerignore").write_bytes(b"#" * (2**20 + 1))
    notes = surveyed(spec).notes
    assert [(note.path, note.code.is_note) for note in notes] == [("a/.treeledgerignore", False)]


@pytest.mark.root
def test_what_was_on_a_mount_that_went_away_says_whose_directory_is_left(root: Path, spec: WorkSpec) -> None:
    if os.geteuid() != 0:
        pytest.skip("MOUNTS NOT TESTED: only root can mount")
    mount = root / "mnt"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=False, capture_output=True).returncode:
        pytest.skip("MOUNTS NOT TESTED: this root may not mount")
    try:
        (mount / "file").write_bytes(b"")
        (closed,) = worker.look(spec, ["mnt/file"])
        crossing = spec._replace(key="crossing", devices=(*spec.devices, (mount.stat().st_dev, 8)))
        (crossed,) = worker.look(crossing, ["mnt/file"])
        worker.release("crossing")
    finally:
        subprocess.run(["umount", "--lazy", mount], check=True)
    assert closed.problem is not None
    assert (closed.problem.code, closed.gone) == (ProblemCode.MOUNT_NOT_CROSSED, False)
    assert crossed.stat is not None
    assert crossed.stat.file_system == 8
    (gone,) = worker.look(crossing, ["mnt/file"])
    worker.release("crossing")
    assert (gone.gone, gone.parent_file_system) == (True, 7)
