"""New files in a tree, so many a second, by a process of its own.

    python -m benchmarks.flood ROOT RATE SECONDS

It prints how many it has written. The folders are there a moment earlier, so that their watches are, too.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

_FOLDERS: Final = 50
_AHEAD: Final = 0.5  # seconds from the folders to the first file
_PAUSE: Final = 0.005  # seconds


def flooding(root: Path, rate: int, seconds: float) -> subprocess.Popen[str]:
    """The process, which has begun."""
    command = [sys.executable, __file__, str(root), str(rate), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def written(process: subprocess.Popen[str]) -> int:
    """Waits until it is done; how many files it wrote."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the flood ended with {process.returncode}")
    return int(said)


def _flood(root: Path, rate: int, seconds: float) -> int:
    """Files that are due and not written yet are written at once; how many there are in the end."""
    folders = [root / f"flood-{time.time_ns()}" / f"{number:02}" for number in range(_FOLDERS)]
    for folder in folders:
        folder.mkdir(parents=True)
    time.sleep(_AHEAD)
    begun, count = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        while count < passed * rate:
            (folders[count % _FOLDERS] / f"{count}.txt").write_text(f"file {count}")
            count += 1
        time.sleep(_PAUSE)
    return count


if __name__ == "__main__":
    print(_flood(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
