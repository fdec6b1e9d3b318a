"""Lists of sums are those of sha256sum, both ways."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.checksums import Checksum, read_line, write_line

DIGEST = sha256(b"").hexdigest()
NAMES = [
    b"plain",
    b"with space ",
    b"a\nb",
    b"a\rb",
    b"back\\slash\\n",
    b"(x) = y",
    b"\xff\xfe",
    b"*star",
    b" x",
]
_paths = st.binary(min_size=1).filter(lambda path: b"\0" not in path)


@given(_paths)
def test_a_line_that_was_written_is_read_back(path: bytes) -> None:
    line = write_line(Checksum(path, DIGEST))
    assert line.count(b"\n") == 1
    assert read_line(line) == Checksum(path, DIGEST)


@pytest.mark.parametrize("flags", [(), ("--binary",), ("--tag",)])
def test_what_sha256sum_writes_is_read_and_what_is_written_it_checks(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    for name in NAMES:
        (tmp_path / name.decode("utf-8", "surrogateescape")).write_bytes(name)
    command: list[str | bytes] = ["sha256sum", *flags, "--", *NAMES]
    listed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    sums = [read_line(line) for line in listed.splitlines(keepends=True)]
    assert sums == [Checksum(name, sha256(name).hexdigest()) for name in NAMES]
    ours = b"".join(write_line(one) for one in sums if one is not None)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet"], cwd=tmp_path, input=ours, check=True)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (b"%b  a.jpg\r\n", b"a.jpg"),
        (b"SHA256(a.jpg)= %b\n", b"a.jpg"),
        (b"SHA2-256(a.jpg)= %b\n", b"a.jpg"),
        (b"%b a.jpg\n", b"a.jpg"),
    ],
)
def test_lists_of_other_tools_are_read(line: bytes, path: bytes) -> None:
    assert read_line(line % DIGEST.upper().encode()) == Checksum(path, DIGEST)


@pytest.mark.parametrize("line", [b"", b"\n", b"# a comment\n", b"d41d8cd98f00b204e9800998ecf8427e  md5\n"])
def test_what_is_no_sum_is_none(line: bytes) -> None:
    assert read_line(line) is None
