import os

import pytest

from fineline.jobs.ui import service
from fineline.jobs.ui.serving import TOKEN, Serving, prepare_token, token
from fineline.resources.core import redaction
from fineline.resources.core.redaction import redacted
from fineline.resources.core.storage.files import StorageError


def serving(host):
    return Serving(host, 3000, (), read_only=False)


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.setattr(redaction, "_read", set())  # what is read here is no secret elsewhere
    monkeypatch.setenv(TOKEN, "")  # so that it is taken away again where a test sets it
    monkeypatch.delenv(TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_alone_needs_no_token(host):
    assert prepare_token(serving(host)) == f"http://{host}:3000/"
    assert token() is None


@pytest.mark.outcome(
    "port", "the UI listens beyond this machine", "a token is needed; one is made where the environment has none"
)
@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "0.0.0.0"), ("10.0.0.7", "10.0.0.7"), ("::", "[::]")])
def test_beyond_this_machine_a_token_is_made(host, shown):
    address = prepare_token(serving(host))
    made = token()
    assert len(made) >= 32
    assert address == f"http://{shown}:3000/?token={made}"


def test_the_token_of_the_environment_is_asked_for_everywhere_and_shown_nowhere(monkeypatch):
    monkeypatch.setenv(TOKEN, "correct horse battery")
    for host in ("127.0.0.1", "0.0.0.0"):
        assert "correct horse" not in prepare_token(serving(host))
    assert token() == "correct horse battery"
    assert "correct horse" not in redacted("it is correct horse battery")


def test_the_address_is_printed_with_the_token_that_was_made(monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(os, "execv", lambda *command: commands.append(command))
    service.open_ui(serving("0.0.0.0"))
    assert capsys.readouterr().out == f"The UI opens on http://0.0.0.0:3000/?token={token()}\n"
    assert token() not in str(commands)


@pytest.mark.parametrize("short", ["", "0123456789abcde"])
def test_a_short_token_is_refused(monkeypatch, short):
    monkeypatch.setenv(TOKEN, short)
    with pytest.raises(StorageError, match="16 characters or more"):
        prepare_token(serving("127.0.0.1"))
