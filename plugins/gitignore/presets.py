"""Rules that come with the program, in the gitignore dialect."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import Final

from treeledger.errors import ConfigurationError

BUILT_IN: Final = (
    ".*",
    "*~",
    "*.tmp",
    "*.temp",
    "*.bak",
    "*.swp",
    "*.swo",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
)

PRESETS: Final = MappingProxyType(
    {
        # What Lumilio keeps in a repository's root: its own assets, and files not yet taken in.
        "lumilio": ("/.lumilio/", "/inbox/"),
        # Thumbnails, extended attributes, recycle bins and snapshots of DSM.
        "synology": (
            "@eaDir/",
            "\\#recycle/",
            "\\#snapshot/",
            "@tmp/",
            "@sharebin/",
            "@sharesnap/",
            "*@SynoEAStream",
            "*@SynoResource",
            ".SynologyWorkingDirectory/",
        ),
        # For the data folder of Nextcloud, or one user's folder in it. A person may well have a folder
        # `uploads` among the files, so that name counts only where Nextcloud itself puts it.
        "nextcloud": (
            "files_trashbin/",
            "files_versions/",
            "/uploads/",
            "/*/uploads/",
            "!/files/uploads/",
            "/appdata_*/",
            "*.ocTransferId*.part",
        ),
    }
)


def preset(name: str) -> tuple[str, ...]:
    """The rules of a preset. Raises ConfigurationError with the names there are."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, 1)
    hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(PRESETS) + "."
    raise ConfigurationError(f"ignore: no preset is named {name!r}; {hint}")
