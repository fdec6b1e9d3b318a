"""A sentence for `treeledger explain`: whether a raw photograph has its JPEG beside it."""

from pathlib import Path

from treeledger import impl
from treeledger.names import os_from_stored


@impl
def explain(repository, path, record):
    raw = Path(os_from_stored(repository.root), os_from_stored(path))
    if raw.suffix.upper() != ".CR2":
        return []
    has = "has" if raw.with_suffix(".JPG").exists() else "has not"
    return [f"this raw photograph {has} its JPEG beside it"]
