"""Redaction: no message, log line, event or stored place shows a secret.

Errors redact themselves when they are made, log records when they are written, and Dagster's instance redacts each
event before it is stored; a new message passes through one of the three.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache, lru_cache
from urllib.parse import quote, unquote

from fineline.resources.core.secret_forms import HIDDEN, has_form, is_ordinary, without_named

# Shorter values would be found in ordinary words.
_SHORTEST = 6
# Variables that hold secrets by the custom of their names, such as AWS_SECRET_ACCESS_KEY and PGPASSWORD.
_SECRET_NAME = re.compile(
    r"PASSW(?:OR)?D|(?:^|_)(?:PASS|PASSPHRASE|PWD?|SECRET|TOKEN|CREDENTIALS?|(?:API)?KEY|SAS|DSN|CONNECTION_STRING)(?:_|$)",
    re.I,
)
_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")
# Of a URL in a recipe: what stands before its host, and what follows its path.
_SECRET_PARTS = re.compile(r"((?<=://).*@|[?].*)", re.DOTALL)
_read: set[str] = set()


class FinelineError(Exception):
    """The base of all errors of Fineline: its message shows no secret, whatever it was made of."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(each) if isinstance(each, str) else each for each in args))


def redacted(text: str) -> str:
    """A text without secrets: those that were read, those that their name or form gives away, and parts of addresses.

    An address keeps its scheme, host and path. Time grows with the length of the text.
    """
    known = _known(frozenset(_read), _environment())
    return without_named(known.sub(HIDDEN, text) if known else text)


def address(location: object) -> str:
    """A path or URL as it is shown and stored: a URL without userinfo, query and fragment."""
    text = str(location)
    scheme, mark, rest = text.rpartition("://")
    # Chained URLs, such as zip://a.csv::https://…, keep their first parts.
    return f"{redacted(scheme)}{mark}{re.split('[?#]', rest.rpartition('@')[2])[0]}" if mark else text


def secret(variable: str) -> str | None:
    """The value of an environment variable that no message may show from now on; None where it is not set."""
    value = os.environ.get(variable)
    if value:
        _read.update(_forms(value))
    return value


def holds_secret(text: str) -> bool:
    """Whether a text that is shown and stored, such as a recipe's, holds a secret itself in place of a variable."""
    rests = re.findall(r"://(?!user:password@)((?:(?!::)\S)*)", text)
    return has_form(text) or any(_VARIABLE.sub("", _password(rest)) for rest in rests)


def expanded(url: str, *, with_secrets: bool) -> str:
    """A URL with its environment variables filled in; ``with_secrets`` also those of its userinfo and query.

    What is filled in there is shown by no message from now on.
    """
    parts = _SECRET_PARTS.split(url)
    for part in parts[1::2] if with_secrets else []:
        # Who asks is no secret beside a password; alone it may be a token.
        for variable in _VARIABLE.findall(part if part[0] == "?" else part.partition(":")[2] or part):
            secret(variable.strip("${}"))
    return "".join(
        part if number % 2 and not with_secrets else os.path.expandvars(part) for number, part in enumerate(parts)
    )


@lru_cache(1)
def _known(read: frozenset[str], environment: frozenset[str]) -> re.Pattern[str] | None:
    """A pattern of the secrets that are known, the longest first; letters or digits alone count as a whole word."""
    values = sorted(read | environment, key=len, reverse=True)
    return re.compile("|".join(map(_as_pattern, values))) if values else None


def _as_pattern(value: str) -> str:
    written = re.escape(value)
    return rf"(?<![\w./-]){written}(?![\w/-]|\.\w)" if value.isalpha() or value.isdigit() else written


def _forms(value: str) -> set[str]:
    """A secret as it may be written, also in JSON, and the password in it where it is an address.

    One that is found in ordinary text is looked for in addresses and behind its name alone.
    """
    _, mark, rest = value.partition("://")
    parts = [part.strip(" \t\r\n\"'") for part in (value, rest.rpartition("@")[0].partition(":")[2] if mark else "")]
    forms = (form for part in parts for form in (part, quote(part, safe=""), unquote(part), json.dumps(part)[1:-1]))
    return {form for form in forms if len(form) >= _SHORTEST and not is_ordinary(form)}


def _password(rest: str) -> str:
    """The password in what follows the scheme of an address, also in one of which / ? or # are not quoted."""
    host = re.split("[/?#]", rest)[0]
    if "@" not in host and not ("@" in rest and ":" in host and not host.rpartition(":")[2].isdigit()):
        return ""
    return (host if "@" in host else rest).rpartition("@")[0].partition(":")[2]


@cache
def _environment() -> frozenset[str]:
    """The secrets that libraries read from the environment themselves; a path is none."""
    named = {value for name, value in os.environ.items() if _SECRET_NAME.search(name) and not value.startswith("/")}
    passwords = {_password(value.partition("://")[2]) for value in os.environ.values() if "://" in value}
    return frozenset(form for value in named | passwords for form in _forms(value) if len(value) >= _SHORTEST + 2)
