"""`treeledger init`: a commented plugins.toml to begin with."""

from __future__ import annotations

import os
from pathlib import Path

from treeledger.cli.options import Options
from treeledger.cli.render import print_json
from treeledger.config.discovery import FILE_NAME, user_file
from treeledger.config.files import replace_text
from treeledger.config.template import TEMPLATE
from treeledger.errors import ConfigurationError, UsageError
from treeledger.names import shown


def run(options: Options) -> int:
    """Writes the file. Raises UsageError if it is there already, ConfigurationError if it cannot be."""
    path = _path(options.given.file)
    if os.path.lexists(path) and not options.given.force:
        raise UsageError(f"{path} is there already and was not touched; --force overwrites it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, TEMPLATE)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    if options.json:
        print_json({"file": str(path)})
    elif not options.quiet:
        _print_next(path)
    return 0


def _path(given: str | None) -> Path:
    if given is None:
        return user_file()
    path = Path(os.path.abspath(os.path.expanduser(given)))
    return path / FILE_NAME if path.is_dir() else path


def _print_next(path: Path) -> None:
    option = "" if path == user_file() else f" --config {path}"
    print(f"wrote {shown(str(path))}; every line in it is commented out, so all defaults hold")
    print("next: name your folders in it, then")
    print(f"    treeledger{shown(option)} config check")
    print(f"    treeledger{shown(option)} watch")
