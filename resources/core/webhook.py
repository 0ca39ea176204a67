"""Posting to a webhook whose URL is a secret: bounded in time, retried a few times, and never shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from fineline.resources.core.redaction import FinelineError

# Seconds. A Dagster sensor has one minute, and may report five failed runs in it.
TIMEOUT = 3.0
PAUSE = 0.5
ATTEMPTS = 3
_TOO_MANY_REQUESTS = 429


class WebhookError(FinelineError):
    """A webhook that did not accept a message; the error holds nothing of its URL."""


def post(url: str, body: Mapping[str, Any], *, timeout: float = TIMEOUT, pause: float = PAUSE) -> None:
    """Post a JSON body, up to three times if the server is busy or not reached.

    A redirect counts as a refusal: to follow it would turn the POST into a GET that delivers nothing. ``timeout``
    bounds each connection and each wait for an answer, ``pause`` is the wait before the second attempt; in seconds.

    Raises:
        WebhookError: the URL is no http address, or the server refused, or was not reached in three attempts.
    """
    # Imported here: it takes half a second, which the definitions do without.
    import httpx2

    # httpx2 logs every URL at level INFO.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    failure = ""
    with httpx2.Client(timeout=timeout, follow_redirects=False) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause * 2 ** (attempt - 1))
            try:
                with client.stream("POST", url, json=dict(body)) as response:
                    if response.is_success:
                        return
                    failure = f"answered {response.status_code}"
                    if not response.is_server_error and response.status_code != _TOO_MANY_REQUESTS:
                        break
            except httpx2.UnsupportedProtocol:
                raise WebhookError("the webhook's URL begins with neither http:// nor https://") from None
            except httpx2.InvalidURL:
                raise WebhookError("the webhook's URL is not well formed") from None
            except httpx2.TransportError as error:
                failure = f"was not reached ({type(_cause(error)).__name__})"
    raise WebhookError(f"the webhook {failure}; {attempt + 1} of {ATTEMPTS} attempts")


def _cause(error: BaseException) -> BaseException:
    """The first error of a chain, such as ConnectionRefusedError."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
