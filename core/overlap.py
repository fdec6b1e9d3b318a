"""Repositories do not overlap: a file belongs to one of them at most."""

from __future__ import annotations

from treeledger.errors import UsageError
from treeledger.names import within


def refuse_overlap(
    root: str, other_name: str, other_root: str, *, place: str | None = None, other_place: str | None = None
) -> None:
    """Raises UsageError if a root is that of another repository, or lies within it, or holds it.

    Roots are absolute, in stored form. Places say where they really are, if that is not what their
    names say: with a bind mount one directory has several.
    """
    here, there = (place or root).rstrip("/"), (other_place or other_root).rstrip("/")
    if here == there:
        how = "is"
    elif within(there, here):
        how = "lies within"
    elif within(here, there):
        how = "holds"
    else:
        return
    by_mount = "" if (place, other_place) == (None, None) else ", by way of a mount"
    raise UsageError(
        f"{root} {how} the repository {other_name} ({other_root}){by_mount}; a file belongs to one repository"
    )
