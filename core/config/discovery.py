"""Where plugins.toml is found, and which one of the working folder is trusted."""

from __future__ import annotations

import hashlib
import json
import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import platformdirs

from treeledger.config.environment import CONFIG
from treeledger.config.files import read_safely, replace_text
from treeledger.errors import ConfigurationError
from treeledger.fs.safety import make_private

FILE_NAME: Final = "plugins.toml"


class Found(NamedTuple):
    """The configuration file, if any, and what to tell the user about one that was passed over."""

    path: Path | None
    hint: str | None = None


def find(flag: Path | None, environ: Mapping[str, str], folder: Path) -> Found:
    """The configuration file: named by `--config` or TREELEDGER_CONFIG, in the working folder if it
    is trusted, in the user's configuration folder, in the system's.

    Raises ConfigurationError if a file that was named does not exist.
    """
    for origin, named in (("--config", flag), (CONFIG, environ.get(CONFIG))):
        if named:
            path = Path(os.path.expanduser(named))
            if not os.path.isfile(path):
                raise ConfigurationError(f"{origin}: there is no file {path}")
            return Found(path)
    hint = None
    here = folder / FILE_NAME
    if os.path.isfile(here):
        if is_trusted(here):
            return Found(here)
        hint = f"{here} is not read: look at it, then run: treeledger config trust, or name it with --config"
    for place in (user_file(), platformdirs.site_config_path("treeledger") / FILE_NAME):
        if os.path.isfile(place):
            return Found(place, hint)
    return Found(None, hint)


def user_file() -> Path:
    """Where the user's own configuration file is, or would be."""
    return platformdirs.user_config_path("treeledger") / FILE_NAME


def state_folder() -> Path:
    """Where treeledger keeps what it remembers for this user. It need not exist."""
    return platformdirs.user_state_path("treeledger")


def trust(path: Path) -> None:
    """Remembers a file as it is now; once it changes it is to be trusted again.

    Raises ConfigurationError if others could write it, OSError if that cannot be remembered.
    """
    place = path.resolve()
    trusted = _trusted() | {str(place): _digest(path)}
    make_private(str(state_folder()))
    replace_text(_memory(), json.dumps(trusted, indent=1) + "\n")


def is_trusted(path: Path) -> bool:
    """Whether this file was trusted, with exactly this content."""
    place = path.resolve()
    known = _trusted().get(str(place))
    return known is not None and known == _digest(path)


def _memory() -> Path:
    return state_folder() / "trusted.json"


def _trusted() -> dict[str, str]:
    if not os.path.isfile(_memory()):
        return {}
    try:
        return dict(json.loads(read_safely(_memory())))
    except ValueError:
        raise ConfigurationError(f"{_memory()} is damaged; remove it and trust your files again") from None


def _digest(path: Path) -> str:
    return hashlib.sha256(read_safely(path)).hexdigest()
