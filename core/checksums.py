"""Lists of SHA-256 sums as `sha256sum` writes and reads them.

A line is the digest, a space, a space or (binary) an asterisk, and the name. If the name holds a
backslash, newline or carriage return, these are written `\\\\`, `\\n`, `\\r` and the line begins with a
backslash. With `--tag` it is `SHA256 (NAME) = DIGEST`. See "md5sum invocation" in the GNU coreutils manual.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_PLAIN: Final = re.compile(rb"(?P<mark>\\?)(?P<digest>[0-9a-fA-F]{64}) [ *]?(?P<name>.+)", re.DOTALL)
_TAGGED: Final = re.compile(
    rb"(?P<mark>\\?)SHA2?-?256 ?\((?P<name>.+)\) ?= ?(?P<digest>[0-9a-fA-F]{64})", re.DOTALL
)
_ESCAPED: Final = re.compile(rb"\\([\\nr])")
_CHARACTERS: Final = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}
_TO_ESCAPE: Final = re.compile(rb"[\\\n\r]")


class Checksum(NamedTuple):
    """A path as the list has it, and the digest of its content in lower-case hexadecimal."""

    path: bytes
    digest: str


def read_line(line: bytes) -> Checksum | None:
    """What a line of a list says; None if it is none. Ends of lines of any system are taken off."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    match = _TAGGED.fullmatch(line) or _PLAIN.fullmatch(line)
    if match is None:
        return None
    name = match["name"]
    if match["mark"]:
        name = _ESCAPED.sub(lambda escape: _CHARACTERS[escape[1]], name)
    return Checksum(name, match["digest"].decode().lower())


def write_line(checksum: Checksum) -> bytes:
    """The line, with its newline, that `sha256sum --check` understands."""
    path, digest = checksum
    name = _TO_ESCAPE.sub(lambda character: _ESCAPES[character[0]], path)
    return b"%b%b  %b\n" % (b"\\" if name != path else b"", digest.encode(), name)


_ESCAPES: Final = {character: b"\\" + letter for letter, character in _CHARACTERS.items()}
