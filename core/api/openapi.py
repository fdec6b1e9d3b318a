"""The OpenAPI document of the routes (OpenAPI 3.1, whose schemas are JSON Schema, as msgspec writes them)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from treeledger import __version__
from treeledger.api.routing import Asked, Failure, Right, Route
from treeledger.api.table import LARGEST_NUMBER, NAME

_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"
_REFUSALS: Final = {
    "400": "what was asked is wrong",
    "401": "this takes a token",
    "403": "this takes another token, or comes from a page of another origin",
    "404": "there is no such thing",
    "405": "this path is for other methods",
    "409": "something is in the way: another engine, a root that is offline",
    "410": "the cursor has expired: start afresh",
    "413": "the body is too large",
    "421": "the name in Host is none of ours",
    "422": "what was asked cannot be stored",
    "500": "a bug",
    "503": "the ledger's store is away",
}


def openapi_route(routes: Sequence[Route]) -> Route:
    """Gives the document of these routes and of itself."""

    async def openapi(service: Any, asked: Asked) -> dict[str, Any]:
        return document([*routes, route])

    route = Route("GET", "/api/openapi.json", "This document", openapi, dict[str, Any], tag="about")
    return route


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
        paths.setdefault(NAME.sub(r"{\1}", route.path), {})[route.method.lower()] = operation
    queries = {_name(by_type[route.query]) for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "treeledger",
            "version": __version__,
            "description": "Keeps a database ledger of your files true.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, by_type: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _id(route),
        "tags": [route.tag],
        "parameters": [*_in_path(route.path), *_in_query(components[_name(by_type[route.query])])],
        "responses": {**_done(route, by_type), **_refused(by_type[Failure])},
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(route.body)),
            "content": {_JSON: {"schema": by_type[route.body]}},
        }
    if route.right is not Right.NONE:
        operation["security"] = [{"token": []}]
    return operation


def _id(route: Route) -> str:
    return route.method.lower() + NAME.sub(r"by_\1", route.path).replace("/", "_").replace(".", "_")


def _in_path(path: str) -> list[dict[str, Any]]:
    number = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
    text = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": number if kind else text}
        for name, kind in NAME.findall(path)
    ]


def _in_query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(kind)}
        for name, kind in schema.get("properties", {}).items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query leaves out what is None."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {
        key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)
    }
    if len(kinds) > 1:
        return {**rest, "anyOf": kinds}
    return {**rest, **kinds[0]} if kinds else rest


def _name(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _done(route: Route, by_type: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answers is not None:
        content[_JSON] = {"schema": by_type[route.answers]}
    if route.media is not None:
        content[route.media] = {"schema": {"type": "string"}}
    if route.streams:
        content[_STREAM] = {}  # a schema would be of each event, and they are of several kinds
    if not content:
        return {"204": {"description": "done"}}
    return {"200": {"description": "done", "content": content}}


def _refused(failure: Any) -> dict[str, Any]:
    content = {_JSON: {"schema": failure}}
    return {status: {"description": text, "content": content} for status, text in _REFUSALS.items()}
