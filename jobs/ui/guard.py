"""What stands before Dagster's webserver, which has no accounts and takes a change from any request that reaches it.

A page on another site can make a browser send requests to a port of this machine, or a name can be made to point to it.
The guard lets through requests that name this machine and come from its own pages; a change must be POST with JSON.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Iterable
from hashlib import sha256
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fineline.jobs.ui.serving import LOOPBACK

logger = logging.getLogger("fineline.ui")

GRAPHQL, COOKIE, PARAMETER = "/graphql", "fineline", "token"
# The UI's largest requests, of runs with thousands of batches, have less.
MAX_BODY = 16 * 2**20
POLICY_VIOLATION = 1008  # a WebSocket's code for a message that is not taken

# Added to Dagster's own policy, which allows images of any site: a browser keeps to the stricter of the two.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
)
HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ASK_FOR_TOKEN = """<!doctype html><meta charset="utf-8"><title>Fineline</title>
<p>This UI needs the token that <code>fineline ui</code> printed when it started, or FINELINE_UI_TOKEN.</p>
<form><input type="password" name="token" autofocus> <button>Open</button></form>
"""


class Refused(NamedTuple):
    """Why a request is not let through."""

    status: HTTPStatus
    reason: str


class Guard:
    """An ASGI application that lets through to another one what its own pages may ask, and refuses everything else."""

    def __init__(
        self, app: ASGIApp, names: Iterable[str] = (), token: str | None = None, read_only: bool = False
    ) -> None:
        """Stand before ``app``.

        Args:
            app: the application behind.
            names: host names, beside those of the loopback interface, by which people reach it.
            token: what each request must hold, as a cookie or a bearer token; None where everyone may look.
            read_only: whether every change is refused.
        """
        self._app, self._token, self._read_only = app, token, read_only
        self._names = LOOPBACK | {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or connection."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        refused = self._foreign(scope, headers) or (self._wrong(scope, headers) if scope["type"] == "http" else None)
        if refused:
            return await _refuse(refused, scope, receive, send)
        if self._token is not None and not _has_token(self._token, headers):
            if scope["type"] == "websocket":
                return await _refuse(Refused(HTTPStatus.UNAUTHORIZED, "no token"), scope, receive, send)
            return await _ask_for_token(self._token, scope, receive, send)
        if scope["type"] == "websocket":
            return await self._app(scope, _subscriptions_only(receive, send), send)
        if scope["method"] == "POST":
            body = await _body(receive)
            refused = _changes(scope, body) if self._read_only else None
            if len(body) > MAX_BODY:
                refused = Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_BODY >> 20} MiB")
            if refused:
                return await _refuse(refused, scope, receive, send)
            receive = _replay(body, receive)
        return await self._app(scope, receive, _with_headers(send))

    def _foreign(self, scope: Scope, headers: Headers) -> Refused | None:
        """Whether a request is meant for another machine, or comes from a page of another site."""
        hosts = headers.getlist("host")
        host = _host(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return Refused(HTTPStatus.BAD_REQUEST, "one header Host is needed")
        # An address that a browser connected to can be no name that was made to point here.
        if host[0] not in self._names | {(scope.get("server") or ("",))[0]}:
            return Refused(HTTPStatus.MISDIRECTED_REQUEST, "unknown Host; give it with: fineline ui --name NAME")
        if any(not _is_same_site(origin, host) for origin in headers.getlist("origin")):
            return Refused(HTTPStatus.FORBIDDEN, "the request comes from a page of another site (its Origin)")
        return None

    def _wrong(self, scope: Scope, headers: Headers) -> Refused | None:
        """Whether a request is of a kind that could change something unasked."""
        if scope["method"] == "POST":
            if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                return Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "POST takes application/json alone")
        elif scope["method"] not in {"GET", "HEAD"}:
            return Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET, HEAD and POST are answered")
        elif scope["path"].startswith(GRAPHQL) and scope["query_string"]:
            return Refused(HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL is answered by POST alone")
        return None


def _has_token(token: str, headers: Headers) -> bool:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _same(bearer.strip(), token):
        return True
    return _same(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""), _seal(token))


async def _ask_for_token(token: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Take the token from the address of a page, into a cookie; without it, ask for it."""
    parameters = parse_qsl(scope["query_string"].decode("latin-1"))
    if scope["method"] == "GET" and any(name == PARAMETER and _same(value, token) for name, value in parameters):
        rest = urlencode([(name, value) for name, value in parameters if name != PARAMETER])
        # Two slashes at the beginning would name another site.
        page = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")
        response: Response = RedirectResponse(page, HTTPStatus.SEE_OTHER)
        response.set_cookie(COOKIE, _seal(token), httponly=True, samesite="lax")
    else:
        response = HTMLResponse(ASK_FOR_TOKEN, HTTPStatus.UNAUTHORIZED)
    await response(scope, receive, _with_headers(send))


def _host(text: str) -> tuple[str, int | None] | None:
    """Name and port of a header Host; None where it is something else."""
    try:
        parts = urlsplit(f"//{text}")
        return (parts.hostname, parts.port) if parts.hostname and parts.netloc == text and "@" not in text else None
    except ValueError:
        return None


def _is_same_site(origin: str, host: tuple[str, int | None]) -> bool:
    scheme, _, rest = origin.partition("://")
    default = {"http": 80, "https": 443}.get(scheme)
    found = _host(rest)
    return (
        default is not None and found is not None and (found[0], found[1] or default) == (host[0], host[1] or default)
    )


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _seal(token: str) -> str:
    """What the cookie holds, so that the token itself is not kept in a browser."""
    return sha256(f"fineline ui {token}".encode()).hexdigest()


def _operations(query: object) -> set[OperationType]:
    """The kinds of operations in a GraphQL document. Raises GraphQLError or TypeError where it is none."""
    if not isinstance(query, str):
        raise TypeError("a GraphQL document is text")
    return {node.operation for node in parse(query).definitions if isinstance(node, OperationDefinitionNode)}


def _changes(scope: Scope, body: bytes) -> Refused | None:
    """Whether a POST may change something."""
    try:
        if scope["path"] == GRAPHQL and _operations(json.loads(body)["query"]) <= {OperationType.QUERY}:
            return None
    except (ValueError, TypeError, KeyError, RecursionError, GraphQLError):
        return Refused(HTTPStatus.BAD_REQUEST, "no GraphQL query in JSON")
    return Refused(HTTPStatus.FORBIDDEN, "this UI is read-only")


def _subscriptions_only(receive: Receive, send: Send) -> Receive:
    """Close a WebSocket at the first message that is no subscription."""

    async def checked() -> Message:
        message = await receive()
        if message["type"] != "websocket.receive":
            return message
        try:
            content = json.loads(message.get("text") or "")
            if content["type"] != "start" or _operations(content["payload"]["query"]) == {OperationType.SUBSCRIPTION}:
                return message
        except (ValueError, TypeError, KeyError, RecursionError, GraphQLError):
            logger.warning("closed a connection: it sent no message of GraphQL")
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    return checked


async def _body(receive: Receive) -> bytes:
    """The body of a request, as far as it may go."""
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand over a body that was read already, then what follows it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.append("Content-Security-Policy", POLICY)
            headers.update(HEADERS)
        await send(message)

    return sent


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    logger.warning("refused a request (%d): %s", refused.status, refused.reason)
    if scope["type"] == "websocket":
        # Before a connection is accepted, this is an answer 403.
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    else:
        await Response(f"Refused: {refused.reason}.\n", refused.status, media_type="text/plain")(scope, receive, send)
