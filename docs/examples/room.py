"""A check for `treeledger doctor`: whether the ledger's disk has room left."""

import shutil

import platformdirs

from treeledger import impl
from treeledger.doctor import Check, CheckState
from treeledger.units import show_size

ENOUGH = 100_000_000  # bytes


@impl
def doctor_checks(tables):
    free = shutil.disk_usage(platformdirs.user_state_path().anchor).free
    state = CheckState.OK if free > ENOUGH else CheckState.WARN
    return [Check("room", state, f"{show_size(free)} are free", "make room, or move the ledger with --store")]
