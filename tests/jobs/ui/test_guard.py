"""What a browser, led by a page of another site or by a name that was made to point here, cannot do through the UI."""

import json

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from fineline.jobs.ui import guard
from fineline.jobs.ui.guard import Guard

HOME = "http://localhost:3000"
TOKEN = "0123456789abcdef"
WIPE = "mutation { wipeAssets(assetPartitionRanges: []) { __typename } }"
QUERY = "{ version }"


class Behind:
    """An application that remembers what reached it."""

    def __init__(self):
        self.reached = []
        routes = [
            Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
            WebSocketRoute("/graphql", self.converse),
        ]
        self.app = Starlette(routes=routes)

    async def answer(self, request):
        self.reached.append((request.method, request.url.path, await request.body()))
        return JSONResponse({})

    async def converse(self, websocket):
        await websocket.accept()
        try:
            while True:
                self.reached.append(await websocket.receive_json())
                await websocket.send_json({"type": "data"})
        except WebSocketDisconnect:
            pass


@pytest.fixture
def behind():
    return Behind()


def client(behind, names=(), token=None, read_only=False, base=HOME):
    return TestClient(Guard(behind.app, names, token, read_only), base_url=base, follow_redirects=False)


def post(to, query=QUERY, path="/graphql", **headers):
    return to.post(path, json={"query": query}, headers=headers)


def test_what_the_pages_of_the_ui_ask_is_let_through(behind):
    asks = client(behind)
    assert asks.get("/assets/splits?view=events").status_code == 200
    assert post(asks, WIPE, origin=HOME).status_code == 200
    assert behind.reached[-1] == ("POST", "/graphql", json.dumps({"query": WIPE}, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.2", "localhost.", "user@localhost", "localhost/x", "", "[::1"],
)
@pytest.mark.outcome(
    "port",
    "a name that was made to point to this machine (DNS rebinding)",
    "421 for a `Host` that is not this machine's",
)
def test_another_host_is_refused(behind, host):
    assert post(client(behind), host=host).status_code in {400, 421}
    assert behind.reached == []


@pytest.mark.parametrize(
    "host", ["localhost:8080", "LOCALHOST", "127.0.0.1:3000", "[::1]:3000", "ui.lab", "UI.Lab:443"]
)
def test_names_of_this_machine_are_known_on_any_port(behind, host):
    assert post(client(behind, names=["Ui.lab"]), host=host).status_code == 200


def test_two_hosts_are_refused(behind):
    headers = [("host", "localhost"), ("host", "evil.example"), ("content-type", "application/json")]
    assert client(behind).post("/graphql", content=b"{}", headers=headers).status_code == 400
    assert behind.reached == []


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost",
        "http://localhost:3001",
        "https://localhost",
        "file://",
        "http://[",
        "",
    ],
)
@pytest.mark.outcome("port", "a page of another site sends a request", "403 for a foreign `Origin`, also `null`")
def test_a_page_of_another_site_is_refused(behind, origin):
    assert post(client(behind), WIPE, origin=origin).status_code == 403
    assert client(behind).get("/", headers={"origin": origin}).status_code == 403
    assert behind.reached == []


def test_a_proxy_may_speak_tls_for_the_ui(behind):
    assert post(client(behind, names=["ui.lab"]), host="ui.lab", origin="https://ui.lab").status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/graphql", "x/application/json", ""]
)
@pytest.mark.outcome("port", "a form of another site posts a change as text", "415: POST takes JSON alone")
def test_what_a_form_can_send_is_refused(behind, kind):
    sent = client(behind).post(f"/graphql?query={WIPE}", content=WIPE, headers={"content-type": kind})
    assert sent.status_code == 415
    assert behind.reached == []


@pytest.mark.outcome(
    "port", "an image or a link whose address is a GraphQL change", "405: GraphQL is answered by POST alone"
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/graphql", "/%67raphql", "/graphql/"])
def test_an_image_or_a_link_asks_no_graphql(behind, method, path):
    assert client(behind).request(method, f"{path}?query={WIPE}").status_code == 405
    assert behind.reached == []


def test_a_body_that_is_too_large_is_refused(behind, monkeypatch):
    monkeypatch.setattr(guard, "MAX_BODY", 100)
    assert post(client(behind), "x" * 100).status_code == 413
    assert behind.reached == []


def test_a_browser_is_asked_to_load_nothing_from_elsewhere_and_to_show_no_page_in_a_frame(behind):
    policy = client(behind).get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


# --- the WebSocket

START = {"id": "1", "type": "start", "payload": {"query": "subscription { capturedLogs { cursor } }"}}


def test_a_subscription_is_let_through(behind):
    with client(behind).websocket_connect(f"ws{HOME[4:]}/graphql", headers={"origin": HOME}) as opened:
        for message in ({"type": "connection_init"}, START, {"id": "1", "type": "stop"}):
            opened.send_json(message)
            assert opened.receive_json() == {"type": "data"}


@pytest.mark.outcome("port", "a page of another site opens the WebSocket", "refused")
@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"host": "evil.example"}])
def test_a_websocket_of_another_site_is_refused(behind, headers):
    with (
        pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
        client(behind).websocket_connect(f"ws{HOME[4:]}/graphql", headers=headers),
    ):
        pass


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"id": "1", "type": "start", "payload": {"query": WIPE}}),
        json.dumps({"id": "1", "type": "start", "payload": {"query": QUERY}}),
        json.dumps({"id": "1", "type": "start", "payload": {"query": f"subscription {{ a }} {WIPE}"}}),
        json.dumps({"id": "1", "type": "start", "payload": {"query": ["subscription { a }"]}}),
        json.dumps({"id": "1", "type": "start"}),
        json.dumps([START]),
        "{",
        "[" * 100_000,
    ],
)
@pytest.mark.outcome(
    "port", "a change, or nonsense, over the WebSocket", "the connection is closed: subscriptions alone"
)
def test_a_websocket_takes_subscriptions_alone(behind, text):
    with client(behind).websocket_connect(f"ws{HOME[4:]}/graphql") as opened:
        opened.send_text(text)
        with pytest.raises(WebSocketDisconnect):
            opened.receive_json()
    assert behind.reached == []


# --- the token


@pytest.mark.outcome("port", "a request without the token", "401, and nothing else")
def test_without_the_token_nothing_is_shown(behind):
    asks = client(behind, token=TOKEN)
    answers = [
        asks.get("/"),
        asks.get("/logs/a"),
        post(asks),
        asks.get("/?token=0123456789abcdeg"),
        asks.get("/?token=é"),
    ]
    assert [each.status_code for each in answers] == [401] * 5
    assert post(asks, authorization="Bearer 0123").status_code == 401
    with pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)), asks.websocket_connect(f"ws{HOME[4:]}/graphql"):
        pass
    assert behind.reached == []


def test_the_token_opens_the_ui_and_does_not_stay_in_the_address(behind):
    asks = client(behind, token=TOKEN)
    answer = asks.get(f"{HOME}//evil.example?view=a&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/evil.example?view=a"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    assert asks.get("/").status_code == 200
    assert post(client(behind, token=TOKEN), authorization=f"Bearer {TOKEN}").status_code == 200


# --- read-only


@pytest.mark.outcome("port", "a change through a read-only UI", "403")
def test_a_read_only_ui_answers_queries_alone(behind):
    asks = client(behind, read_only=True)
    assert post(asks).status_code == 200
    assert post(asks, "query A { version } fragment f on Query { version }").status_code == 200
    reached = len(behind.reached)
    refused = [
        post(asks, WIPE),
        post(asks, f"query A {{ version }} {WIPE}"),
        post(asks, path="/report_asset_check/splits"),
    ]
    assert [each.status_code for each in refused] == [403] * 3
    malformed = [
        asks.post("/graphql", json=each) for each in ([], {}, {"query": 1}, {"query": "{"}, {"query": "{" * 10_000})
    ]
    assert [each.status_code for each in malformed] == [400] * 5
    assert len(behind.reached) == reached
