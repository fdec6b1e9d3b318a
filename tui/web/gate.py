"""Who may open the dashboard in a browser: whoever knows the token, from pages of ours.

The token is shown once. From then on the browser has a cookie, which is made from the token and does not
tell it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from treeledger.api.guard import Guard

_PURPOSE: Final = b"treeledger: the dashboard in a browser"


@dataclass(frozen=True, slots=True)
class Gate:
    """Of one server. `guard`: knows our names; `port`: tells our cookie from those of others on this host."""

    guard: Guard
    token: str
    port: int

    @property
    def cookie(self) -> str:
        """Its name: cookies go by the host alone."""
        return f"treeledger-{self.port}"

    @property
    def proof(self) -> str:
        """What the cookie holds once the token was shown."""
        return hmac.new(self.token.encode(), _PURPOSE, "sha256").hexdigest()

    def check_page(self, headers: Mapping[str, str]) -> None:
        """Raises Refusal for a request by another name, or of a page that is not ours."""
        self.guard.check_page(headers)

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return _are_equal(token.strip(), self.token)

    def admits(self, cookies: Mapping[str, str]) -> bool:
        """Whether who sends these has shown the token."""
        return _are_equal(cookies.get(self.cookie, ""), self.proof)


def _are_equal(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(errors="backslashreplace"), known.encode())
