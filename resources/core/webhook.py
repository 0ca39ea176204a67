"""Posting to a webhook whose URL is a secret: bounded in time, retried a few times, and never shown."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

# Dagster gives a sensor a minute, and may hand it five failed runs at once.
TIMEOUT = 3.0
ATTEMPTS = 3
PAUSE = 0.5
_BUSY = 429


class WebhookError(Exception):
    """A webhook that could not be posted to; the message holds nothing of its URL."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET that delivers nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def post(url: str, body: Mapping[str, Any], *, timeout: float = TIMEOUT, pause: float = PAUSE) -> None:
    """Post a JSON body, up to three times where the server is busy or not there; ``timeout`` and ``pause`` in seconds.

    Raises:
        WebhookError: it is no http address, it refused, or it did not take it in three attempts.
    """
    if not url.startswith(("http://", "https://")):
        raise WebhookError("the webhook's URL begins with neither http:// nor https://")
    content = json.dumps(body, ensure_ascii=False).encode()
    failure = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            request = urllib.request.Request(url, content, {"Content-Type": "application/json; charset=utf-8"})
            with _opener.open(request, timeout=timeout):
                return
        except urllib.error.HTTPError as error:
            failure = f"answered {error.code}"
            if error.code < 500 and error.code != _BUSY:
                break
        except (http.client.InvalidURL, ValueError):
            raise WebhookError("the webhook's URL is not well formed") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            failure = f"was not reached ({type(reason).__name__})"
    raise WebhookError(f"the webhook {failure}; {attempt + 1} of {ATTEMPTS} attempts")
