"""The OpenAPI document of the routes (OpenAPI 3.1, whose schemas are JSON Schema, as msgspec writes them)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from treeledger import __version__
from treeledger.api.routing import Failure, Right, Route

_NAMES: Final = re.compile(r"{(\w+)(?::\w+)?}")
_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"
_REFUSALS: Final = {
    "400": "what was asked is wrong",
    "401": "this takes a token",
    "403": "this takes another token, or comes from a page of another origin",
    "404": "there is no such thing",
    "409": "something is in the way: another engine, a root that is offline",
    "410": "the cursor has expired: start afresh",
    "413": "the body is too large",
    "421": "the name in Host is none of ours",
    "422": "what was asked cannot be stored",
    "503": "the ledger's store is away",
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Paths, parameters, bodies and answers, with the schemas of all types."""
    types = {
        *(route.query for route in routes),
        *(route.body for route in routes if route.body is not None),
        *(route.answers for route in routes if route.answers is not None),
        Failure,
    }
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, by_type, components)
        paths.setdefault(_NAMES.sub(r"{\1}", route.path), {})[route.method.lower()] = operation
    used = {route.query.__name__ for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "treeledger",
            "version": __version__,
            "description": "Keeps a database ledger of your files true.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in used},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, by_type: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{_NAMES.sub(r'by_\1', route.path).replace('/', '_')}",
        "tags": [route.tag],
        "parameters": [*_in_path(route.path), *_in_query(components[route.query.__name__])],
        "responses": {**_done(route, by_type), **_refused(by_type[Failure])},
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": by_type[route.body]}}}
    if route.right is not Right.NONE:
        operation["security"] = [{"token": []}]
    return operation


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
            if f"{{{name}:int}}" in path
            else {"type": "string", "minLength": 1},
        }
        for name in _NAMES.findall(path)
    ]


def _in_query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema.get("properties", {}).items()
    ]


def _done(route: Route, by_type: dict[Any, Any]) -> dict[str, Any]:
    content = {} if route.answers is None else {_JSON: {"schema": by_type[route.answers]}}
    if route.streams:
        content[_STREAM] = {"schema": {"type": "string"}}
    return {"200": {"description": "done", "content": content}} if content else {"204": {"description": "done"}}


def _refused(failure: Any) -> dict[str, Any]:
    content = {_JSON: {"schema": failure}}
    return {status: {"description": text, "content": content} for status, text in _REFUSALS.items()}
