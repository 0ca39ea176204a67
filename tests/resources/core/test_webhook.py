import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fineline.resources.core.webhook import WebhookError, post

SECRET = "T0PS3CRET"


class Hook(ThreadingHTTPServer):
    """A webhook that answers with given codes, one after the other, the last one from then on."""

    daemon_threads = True

    def __init__(self, *codes):
        self.codes, self.bodies = list(codes), []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hooks/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):  # the name that http.server calls
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        code = self.server.codes.pop(0) if len(self.server.codes) > 1 else self.server.codes[0]
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    started = []

    def start(*codes):
        server = Hook(*codes)
        started.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def shown_nowhere(caplog):
    """Whatever is logged, however much is logged, holds nothing of the URL."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not [record for record in caplog.get_records("call") if SECRET in record.getMessage()]


def refusal(url, **more):
    with pytest.raises(WebhookError) as caught:
        post(url, {}, pause=0.01, **more)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None, "the client's errors hold the URL"
    return str(caught.value)


def test_a_body_arrives_as_json(hook):
    server = hook(200)
    post(server.url, {"job": "main", "umlaut": "ä"})
    assert server.bodies == [{"job": "main", "umlaut": "ä"}]


def test_a_server_that_is_busy_is_asked_again(hook):
    server = hook(503, 429, 200)
    post(server.url, {}, pause=0.01)
    assert len(server.bodies) == 3


def test_a_server_that_stays_broken_is_given_up_after_three_attempts(hook):
    server = hook(500)
    assert refusal(server.url) == "the webhook answered 500; 3 of 3 attempts"
    assert len(server.bodies) == 3


@pytest.mark.parametrize("code", [302, 404])
def test_a_refusal_is_not_repeated(hook, code):
    server = hook(code)
    assert refusal(server.url) == f"the webhook answered {code}; 1 of 3 attempts"
    assert len(server.bodies) == 1


def test_a_server_that_hangs_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        error = refusal(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}", timeout=0.2)
        assert time.monotonic() - started < 3
    assert error == "the webhook was not reached (TimeoutError); 3 of 3 attempts"


def test_a_server_that_is_not_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{SECRET}"
    assert "ConnectionRefusedError" in refusal(url)


@pytest.mark.parametrize("url", [f"file:///{SECRET}", SECRET, "", f"http://a b/{SECRET}\n", f"http://[{SECRET}"])
def test_what_is_no_web_address_is_refused_without_being_shown(url):
    refusal(url)
