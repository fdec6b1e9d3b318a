"""The shared SQL in psycopg's words."""

from __future__ import annotations

import re
from typing import Final

PACKAGES: Final = ("treeledger.plugins.sql", "treeledger.plugins.postgres")
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")


def translate(sql: str) -> str:
    """`:name` becomes `%(name)s`."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
