"""What the file system says, as values of the model."""

from __future__ import annotations

import errno
import os
from typing import Final

from treeledger.model import INT64_MAX, FileStat, Problem, ProblemCode

INT64_MIN: Final = -(2**63)

_CODES: Final = {
    errno.EACCES: ProblemCode.UNREADABLE,
    errno.EPERM: ProblemCode.UNREADABLE,
    errno.ENAMETOOLONG: ProblemCode.PATH_TOO_LONG,
    errno.EXDEV: ProblemCode.MOUNT_NOT_CROSSED,
}


def stat_of(status: os.stat_result, file_system: int) -> FileStat:
    """A stat as the ledger keeps it: every value fits a signed 64-bit integer.

    Times beyond the years 1677 to 2262 become the nearest that fits, inode numbers from 2**63 on wrap
    to negative ones and so stay apart.
    """
    mtime, ctime, inode = status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    if not (0 <= mtime <= INT64_MAX and 0 <= ctime <= INT64_MAX and inode <= INT64_MAX):
        mtime = min(max(mtime, INT64_MIN), INT64_MAX)
        ctime = min(max(ctime, INT64_MIN), INT64_MAX)
        inode = signed_inode(inode)
    # Half the time of calling FileStat: this runs for every file of every scan.
    return tuple.__new__(FileStat, (status.st_size, mtime, ctime, file_system, inode, status.st_mode))


def signed_inode(inode: int) -> int:
    """An inode number as the ledger keeps it."""
    return inode if inode <= INT64_MAX else inode - 2**64


def fault_of(path: str, error: Exception) -> Problem:
    """The trouble with a path at which a part (a filter, a walker) failed, or memory ran out."""
    return Problem(path, ProblemCode.IO_ERROR, f"it cannot be looked at: {error!r}")


def problem_of(path: str, error: OSError, *, directory: bool = False) -> Problem:
    """The trouble with a path that an OSError means. EXDEV stands for a mount that is not crossed."""
    code = _CODES.get(error.errno or 0, ProblemCode.IO_ERROR)
    if code is ProblemCode.UNREADABLE and directory:
        code = ProblemCode.UNREADABLE_DIRECTORY
    return Problem(path, code, error.strerror or str(error))
