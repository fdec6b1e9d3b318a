"""Who may ask what: tokens, the name in Host, pages of other origins."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.api.guard import Guard, check_right
from treeledger.api.routing import Refusal, Right

TOKEN = "0123456789abcdef-all"
READ_TOKEN = "0123456789abcdef-read"
HOST = {"host": "localhost:8733"}
BOTH = Guard(False, TOKEN, READ_TOKEN, frozenset({"nas"}))
NONE = Guard(False)


def right(guard: Guard, **headers: str) -> Right:
    return guard.caller({**HOST, **headers}, "127.0.0.1").right


def refusal(guard: Guard, **headers: str) -> HTTPStatus:
    with pytest.raises(Refusal) as refused:
        guard.caller({**HOST, **headers}, "127.0.0.1")
    return refused.value.status


def test_a_token_gives_its_right_and_names_who_decided() -> None:
    assert right(BOTH, authorization=f"Bearer {TOKEN}") is Right.ADMIN
    assert right(BOTH, authorization=f"bearer  {READ_TOKEN} ") is Right.READ
    assert BOTH.caller({**HOST, "authorization": f"Bearer {TOKEN}"}, "127.0.0.1").name == "token"
    assert right(BOTH) is Right.NONE


@given(st.text(st.characters(max_codepoint=255)))
def test_any_other_token_is_refused(token: str) -> None:
    if token.strip() not in (TOKEN, READ_TOKEN):
        assert refusal(BOTH, authorization=f"Bearer {token}") is HTTPStatus.UNAUTHORIZED
    assert refusal(NONE, authorization=f"Bearer {token}") is HTTPStatus.UNAUTHORIZED
    assert refusal(BOTH, authorization=f"Basic {token}") is HTTPStatus.UNAUTHORIZED


def test_without_any_token_whoever_reaches_it_may_look_only() -> None:
    assert right(NONE) is Right.READ
    assert right(Guard(False, TOKEN)) is Right.NONE
    assert right(Guard(False, None, READ_TOKEN)) is Right.NONE


def test_who_may_open_the_unix_socket_may_do_all() -> None:
    assert Guard(is_local=True).caller({"host": "anything", "origin": "null"}, "ann").right is Right.ADMIN
    assert Guard(is_local=True).caller({}, "ann").name == "ann"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8733", "[::1]:8733", "nas:8733"])
def test_names_of_ours_are_answered_to(host: str) -> None:
    assert right(BOTH, host=host) is Right.NONE


@pytest.mark.parametrize(
    "host", ["", "evil.example", "nas.evil.example", "localhost.evil.example:80", "[::1", "nas@evil", ":80"]
)
def test_other_names_are_not(host: str) -> None:
    assert refusal(BOTH, host=host, authorization=f"Bearer {TOKEN}") is HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("origin", ["http://localhost:8733", "https://LOCALHOST:8733", "https://nas"])
def test_our_own_pages_may_ask(origin: str) -> None:
    assert right(BOTH, origin=origin, authorization=f"Bearer {TOKEN}") is Right.ADMIN


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://evil.example", "http://localhost:3000", "http://203.0.113.7", "http://[", "file://"],
)
def test_pages_of_other_origins_may_not(origin: str) -> None:
    assert refusal(BOTH, origin=origin, authorization=f"Bearer {TOKEN}") is HTTPStatus.FORBIDDEN
    assert refusal(NONE, origin=origin) is HTTPStatus.FORBIDDEN


@given(st.text(), st.text())
def test_no_header_breaks_it(host: str, origin: str) -> None:
    try:
        NONE.caller({"host": host, "origin": origin}, None)
    except Refusal:
        pass


def test_rights_are_ordered_and_a_refusal_says_what_would_help() -> None:
    for has, wanted in ((Right.NONE, Right.READ), (Right.NONE, Right.ADMIN), (Right.READ, Right.ADMIN)):
        caller = type(BOTH.caller(HOST, None))("ann", has)
        with pytest.raises(Refusal, match="token"):
            check_right(caller, wanted)
        check_right(caller, has)
