"""The least that does the job: `inotifywait`, SHA-256, and a commit to SQLite for each file that was closed.

It knows no scan, no rename, no lost event. Prints each path once it is committed. As a script: DATABASE ROOT.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

EVENTS = ("inotifywait", "-m", "-q", "-r", "-e", "close_write", "--format", "%w%f")


def main(database: str, root: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that inotifywait is ended, too
    with (
        closing(sqlite3.connect(database, isolation_level=None)) as connection,
        subprocess.Popen([*EVENTS, root], stdout=subprocess.PIPE, text=True) as events,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS files (path text PRIMARY KEY, size, mtime_ns, hash)")
        assert events.stdout is not None
        try:
            for line in events.stdout:
                path = line.rstrip("\n")
                stat, content = os.lstat(path), Path(path).read_bytes()
                row = (path, stat.st_size, stat.st_mtime_ns, hashlib.sha256(content).hexdigest())
                connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row)
                print(path, flush=True)
        finally:
            events.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:3])
