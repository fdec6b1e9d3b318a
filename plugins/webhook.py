"""The action and receiver `webhook`: posts changes as JSON, signed, in their order, at least once; and what
waits for a person, if `notify` of `[attention]` names its table.

    [plugins.phone]
    use = "webhook"
    url = "env:PHONE_URL"
    secret = "env:PHONE_SECRET"

A POST carries an object: `action`, the name of the table, and `changes`, at most `batch` of them,
with the keys of `change_json`; or instead `attention`, a list with the keys of `notice_json`. Its headers are

- `Treeledger-Delivery`: equal whenever the delivery is tried again; of changes the first and the last `n`;
- `Treeledger-Signature: t=SECONDS,v1=HEX`, if there is a secret: the HMAC-SHA256, with the secret, of
  the time of sending in seconds since 1970, a full stop, and the body.

A receiver gets changes in the order of `n`, and may get one again: it passes over any `n` that it has
seen. Any answer 2xx means that it has them. While it is away or answers 3xx, 408, 425, 429 or 5xx,
later changes wait; any other 4xx is final, the delivery is a dead job and the next one is sent.
Redirects are not followed. Paths are in stored form (see `treeledger.names`).

Receivers in the own network and on this machine are the normal case and allowed. Addresses that no
receiver has are not, whatever name or redirect leads there: link-local ones, where clouds give their
credentials to whoever asks, and those that stand for many or none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import anyio
import msgspec

from treeledger.config.reading import did_you_mean
from treeledger.config.secrets import resolve_secret
from treeledger.config.settings import Duration, Rule, Section
from treeledger.errors import ConfigurationError, PermanentFailure, RetryLater
from treeledger.hookspecs import impl
from treeledger.model import ChangeKind, Job, JournalEntry, NewJob, Repository
from treeledger.plugins.deliveries import ROUTE, Deliveries, Told
from treeledger.plugins.receivers import check_headers, check_peer, checked_url, is_here
from treeledger.protocols import Action, iterate_batches
from treeledger.waiting import Notice

if TYPE_CHECKING:
    import ssl

    from treeledger.api.routing import Asked, Route
    from treeledger.api.service import Service
    from treeledger.config.tables import PluginTables

log = logging.getLogger(__name__)

_MAY_PASS: Final = (408, 425, 429)  # of 4xx: timeout, too early, too many
_KINDS: Final = tuple(kind.value for kind in ChangeKind)


def _check_kinds(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind not in _KINDS:
            raise ValueError(f"there is no kind {kind!r}{did_you_mean(kind, _KINDS)}")


def _check_timeout(seconds: float) -> None:
    if not 0 < seconds <= 3600:
        raise ValueError("must be more than nothing and one hour at most")


class Options(Section, frozen=True, kw_only=True):
    """The keys of a webhook's table. `url`, `secret` and the values of `headers` may be references."""

    url: str
    secret: str | None = None
    changes: bool = True  # False: only what waits for a person
    kinds: Annotated[tuple[str, ...], Rule(_check_kinds)] = ()  # () is all
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100  # changes in one POST, at most
    timeout: Annotated[Duration, Rule(_check_timeout)] = Duration(30)  # of one POST, from start to end
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"Options(kinds={self.kinds}, batch={self.batch}, timeout={self.timeout})"


class Webhook(Action):
    """Posts the changes of some repositories to one address. `options` with every reference resolved."""

    ordered = True

    def __init__(self, name: str, options: Options, repositories: tuple[str, ...] = ()) -> None:
        """Raises ValueError with what is wrong about the address, the secret or a header."""
        check_headers(options.headers)
        if options.secret == "":
            raise ValueError("secret: is empty; without the key nothing is signed")
        self.name = name
        self.repositories = repositories
        self._options = options
        self._url = checked_url(options.url)
        self._tls: ssl.SSLContext | None = None
        self._deliveries = Deliveries(datetime.now(UTC))
        if (options.secret or options.headers) and self._url.scheme == "http" and not is_here(self._url.host):
            log.warning("%s: anyone on the way to %s can read what http:// carries", name, self._url.host)

    def plan(self, entries: Sequence[JournalEntry], known: Mapping[UUID, Repository]) -> list[NewJob]:
        kinds = self._options.kinds
        changes = [change_json(entry, known) for entry in entries if not kinds or entry.kind in kinds]
        return [
            NewJob(f"{batch[0]['n']}-{batch[-1]['n']}", {"changes": list(batch)})
            for batch in iterate_batches(changes, self._options.batch)
        ]

    async def run(self, job: Job) -> None:
        """Posts one batch. Raises PermanentFailure and RetryLater, whose messages tell no secret."""
        with self._deliveries.noted(job.key, len(job.payload["changes"])):
            await self._deliver(job.key, {"action": self.name, **job.payload})

    async def send(self, notices: Sequence[Notice]) -> None:
        """Posts what waits for a person. Raises as `run` does."""
        ids = "\n".join(sorted(notice.id for notice in notices))
        delivery = f"attention-{hashlib.sha256(ids.encode()).hexdigest()[:16]}"
        await self._deliver(
            delivery, {"action": self.name, "attention": [notice_json(notice) for notice in notices]}
        )

    def told(self) -> Told:
        """What became of its deliveries since it was made."""
        return self._deliveries.told(self.name, self._url.host, datetime.now(UTC))

    async def _deliver(self, delivery: str, content: Mapping[str, Any]) -> None:
        import httpx

        host, timeout = self._url.host, self._options.timeout
        try:
            with anyio.fail_after(timeout):
                status, headers = await self._post(delivery, content)
        except TimeoutError:
            raise RetryLater(f"{host} did not answer within {timeout:g} s") from None
        except httpx.NetworkError as error:
            raise RetryLater(f"{host} cannot be reached: {error}") from None
        except httpx.HTTPError as error:  # whose text may quote the request
            raise RetryLater(f"the exchange with {host} failed: {type(error).__name__}") from None
        _judge(host, status, headers)

    async def _post(self, delivery: str, content: Mapping[str, Any]) -> tuple[int, Mapping[str, str]]:
        """The status and the headers of the answer; its body is not read."""
        import httpx

        logging.getLogger("httpx").addFilter(self._is_harmless)
        body = json.dumps(content, separators=(",", ":")).encode()
        if self._tls is None:
            self._tls = httpx.create_ssl_context()  # takes 20 ms
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=None) as client,
            client.stream(
                "POST",
                self._url,
                content=body,
                headers=self._headers(delivery, body),
                follow_redirects=False,
                extensions={"trace": check_peer},
            ) as response,
        ):
            return response.status_code, response.headers

    def _headers(self, delivery: str, body: bytes) -> dict[str, str]:
        headers = {
            **self._options.headers,
            "Content-Type": "application/json",
            "Treeledger-Delivery": delivery,
        }
        if self._options.secret:
            headers["Treeledger-Signature"] = signature(self._options.secret, int(time.time()), body)
        return headers

    def _is_harmless(self, record: logging.LogRecord) -> bool:
        """Whether httpx's log may have this record: none with our address, which may hold a token."""
        return not isinstance(record.args, tuple) or self._url not in record.args


def change_json(entry: JournalEntry, known: Mapping[UUID, Repository]) -> dict[str, Any]:
    """One change as a receiver gets it; `repository` is its name, or its id where that is all we have.

    `mtime_ns` is a 64-bit integer. `hash` is null while the content is not known: a change of the
    kind `hashed` brings it. `id` is that of the record, which a move keeps.
    """
    repository = known.get(entry.repository_id)
    return {
        "n": entry.n,
        "at": entry.at.isoformat(),
        "repository": repository.name if repository is not None else str(entry.repository_id),
        "repository_id": str(entry.repository_id),
        "kind": entry.kind.value,
        "path": entry.path,
        "path_before": entry.path_before,
        "id": entry.record_id,
        "size": entry.stat.size,
        "mtime_ns": entry.stat.mtime_ns,
        "hash": entry.hash,
        "hash_algorithm": entry.hash_algorithm,
        "hash_before": entry.hash_before,
        "operation": entry.operation_id,
    }


def notice_json(notice: Notice) -> dict[str, Any]:
    """One thing that waits, as a receiver gets it.

    `told` is how often it was sent before, so 0 for what is new; with `over` it waits no longer. `key` is
    equal in all that is sent of it.
    """
    waiting = notice.waiting
    return {
        "key": waiting.key,
        "kind": waiting.kind.value,
        "repository": notice.repository,
        "repository_id": None if waiting.repository_id is None else str(waiting.repository_id),
        "message": waiting.message,
        "since": waiting.since.isoformat(),
        "told": waiting.told,
        "over": notice.is_over,
    }


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The value of `Treeledger-Signature` for a body sent at a time, in seconds since 1970."""
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256)
    return f"t={seconds},v1={digest.hexdigest()}"


def retry_after(value: str | None, now: datetime) -> float:
    """Seconds that a `Retry-After` (RFC 9110, 10.2.3) asks to wait: a number or a date; else 0."""
    if value is None:
        return 0.0
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def _judge(host: str, status: int, headers: Mapping[str, str]) -> None:
    """Raises unless the answer says that the changes are there."""
    if 200 <= status < 300:
        return
    phrase = HTTPStatus(status).phrase if status in tuple(HTTPStatus) else ""
    said = f"{host} answered {status} {phrase}".rstrip()
    if 300 <= status < 400:
        raise RetryLater(f"{said}; redirects are not followed: write the address it leads to as url")
    if 400 <= status < 500 and status not in _MAY_PASS:
        raise PermanentFailure(f"{said}; once that is mended: treeledger jobs retry")
    raise RetryLater(said, retry_after(headers.get("Retry-After"), datetime.now(UTC)))


def _resolve(key: str, text: str) -> str:
    """What a reference stands for. Raises ValueError."""
    try:
        return resolve_secret(text)
    except ConfigurationError as error:
        raise ValueError(f"{key}: {error}") from None


def _resolved(options: Options) -> Options:
    """The options with every reference replaced by what it stands for. Raises ValueError."""
    return msgspec.structs.replace(
        options,
        url=_resolve("url", options.url),
        secret=None if options.secret is None else _resolve("secret", options.secret),
        headers={name: _resolve("headers", value) for name, value in options.headers.items()},
    )


def _webhook(tables: PluginTables, name: str, options: Options) -> Webhook:
    instance = tables.instance(name)
    try:
        if instance.backfill:
            raise ValueError("backfill: a webhook tells of changes only; take the key out")
        return Webhook(name, _resolved(options), instance.repositories)
    except ValueError as error:
        raise ConfigurationError(f"[plugins.{name}] {error}") from None


@impl
def actions(tables: PluginTables) -> list[Webhook]:
    tables_of = tables.instances("webhook", Options)
    return [_webhook(tables, name, options) for name, options in tables_of if options.changes]


@impl
def attention(tables: PluginTables) -> list[Webhook]:
    return [_webhook(tables, name, options) for name, options in tables.instances("webhook", Options)]


async def deliveries(service: Service, asked: Asked) -> list[Told]:
    return [action.told() for action in service.engine.actions if isinstance(action, Webhook)]


@impl
def api_routes(tables: PluginTables) -> list[Route]:
    from treeledger.api.routing import Route

    return [Route("GET", ROUTE, "What each webhook delivered since its engine began", deliveries, list[Told])]
