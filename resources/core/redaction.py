"""Redaction: no message, log line, event or stored place shows a secret.

Errors redact themselves when they are made, log records when they are written, and Dagster's instance redacts each
event before it is stored; a new message passes through one of the three.
"""

from __future__ import annotations

import os
import re
from functools import cache
from urllib.parse import quote, unquote

HIDDEN = "***"
# Shorter values would be found in ordinary words.
_SHORTEST = 6
# Variables that hold secrets by the custom of their names, such as AWS_SECRET_ACCESS_KEY and PGPASSWORD.
_SECRET_NAME = re.compile(
    r"PASSW(?:OR)?D|(?:^|_)(?:PASS|PASSPHRASE|PWD?|SECRET|TOKEN|CREDENTIALS?|(?:API)?KEY|SAS|DSN|CONNECTION_STRING)(?:_|$)",
    re.I,
)
# An address up to its path, and what may hold a secret: who asks, and what follows the path. The example that errors
# give stays. Lengths are bounded, so that the time grows with the length of the text alone.
_ADDRESS = re.compile(
    r"(\b[A-Za-z][\w+.-]{0,30}://)(?!user:password@)([^\s\"<>]{0,500}@)?([^\s\"'<>?#]*)([?#][^\s\"'<>)\]]+)?"
)
_NAMED = re.compile(
    r"((?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|authorization|token(?=[\"']?=))"
    r"[\"']?\s{0,3}[=:]\s{0,3}[\"']?)(?:(?:bearer|basic)\s{1,3})?[^\s\"'&,;)}\]]+",
    re.I,
)
# Secrets that are known by their form: of AWS, GitHub, GitLab, Hugging Face, OpenAI, Slack, Google; JWT; keys in PEM.
_FORMS = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[a-z]_\w{20,}|\bgithub_pat_\w{20,}|\bhf_[A-Za-z0-9]{20,}"
    r"|(?<![\w-])(?:glpat|sk|xox[a-z])-[\w-]{16,}|\bAIza[\w-]{35}|(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"
    r"|(?<=hooks\.slack\.com/services/)[\w/]+|\b(?i:bearer)\s{1,3}[\w.~+/-]{8,}=*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
)
# Parts of a query that hold a secret, as far as they are given as they are.
_SECRET_PARAMETER = re.compile(
    r"[?&;#](?:[\w.-]{0,40}[_.-])?(?:sig|signature|token|secret|passw(?:or)?d|(?:api|access)?_?key|credential)=[^$&;#\s]",
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
    for value in sorted(_read | _environment(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    if "://" in text:
        text = _ADDRESS.sub(_without_secrets, text)
    return _FORMS.sub(HIDDEN, _NAMED.sub(rf"\1{HIDDEN}", text))


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
    return (
        _FORMS.search(text) is not None
        or any(_VARIABLE.sub("", _password(rest)) for rest in re.findall(r"://((?:(?!::)\S)*)", text))
        or ("://" in text and _SECRET_PARAMETER.search(text) is not None)
    )


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


def _forms(value: str) -> set[str]:
    """A secret as it may be written, and the password in it where it is an address."""
    _, mark, rest = value.partition("://")
    parts = [value, rest.rpartition("@")[0].partition(":")[2] if mark else ""]
    forms = (form for part in parts for form in (part, quote(part, safe=""), unquote(part)))
    return {form for form in forms if len(form) >= _SHORTEST}


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


def _without_secrets(found: re.Match[str]) -> str:
    scheme, user, rest, after = found.groups(default="")
    return f"{scheme}{user and f'{HIDDEN}@'}{rest}{after and after[0] + HIDDEN}"
