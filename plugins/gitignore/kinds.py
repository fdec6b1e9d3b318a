"""The filter by kind of file and by size: `filter = { types = ["image/*"], min_size = "100kB" }`."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from treeledger.errors import ConfigurationError
from treeledger.model import FileStat, Problem
from treeledger.protocols import ReadText, Verdict
from treeledger.units import show_size

_SOURCE: Final = "filter"
_UNKNOWN: Final = "application/octet-stream"
_MORE: Final = {
    "image/avif": (".avif",),
    "image/heic": (".heic", ".hif"),
    "image/heif": (".heif",),
    "image/jxl": (".jxl",),
    "image/webp": (".webp",),
    "image/vnd.adobe.photoshop": (".psd", ".psb"),
    "image/x-adobe-dng": (".dng",),
    "image/x-canon-cr2": (".cr2",),
    "image/x-canon-cr3": (".cr3",),
    "image/x-canon-crw": (".crw",),
    "image/x-epson-erf": (".erf",),
    "image/x-fuji-raf": (".raf",),
    "image/x-hasselblad-3fr": (".3fr", ".fff"),
    "image/x-kodak-dcr": (".dcr", ".kdc"),
    "image/x-leica-rwl": (".rwl",),
    "image/x-mamiya-mef": (".mef",),
    "image/x-minolta-mrw": (".mrw",),
    "image/x-nikon-nef": (".nef", ".nrw"),
    "image/x-olympus-orf": (".orf",),
    "image/x-panasonic-rw2": (".rw2", ".raw"),
    "image/x-pentax-pef": (".pef",),
    "image/x-phaseone-iiq": (".iiq",),
    "image/x-samsung-srw": (".srw",),
    "image/x-sigma-x3f": (".x3f",),
    "image/x-sony-arw": (".arw", ".sr2", ".srf"),
    "video/3gpp": (".3gp",),
    "video/mp2t": (".mts", ".m2ts"),
    "video/x-insta360": (".insv",),
    "video/x-matroska": (".mkv",),
    "video/x-ms-wmv": (".wmv",),
    "video/x-flv": (".flv",),
}
"""Types that the tables of `mimetypes` lack in some Python, above all raw photographs."""


class KindRules:
    """An `IgnoreFilter` that keeps files of some types and from some size on; directories are not asked.

    A type is known by the end of the name alone, whatever its case; what has none that is known is
    `application/octet-stream`. `min_size` in bytes.
    """

    def __init__(self, *, types: Sequence[str] = (), min_size: int = 0) -> None:
        """Raises ConfigurationError for a type that no file can have."""
        self._endings = _endings(types) if types else None
        self._unknown = any(fnmatchcase(_UNKNOWN, pattern) for pattern in types)
        self._other_type = Verdict(True, "types " + ", ".join(types), _SOURCE)
        self._min_size = min_size
        self._too_small = Verdict(True, f"min_size {show_size(min_size)}", _SOURCE)

    @property
    def problems(self) -> list[Problem]:
        return []

    def root(self, read: ReadText) -> KindRules:
        return self

    def below(self, name: str) -> KindRules:
        return self

    def check(self, name: str, is_directory: bool) -> Verdict | None:
        if is_directory or self._endings is None:
            return None
        _, dot, ending = name.rpartition(".")
        return None if self._endings.get(ending.lower() if dot else "", self._unknown) else self._other_type

    def speaks(self, entries: Sequence[str]) -> bool:
        return self._endings is not None

    def check_stat(self, path: str, stat: FileStat) -> Verdict | None:
        return self._too_small if stat.size < self._min_size else None

    def rules(self) -> list[Verdict]:
        in_effect = ((self._endings is not None, self._other_type), (self._min_size > 0, self._too_small))
        return [verdict for is_set, verdict in in_effect if is_set]


def _endings(types: Sequence[str]) -> dict[str, bool]:
    """Every known ending, without its dot, and whether a file that has it is kept."""
    known = _known_types()
    for pattern in types:
        if not any(fnmatchcase(type, pattern.lower()) for type in (*known.values(), _UNKNOWN)):
            raise ConfigurationError(
                f"filter.types: no file has the type {pattern!r}; write for example image/* or video/mp4"
            )
    return {
        ending: any(fnmatchcase(type, pattern.lower()) for pattern in types) for ending, type in known.items()
    }


def _known_types() -> dict[str, str]:
    # A table of our own, without the files of this machine: every host must come to the same verdict.
    table = mimetypes.MimeTypes()
    for type, endings in _MORE.items():
        for ending in endings:
            table.add_type(type, ending)
    found: dict[str, str] = {}
    for ending in {**table.types_map[0], **table.types_map[1], **table.suffix_map, **table.encodings_map}:
        type_, encoding = table.guess_type("name" + ending, strict=False)
        found[ending[1:].lower()] = type_ or f"application/{encoding}"
    return found
