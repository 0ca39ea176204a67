"""Where the UI listens, by which names people reach it, and the token that they need."""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass

from fineline.resources.core.redaction import secret
from fineline.resources.core.storage.files import StorageError

TOKEN = "FINELINE_UI_TOKEN"
LOCATION = "fineline.jobs.definitions"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Serving:
    """How the UI is served; ``names`` are host names of this machine beside those of its loopback interface."""

    host: str
    port: int
    names: tuple[str, ...]
    read_only: bool
    code_socket: str = ""

    def command(self, module: str) -> list[str]:
        """The command line that runs a module of this package."""
        return [sys.executable, "-m", f"fineline.jobs.ui.{module}", json.dumps(asdict(self))]

    @classmethod
    def from_arguments(cls) -> Serving:
        """What the command line of this process holds."""
        return cls(**json.loads(sys.argv[1]))


def token() -> str | None:
    """The token of the environment, which no message shows. Raises StorageError where it is too short."""
    value = secret(TOKEN)
    if value is not None and len(value) < SHORTEST_TOKEN:
        raise StorageError(f"{TOKEN} needs {SHORTEST_TOKEN} characters or more, such as those of: openssl rand -hex 16")
    return value


def prepare_token(serving: Serving) -> str:
    """The address to open. Where others could reach it, a token is made unless the environment has one."""
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    page = f"http://{host}:{serving.port}/"
    if token() is not None:
        return f"{page} (it asks for the token of {TOKEN})"
    if serving.host in LOOPBACK:
        return page
    os.environ[TOKEN] = secrets.token_urlsafe(24)
    return f"{page}?token={os.environ[TOKEN]}"
