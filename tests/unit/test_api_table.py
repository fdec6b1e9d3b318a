"""The table of routes, what plugins may add to it, and the document about it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.api.openapi import document, openapi_route
from treeledger.api.plugin_routes import wrong_with
from treeledger.api.routing import Asked, Form, Page, Paged, Refusal, Right, Route
from treeledger.api.table import Table


class Answer(msgspec.Struct):
    text: str


class Query(Paged, frozen=True, kw_only=True):
    words: tuple[str, ...] = ()
    since: str | None = None


class Body(Form, frozen=True, kw_only=True):
    number: Annotated[int, msgspec.Meta(ge=1)]


async def nothing(service: Any, asked: Asked) -> None: ...


def route(method: str, path: str, **more: Any) -> Route:
    return Route(method, path, "what it does", nothing, **more)


TABLE = Table(
    [
        route("GET", "/api/things"),
        route("POST", "/api/things"),
        route("GET", "/api/things/{name}"),
        route("POST", "/api/things/all"),
        route("GET", "/api/things/{name}/parts/{id:int}.json"),
    ]
)


def found(method: str, path: str) -> tuple[str, dict[str, str]]:
    one = TABLE.find(method, path)
    return one.route.path, dict(one.path)


def refusal(method: str, path: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        TABLE.find(method, path)
    return refused.value


def test_a_path_finds_its_route_and_what_its_names_stand_for() -> None:
    assert found("POST", "/api/things") == ("/api/things", {})
    assert found("HEAD", "/api/things/a b") == ("/api/things/{name}", {"name": "a b"})
    assert found("GET", "/api/things/x/parts/07.json")[1] == {"name": "x", "id": "07"}
    assert found("POST", "/api/things/all") == ("/api/things/all", {})


def test_a_method_that_a_path_is_not_for_is_told_those_it_is_for() -> None:
    refused = refusal("DELETE", "/api/things")
    assert (refused.status, refused.headers) == (HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD, POST"})
    assert refusal("GET", "/api/things/all").headers == {"Allow": "POST"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "/",
        "/api/things/",
        "/api//things",
        "/api/things/../things",
        "/api/thingsx",
        "http://x/api/things",
    ]
    + [f"/api/things/x/parts/{id}.json" for id in ("", "-1", "1.5", "٣", "9" * 19, "1\n")]
    + ["/api/things/x/parts/1xjson", "/api/things/x\n/y"],
)
def test_anything_else_is_nothing(path: str) -> None:
    assert refusal("GET", path).status is HTTPStatus.NOT_FOUND


@given(st.sampled_from(["GET", "PUT", "", "get"]), st.text())
def test_no_path_breaks_it(method: str, path: str) -> None:
    try:
        TABLE.find(method, "/api/things/" + path)
    except Refusal:
        pass


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("GET", "/api/status", "not below /api/plugins/lamp/"),
        ("GET", "/api/plugins/lamp", "not below"),
        ("GET", "/api/plugins/lamps/x", "not below"),
        ("GET", "/api/plugins/lamp/", "is none"),
        ("GET", "/api/plugins/lamp/a//b", "is none"),
        ("GET", "/api/plugins/lamp/{a", "is none"),
        ("GET", "/api/plugins/lamp/{a:path}", "is none"),
        ("GET", "/api/plugins/lamp/a b", "is none"),
        ("get", "/api/plugins/lamp/x", "methods are"),
        ("GET", "/api/plugins/lamp/taken/{other}", "second time"),
    ],
)
def test_a_route_that_is_not_a_plugins_to_add_is_refused_with_the_reason(
    method: str, path: str, why: str
) -> None:
    taken = [route("GET", "/api/plugins/lamp/taken/{name}")]
    assert why in (wrong_with(route(method, path), "lamp", taken) or "")


def test_routes_below_a_plugins_name_are_taken() -> None:
    taken = [route("GET", "/api/plugins/lamp/taken/{name}")]
    for method, path in (("POST", "taken/{name}"), ("GET", "taken"), ("GET", "a/{b}/c.d/{e:int}")):
        assert wrong_with(route(method, f"/api/plugins/lamp/{path}"), "lamp", taken) is None


def described(*routes: Route) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(document(routes)))
    return decoded


def test_the_document_says_what_a_route_takes_and_gives() -> None:
    page = described(
        route("GET", "/api/things/{name}/{id:int}", query=Query, answers=Page[Answer], streams=True),
        route("POST", "/api/things", body=Body, right=Right.ADMIN),
        route("GET", "/healthz", answers=Answer, right=Right.NONE),
        route("GET", "/metrics", media="text/plain"),
    )
    get = page["paths"]["/api/things/{name}/{id}"]["get"]
    parameters = {one["name"]: one for one in get["parameters"]}
    assert set(parameters) == {"name", "id", "after", "limit", "words", "since"}
    assert parameters["id"]["schema"]["type"] == "integer"
    assert parameters["since"] == {
        "name": "since",
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
    }
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    assert set(get["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    post = page["paths"]["/api/things"]["post"]
    assert post["requestBody"]["required"]
    assert set(post["responses"]) >= {"204", "400", "401", "403", "413", "503"}
    assert "security" not in page["paths"]["/healthz"]["get"]
    assert set(page["paths"]["/metrics"]["get"]["responses"]["200"]["content"]) == {"text/plain"}
    assert set(page["components"]["schemas"]) == {"Answer", "Body", "Failure", "Page_Answer_"}


@pytest.mark.anyio
async def test_the_document_is_a_route_of_itself() -> None:
    plain = [route("GET", "/api/things")]
    own = openapi_route(plain)
    answer = await own.handler(None, Asked("ann"))
    assert set(answer["paths"]) == {"/api/things", "/api/openapi.json"}
