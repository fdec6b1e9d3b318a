"""A program that changes a tree until it is told to end: as fast as it can, or RATE times a second.

    python writer.py ROOT FOLDER SEED [RATE]

FOLDER is its own within ROOT; `shared` is everybody's. What another writer took away is passed over.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_MOST = 600  # files in one's own folder
_LOOK_EVERY = 300  # operations between looks at what there is
_PAUSE_EVERY = 2000  # operations between moments of rest


class Writer:
    def __init__(self, root: Path, folder: str, seed: int) -> None:
        self.done = 0
        self._places = [root / folder, root / "shared"]
        self._random = random.Random(seed)
        self._files: list[Path] = []
        self._folders: list[Path] = []

    def work(self) -> None:
        """One operation."""
        if self.done % _LOOK_EVERY == 0:
            self._look()
        if self.done % _PAUSE_EVERY == 0:
            time.sleep(self._random.random())
        actions = [self._create, self._create, self._append, self._rewrite, self._rename, self._replace]
        actions += [self._remove] * (3 if len(self._files) > _MOST else 1)
        if self._random.random() < 0.02:
            actions = [self._make_folder, self._move_folder, self._remove_folder]
        try:
            self._random.choice(actions)()
        except OSError:
            pass  # it is gone, or somebody was there first
        self.done += 1

    def _look(self) -> None:
        for place in self._places:
            place.mkdir(exist_ok=True)
        walked = [(folder, names) for place in self._places for folder, _, names in os.walk(place)]
        self._folders = [Path(folder) for folder, _ in walked]
        self._files = [Path(folder, name) for folder, names in walked for name in names]

    def _file(self) -> Path:
        return self._random.choice(self._files) if self._files else self._new()

    def _new(self) -> Path:
        return self._random.choice(self._folders) / f"f{self._random.randrange(2000)}"

    def _content(self) -> bytes:
        return self._random.randbytes(self._random.choice([0, 10, 10, 200, 4000, 100_000]))

    def _create(self) -> None:
        file = self._new()
        file.write_bytes(self._content())
        self._files.append(file)

    def _append(self) -> None:
        with self._file().open("ab") as file:
            file.write(self._content())

    def _rewrite(self) -> None:
        """Other content of the same size, with the modification time put back."""
        file = self._file()
        status = file.stat()
        file.write_bytes(self._random.randbytes(status.st_size))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _rename(self) -> None:
        target = self._new()
        self._file().rename(target)
        self._files.append(target)

    def _replace(self) -> None:
        """As editors save."""
        file = self._file()
        saved = file.with_name(f".{file.name}.{os.getpid()}")
        saved.write_bytes(self._content())
        saved.replace(file)

    def _remove(self) -> None:
        self._file().unlink()

    def _make_folder(self) -> None:
        folder = self._random.choice(self._folders) / f"d{self._random.randrange(30)}"
        if len(folder.parts) < len(self._places[0].parts) + 5:
            folder.mkdir()
            self._folders.append(folder)

    def _move_folder(self) -> None:
        folder = self._random.choice(self._folders)
        if folder not in self._places:
            target = self._random.choice(self._folders) / f"d{self._random.randrange(30)}"
            folder.rename(target)
            self._folders.append(target)

    def _remove_folder(self) -> None:
        folder = self._random.choice(self._folders)
        if folder not in self._places:
            shutil.rmtree(folder)


@contextmanager
def writing(root: Path, count: int, *rate: float) -> Iterator[list[subprocess.Popen[str]]]:
    """So many of these programs at work in a tree, each at `rate` if there is one."""
    writers = [
        subprocess.Popen(
            [sys.executable, __file__, root, f"w{n}", str(n), *map(str, rate)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]
    try:
        yield writers
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def stop(writers: Sequence[subprocess.Popen[str]]) -> int:
    """Lets writers end; how many operations they did."""
    for writer in writers:
        writer.terminate()
    return sum(int(writer.communicate(timeout=60)[0]) for writer in writers)


def main() -> None:
    root, folder, seed, *rate = sys.argv[1:]
    pause = 1 / float(rate[0]) if rate else 0.0
    writer = Writer(Path(root), folder, int(seed))
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    while not is_over:
        writer.work()
        time.sleep(pause)
    print(writer.done)


if __name__ == "__main__":
    main()
