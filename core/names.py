"""Names are bytes: the reversible mapping between file names and stored text.

A name on disk is any sequence of bytes but NUL and "/". A stored name is valid Unicode, so that
every database and JSON can hold it. What is valid UTF-8 is stored as it is; a byte HH that is not
becomes the character U+10FFHH; and the characters U+10FF80 to U+10FFFF themselves, valid in UTF-8
but needed for the escape, are escaped byte by byte. The mapping is one to one in both directions.
"""

from __future__ import annotations

import codecs
import os
import re
from typing import Final

_ESCAPE_BASE: Final = 0x10FF00
_FIRST_ESCAPE: Final = "\U0010ff80"
_ESCAPES: Final = re.compile("[\U0010ff80-\U0010ffff]")
_UNSAFE: Final = re.compile(
    # C0, DEL and C1 controls, bidirectional overrides, line separators, surrogates, our escapes
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U0010ff80-\U0010ffff]"
)


def _escape_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    bad = error.object[error.start : error.end]
    return "".join(chr(_ESCAPE_BASE + byte) for byte in bad), error.end


codecs.register_error("treeledger", _escape_bytes)


def stored_from_bytes(name: bytes) -> str:
    """The stored form of a name or path as the file system gave it."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        # Valid reserved characters must be escaped before the handler adds characters of its own.
        parts = re.split(rb"(\xf4\x8f\xbe[\x80-\xbf]|\xf4\x8f\xbf[\x80-\xbf])", name)
        return "".join(_stored_part(part) for part in parts)
    return _ESCAPES.sub(_escape_character, text) if _may_hold_escapes(text) else text


def _stored_part(part: bytes) -> str:
    text = part.decode("utf-8", "treeledger")
    if len(part) == 4 and len(text) == 1 and text >= _FIRST_ESCAPE:
        return _escape_character_text(text)
    return text


def _may_hold_escapes(text: str) -> bool:
    return not text.isascii() and max(text) >= _FIRST_ESCAPE


def _escape_character(match: re.Match[str]) -> str:
    return _escape_character_text(match.group())


def _escape_character_text(character: str) -> str:
    return "".join(chr(_ESCAPE_BASE + byte) for byte in character.encode())


def bytes_from_stored(stored: str) -> bytes:
    """The bytes a stored name or path stands for: the inverse of `stored_from_bytes`."""
    if stored.isascii() or not _may_hold_escapes(stored):
        return stored.encode()
    return b"".join(
        bytes((ord(character) & 0xFF,)) if character >= _FIRST_ESCAPE else character.encode()
        for character in stored
    )


def stored_from_os(name: str) -> str:
    """The stored form of a name as `os.scandir` or `os.fsdecode` spells it."""
    return name if name.isascii() else stored_from_bytes(os.fsencode(name))


def os_from_stored(stored: str) -> str:
    """The spelling of a stored name or path that the functions of `os` take."""
    return stored if stored.isascii() else os.fsdecode(bytes_from_stored(stored))


def shown(stored: str) -> str:
    """A stored path made safe for a terminal or a log: one line, no control characters.

    Characters that would move the cursor, reorder text or end the line, and escaped bytes, are
    shown as `\\xHH` or `\\uHHHH`. For people only: it cannot be turned back.
    """
    return stored if stored.isascii() and stored.isprintable() else _UNSAFE.sub(_shown_character, stored)


def _shown_character(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code >= 0x10FF80:
        return f"\\x{code & 0xFF:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def parent(path: str) -> str:
    """The directory that holds a stored path; "" is the root itself."""
    return path.rpartition("/")[0]


def within(prefix: str, path: str) -> bool:
    """Whether a stored path is the prefix itself or lies below it; everything lies below ""."""
    return not prefix or path == prefix or path.startswith(prefix + "/")


def range_below(path: str) -> tuple[str, str | None]:
    """The range of what lies below a directory: paths p with low <= p, and p < high unless that is None."""
    return (path + "/", path + "0") if path else ("", None)  # "0" follows "/"


def successor(path: str) -> str:
    """No stored path is greater than this one and less than what is returned: none holds a NUL."""
    return path + "\x01"


def ancestors(path: str) -> list[str]:
    """The directories above a stored path, outermost first, without the root."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]
