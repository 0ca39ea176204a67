r"""By what a secret is recognised that nobody has named: its form, the name before it, or its place in an address.

In JSON, and in JSON within JSON, a secret ends before the quote that ends its text, and no escape is torn apart: what
was JSON stays so. The time of each pattern grows with the length of the text.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterable

HIDDEN = "***"
# Of characters of JSON: each that is no quote, and each escape but that of a quote.
_ESCAPE = r"\\(?:u[\da-fA-F]{4}|[^\"'unrt\s])"
# A backslash and a letter may stand before a secret in JSON.
_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
_MIXED = r"(?=\w*[a-z])(?=\w*[A-Z])"
_DIGIT = r"(?=[\w-]*\d)"

# An address up to its path, and what may hold a secret: who asks, and what follows the path. The example that errors
# give stays. Lengths are bounded.
_ADDRESS = re.compile(
    r"(\b[A-Za-z][\w+.-]{0,30}:\\?/\\?/)(?!user:password@)([^\s\"<>]{0,500}@)?([^\s\"'<>?#]*)"
    rf"([?#](?:[^\s\"'<>)\]\\]|{_ESCAPE})+)?"
)
_NAME = (
    r"(?:passw(?:or)?d|passphrase|(?<=[;?&])\s?pwd|secret|(?:api|access|account|private)[_-]?key|authorization"
    r"|token(?=\\{0,7}[\"']?=))"
)
# "name": "value", up to the quote that ends the value; in JSON within a text of JSON, quotes are escaped.
_IN_QUOTES = r"(?!\2)(?:(?:\\{15}|\\{7}|\\{3})\"|[^\\\n\"]|\\[^\n])"
_QUOTED = re.compile(
    rf"({_NAME}(\\{{0,7}}[\"'])\s{{0,3}}[=:]\s{{0,3}}\2){_IN_QUOTES}(?:{_IN_QUOTES})*",
    re.I,
)
_NAMED = re.compile(
    rf"({_NAME})(\\{{0,7}}[\"'])?(\s{{0,3}}[=:]{{1,2}}\s{{0,3}}[\[(]?)(\\{{0,7}}[\"'])?"
    rf"(?:(?:bearer|basic)\s{{1,3}})?(?![:=\[{{(])((?:[^\s\"'&,;)}}\]\\]|{_ESCAPE})+)",
    re.I,
)
# What providers give out. A name may begin as a key does (sk is Slovak): of the others a key is told by its digits.
_FORMS = re.compile(
    rf"{_START}(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}\b|(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[\w/+=]{20,}"
    r"|gh[oprsu]_(?=\w*\d)[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    rf"|gl(?:pat|dt|rt|ptt|ft|cbt|imt|soat|agent)-{_DIGIT}[\w-]{{16,}}"
    rf"|hf_(?:[A-Za-z0-9]{{34}}\b|{_MIXED}[A-Za-z0-9]{{20,}})|npm_[A-Za-z0-9]{{36}}|pypi-Ag[\w-]{{40,}}"
    rf"|sk-(?:ant|proj|svcacct|admin)-{_DIGIT}[\w-]{{16,}}|sk-or-v\d-\w{{20,}}"
    rf"|sk-(?:\w{{1,12}}-){{0,3}}(?:(?=[a-zA-Z]*\d+[a-zA-Z]+\d)\w{{16,}}|(?=\w*\d){_MIXED}[A-Za-z0-9]{{32,}})"
    rf"|[sr]k_(?:live|test)_[A-Za-z0-9]{{16,}}|whsec_[A-Za-z0-9+/]{{24,}}"
    rf"|xox[a-np-z]-{_DIGIT}[\w-]{{10,}}|xapp-\d-[\w-]{{10,}}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|SG\.[\w-]{16,32}\.[\w-]{16,64}|dapi[a-f0-9]{32}"
    r"|do[opr]_v1_[a-f0-9]{64}|hv[sb]\.[\w-]{24,}|dckr_pat_[\w-]{20,}|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}"
    r"|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|lin_api_[A-Za-z0-9]{40}|ATATT3[\w=-]{50,}|xkeysib-[a-f0-9]{64}-\w{16}"
    r"|eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"
    r"|(?i:bearer)\s{1,3}(?=[\w.~+/-]{0,300}\d[A-Za-z_]{1,40}\d)[\w.~+/-]{14,}=*"
    r")"
    # A bot's of Telegram stands behind "bot" in an address.
    r"|(?<!\d)\d{8,10}:AA[\w-]{32,35}(?![\w-])"
    r"|(?<=hooks\.slack\.com/services/)[\w/]+|(?<=/api/webhooks/)\d+/[\w-]{20,}"
    r"|(?<=\bsig=)[\w%+/-]{16,}=*|(?<=[sS]ignature=)[\w%+/-]{32,}=*|(?<=(?:Account|.Access)Key=)[\w+/]{20,}=*"
    r"|(?<=[;?&]password=)[^\s\"'&;,<>${}*\\]+|(?<=jdbc:oracle:thin:)[^\s/@\"\\]+/[^\s@\"\\]+(?=@)"
    r"|(?i:(?<=authorization: )|(?<=authorization=))(?i:bearer|basic|token)\s{1,3}(?=[\w.~+/-]{0,300}\d)[\w.~+/-]{8,}=*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^\"\\]|\\[^\"])*?"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|(?=\\?\")|(?=\\?\Z))"
)
# Of Discord: the one form without a mark of its own.
_DOTTED = re.compile(r"[MNO](?:(?<![\w-].)|(?<=\\[nrt].))[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}")
# One of these stands in each text with such a form, and one of these in lower case in each with a name of a secret.
_MARKS = (
    *(
        "AKIA",
        "ASIA",
        "FwoG",
        "IQoJ",
        "gho_",
        "ghp_",
        "ghr_",
        "ghs_",
        "ghu_",
        "github_pat_",
        "glpat-",
        "gldt-",
        "glrt-",
    ),
    *(
        "glptt-",
        "glft-",
        "glcbt-",
        "glimt-",
        "glsoat-",
        "glagent-",
        "hf_",
        "npm_",
        "pypi-",
        "sk-",
        "k_live_",
        "k_test_",
    ),
    *(
        "k_live_",
        "k_test_",
        "whsec_",
        "xox",
        "xapp-",
        "AIza",
        "ya29.",
        "GOCSPX-",
        "SG.",
        "dapi",
        "_v1_",
        "hvs.",
        "hvb.",
        "dckr_",
    ),
    *(
        "gsk_",
        "r8_",
        "shpat_",
        "shpca_",
        "shppa_",
        "shpss_",
        "lin_api_",
        "ATATT3",
        "xkeysib-",
        "eyJ",
        ":AA",
        "/services/",
    ),
    *("/webhooks/", "sig=", "ignature=", "Key=", "password=", "jdbc:", "PRIVATE KEY"),
)
_NAMES = ("passw", "passphrase", "pwd", "secret", "key", "authorization", "token")
_BASIC = re.compile(r"\b(?i:basic)\s{1,3}([A-Za-z0-9+/]{8,}={0,2})")
# What stands beside the id of a key of AWS, with letters of both cases and a digit.
_AWS_SECRET = re.compile(
    r"(?:(?<![\w/+=-])|(?<=\\[nrt]))(?=[\w/+]*\d)(?=[\w/+]*[a-z])(?=[\w/+]*[A-Z])[A-Za-z0-9/+]{40}(?![\w/+=-])"
)
_AWS_ID = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}")
# Parts of a query that hold a secret, as far as they are given as they are. A key may be that of a column.
_PARAMETER = re.compile(
    r"[?&;#](?:[\w.-]{0,40}[_.-])?"
    r"(?:(?:sig|signature|token|secret|passw(?:or)?d|pwd|(?:api|access)_?key|credential)="
    r"(?!(?:\d{1,4}|true|false|none|yes|no|on|off)(?:[&;#\s]|$))"
    r"|key=(?=[\w-]{0,200}\d)(?=[\d-]{0,200}[A-Za-z])(?=[\w-]{12}))[^$&;#\s]",
    re.I,
)
# Words that stand in the names of Fineline and of Dagster: as a password each would be found in all that is stored.
_WORDS = """
    adapter administrator annotators anonymous approved automation batches benchmark changeme cleartext
    cluster container corpora curation dagster database datasets default definitions deployment development
    documents duplicates embeddings evaluation evaluations examples executions experiment export exposure
    features fineline finetune finetuning forgetting governance huggingface inference ingestion instance
    instruction jobs language localhost location manifest materialize messages metadata minioadmin model
    models opensearch orchestrator partition partitions password passwort persistent pipeline postgres
    postgresql preference production project pseudonym quarantine quickstart records registry release
    repository resources schedule schedules scrubbed scrubbing secret secrets sensitive sensors services
    snapshot snapshots sources staging standard storage support superuser teacher template testing tokenizer
    tracking trainer training trainings username validation versions webhook workspace
"""
_ORDINARY = frozenset(_WORDS.split())


def is_ordinary(value: str) -> bool:
    """Whether a password is one that is found in ordinary text: a word, words of the project, few letters."""
    return (value.isalpha() and len(value) < 8) or set(re.split("[-_. ]", value.lower())) <= _ORDINARY


def without_named(text: str) -> str:
    """A text without the secrets that a name, a form or an address gives away."""
    if "//" in text or "\\/" in text:
        text = _ADDRESS.sub(_without_secrets, text)
    lowered = text.lower()
    if _holds(text, ("AKIA", "ASIA")) and _AWS_ID.search(text):
        text = _AWS_SECRET.sub(HIDDEN, text)
    if _holds(lowered, _NAMES):
        text = _NAMED.sub(_unnamed, _QUOTED.sub(rf"\1{HIDDEN}", text))
    if _holds(text, _MARKS) or _holds(lowered, ("bearer", "authorization")):
        text = _FORMS.sub(HIDDEN, text)
    if "basic" in lowered:
        text = _BASIC.sub(lambda found: HIDDEN if _is_pair(found[1]) else found[0], text)
    return _DOTTED.sub(HIDDEN, text)


def has_form(text: str) -> bool:
    """Whether a text holds what has the form of a secret, also in the query of an address."""
    return (
        _FORMS.search(text) is not None
        or _DOTTED.search(text) is not None
        or any(_is_pair(each) for each in _BASIC.findall(text))
        or ("://" in text and _PARAMETER.search(text) is not None)
    )


def _holds(text: str, parts: Iterable[str]) -> bool:
    return any(part in text for part in parts)


def _without_secrets(found: re.Match[str]) -> str:
    scheme, user, rest, after = found.groups(default="")
    return f"{scheme}{user and f'{HIDDEN}@'}{rest}{after and after[0] + HIDDEN}"


def _unnamed(found: re.Match[str]) -> str:
    name, closing, between, opening, value = found.groups(default="")
    if closing and not opening:
        # A value of JSON that is no text.
        shown = value if value in {"null", "true", "false", "None", "True", "False"} else closing + HIDDEN + closing
        return f"{name}{closing}{between}{shown}"
    return f"{name}{closing}{between}{opening}{HIDDEN}"


def _is_pair(encoded: str) -> bool:
    """Whether base64 is that of a user and a password."""
    try:
        decoded = b64decode(encoded, validate=True)
    except Error:
        return False
    return b":" in decoded and decoded.isascii() and decoded.decode().isprintable()
