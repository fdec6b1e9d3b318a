"""Pages: how a cursor is written and read, and how a listing is cut into them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from treeledger.api.routing import Page, Paged
from treeledger.errors import UsageError
from treeledger.model import INT64_MAX

T = TypeVar("T")
Form = TypeVar("Form")

Number = Annotated[int, msgspec.Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


def cursor(place: object) -> str:
    """A place in a listing as clients carry it: its JSON in base64url (RFC 4648), without padding."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def place(paged: Paged, kind: Any) -> Any:
    """Where the page before ended, a value of that type; None for the first. Raises UsageError."""
    if paged.after is None:
        return None
    try:
        text = base64.b64decode(paged.after + "=" * (-len(paged.after) % 4), b"-_", validate=True)
        return msgspec.json.decode(text, type=kind)
    except (ValueError, msgspec.DecodeError):
        raise UsageError("after: take the `next` of the page before; leave it out to begin") from None


def page(
    found: Sequence[T], paged: Paged, form: Callable[[T], Form], place_of: Callable[[T], object]
) -> Page[Form]:
    """A page of what was found, which is one item more than asked for wherever there are more."""
    shown = found[: paged.limit]
    more = cursor(place_of(shown[-1])) if len(found) > len(shown) else None
    return Page(items=[form(one) for one in shown], next=more)


def sorted_page(
    items: Iterable[T], paged: Paged, form: Callable[[T], Form], key: Callable[[T], Any], kind: Any
) -> Page[Form]:
    """A page of a listing that is at hand as a whole, in the order of its keys, which are of type `kind`."""
    after = place(paged, kind)
    rest = sorted((one for one in items if after is None or key(one) > after), key=key)
    return page(rest[: paged.limit + 1], paged, form, key)
