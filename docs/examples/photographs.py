"""A metric: how many photographs of each kind were recorded since the start."""

from pathlib import PurePath

from prometheus_client import Counter

from treeledger import impl

KINDS = {".jpg": "jpeg", ".cr2": "raw"}
photographs = Counter("treeledger_photographs", "Photographs recorded.", ["kind"], registry=None)


@impl
def metrics(tables):
    return [photographs]


@impl
def recorded(repository, entries):
    for entry in entries:
        if entry.kind == "added":
            photographs.labels(KINDS.get(PurePath(entry.path).suffix.lower(), "other")).inc()
