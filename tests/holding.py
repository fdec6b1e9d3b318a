"""A scan that stays in its middle until it is let go on, however fast or busy the machine is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_FILTER = '''
import os
import time

from treeledger import impl
from treeledger.protocols import DirectoryFilter, IgnoreFilter, PartRef


class Holding(DirectoryFilter, IgnoreFilter):
    """Whoever meets the file waits as long as it is there."""

    problems = ()

    def __init__(self, file):
        self.file = file

    def root(self, read):
        return self

    def below(self, name):
        return self

    def check(self, name, is_directory):
        while name == os.path.basename(self.file) and os.path.exists(self.file):
            time.sleep(0.01)

    def rules(self):
        return []


@impl
def ignore_filters(tables, settings):
    return [PartRef(__file__, "Holding", {"file": FILE})]
'''


class Held(NamedTuple):
    """`config`: with which a scan waits as long as there is `file`, which it never records."""

    config: Path
    file: Path

    def let_go(self) -> None:
        self.file.unlink()


def held(home: Path, folder: Path) -> Held:
    """Has scans of `home`'s own plugins.toml wait once they come to `folder`."""
    file = folder / "hold"
    file.touch()
    plugin = home / "holding.py"
    plugin.write_text(f"FILE = {str(file)!r}\n{_FILTER}")
    config = home / "holding.toml"
    config.write_text(f"[plugins.holding]\nfile = {str(plugin)!r}\n")
    for one in (plugin, config):
        one.chmod(0o600)
    return Held(config, file)
