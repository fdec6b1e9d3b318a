"""SQL is parameters only: no statement is put together from values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("core", "plugins", "migrations", "tui") for path in (TOP / folder).rglob("*.py")
]
EXECUTES = {"execute", "executemany", "executescript", "copy"}
SQL = re.compile(
    r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|DROP|ALTER|WITH|VACUUM|PRAGMA|COPY)\b[^.:]*$"
)
FINISHED = {
    # What may be executed beside a literal: queries of .sql files, migrations, settings of the connection.
    "plugins/sqlite/session.py": {"setting", "self._begin", "sql", "statement"}
    | {
        "numbered(sql, tuple(step.columns))",
        "for_rows(sql, names, given, size)",
        "for_rows(sql, names, given, 1)",
    },
    "plugins/sqlite/reader.py": {"setting", "self._queries[query.name].sql(query.params)"},
    "plugins/postgres/reader.py": {"self._queries[query.name].sql(query.params).encode()"},
    "plugins/sqlite/tables.py": {"setting", "statement"},  # of the names in TABLES
    "plugins/postgres/tables.py": {"statement.encode()"},
    "plugins/postgres/session.py": {"step.sql.encode()", "self._sql(step)", "sql"},
}


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTES:
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_what_is_executed_is_a_literal_or_a_finished_query(path: Path) -> None:
    if "testing" in path.parts:
        pytest.skip("contract suites prepare stores as they need")
    name = str(path.relative_to(TOP))
    for call in calls(path):
        statement = call.args[0]
        is_literal = isinstance(statement, ast.Constant)
        assert is_literal or ast.unparse(statement) in FINISHED.get(name, ()), f"{name}:{call.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_no_text_that_looks_like_sql_is_put_together(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        parts: list[ast.expr] = []
        if isinstance(node, ast.JoinedStr):
            parts = node.values[:1]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            parts = [node.left]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
        ):
            parts = [node.func.value]
        for part in parts:
            text = part.value if isinstance(part, ast.Constant) else ""
            assert not (isinstance(text, str) and SQL.match(text)), f"{path}:{node.lineno}: {text!r}"


def test_no_query_of_a_file_has_a_hole_for_a_value() -> None:
    """A `{name}` is a fragment of the same files, which `load` asserts; a `%` would be the driver's."""
    files = [path for folder in ("plugins", "migrations") for path in (TOP / folder).rglob("*.sql")]
    assert len(files) > 5
    for path in files:
        text = re.sub(r"--.*", "", path.read_text())
        assert not re.search(r"%s|%\(|\$\{|\bEXECUTE\b(?! FUNCTION| PROCEDURE)", text), path
