"""What is printed beside the dashboard, in whatever way, is kept from its terminal, and printed after it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, os, subprocess, sys
from treeledger.tui.undisturbed import undisturbed
logging.basicConfig()
with undisturbed():
    print("printed", flush=True)
    logging.warning("logged")
    os.write(1, b"written\\n")
    os.write(2, b"x" * 100_000 + b"\\n")
    subprocess.run(["echo", "of a child"], check=True)
    subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    sys.__stderr__.write("drawn on stderr, ")
    sys.__stderr__.flush()
    sys.__stdout__.write("drawn on stdout, ")
    sys.__stdout__.flush()
    os.write(1, b"last\\n")
print("after it")
sys.stderr.write("after it, too")
"""


def test_only_what_draws_reaches_the_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "drawn on stdout, after it\n"
    begin, *kept, end = done.stderr.split("\n")
    assert begin.startswith("drawn on stderr, xxxx")
    assert len(begin) < 40_000
    assert (kept, end) == (["of a child", "last"], "after it, too")
