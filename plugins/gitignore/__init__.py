"""What is not looked at: rules on names in the gitignore dialect, on kinds of files and on their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from treeledger.hookspecs import impl
from treeledger.protocols import PartRef

if TYPE_CHECKING:
    from treeledger.config.settings import RepositorySettings
    from treeledger.config.tables import PluginTables


@impl
def ignore_filters(tables: PluginTables, settings: RepositorySettings) -> Sequence[PartRef]:
    """The filter of `[ignore]`, and one for `[filter]` where that restricts anything."""
    ignore, kinds = settings.ignore, settings.filter
    names = {
        "builtin": ignore.builtin,
        "presets": ignore.presets,
        "patterns": ignore.patterns,
        "files": ignore.files,
    }
    found = [PartRef(f"{__name__}.name_rules", "NameRules", names)]
    if kinds.types or kinds.min_size:
        options = {"types": kinds.types, "min_size": int(kinds.min_size)}
        found.append(PartRef(f"{__name__}.kinds", "KindRules", options))
    return found
