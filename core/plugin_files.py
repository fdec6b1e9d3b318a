"""Plugins that are a single file: loaded by path, under a module name of their own."""

from __future__ import annotations

import hashlib
import re
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from treeledger.config.files import read_safely

_loading: Final = threading.RLock()
_MACHINERY: Final = re.compile(r"^<|[/\\]importlib[/\\]|[/\\]plugin_(?:files|manager)\.py$")


def load_plugin_file(path: Path) -> ModuleType:
    """The module in a file; the same one each time. Runs the file, so it may raise anything.

    Raises ConfigurationError if it cannot be read or others could have written it. The source is
    compiled as it was read: no cached bytecode is trusted.
    """
    name = _module_name(path.resolve())
    with _loading:
        if name not in sys.modules:
            _run(name, path)
        return sys.modules[name]


def where(error: BaseException) -> str:
    """`file:line` where an exception was raised, outside the machinery of imports and of plugins.

    "" if it came from nowhere else, as for an entry point whose module does not exist.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if not _MACHINERY.search(frame.filename)), None)
    return f"{last.filename}:{last.lineno}" if last else ""


def _module_name(path: Path) -> str:
    stem = re.sub(r"\W", "_", path.stem)
    return f"treeledger_plugin_{stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"


def _run(name: str, path: Path) -> None:
    module = ModuleType(name)
    module.__file__ = str(path.resolve())
    code = compile(read_safely(path), module.__file__, "exec")
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
