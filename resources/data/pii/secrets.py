"""Secrets in text: API keys, tokens, private keys, passwords in URLs, connection strings and assignments.

Token formats come from the plugins of detect-secrets. Their patterns are searched for here, because the library itself
returns values without positions, only the first line of a private key, and only the prefix of a GitHub token. Formats
that it lacks, and whole private keys, are added. Its keyword and entropy plugins are left out: what they find in
documentation and code is hardly ever a secret (``password = getpass()``). Here an assignment counts only where the
value looks generated.
"""

import re
from collections.abc import Iterator
from typing import Any

from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString
from detect_secrets.plugins.jwt import JwtTokenDetector
from presidio_analyzer import EntityRecognizer, RecognizerResult

from fineline.resources.data.pii.plugin_patterns import NEARLY, PLUGIN_PATTERNS
from fineline.resources.data.pii.spans import Span

SECRET = "SECRET"

# What a text must contain for a secret to be found in it. One in a hundred ordinary texts does.
NECESSARY = re.compile(
    r"-----(?:BEGIN|END) |PuTTY-User|\b\w{2,20}://[^\s/@]{0,100}:[^\s@]{1,200}@"
    r"|(?i:secret|token|passw|passphrase|pwd|[_. -]?key|credential)\w{0,20}[\"'`\]]{0,3}(?:\s*[=:,(]|\s+is\b)"
    r"|-(?:password|passwd|token|api-key|secret) |curl [^\n]{0,200}?-u"
    r"|(?<![\w+/=-])(?=[A-Za-z_+/=-]{0,100}\d)[\w+/=-]{16,}"
    # A prefix, and letters of both cases that by chance have no digit among them.
    r"|[A-Za-z]{2,12}[-_.](?=[A-Za-z_-]{0,100}[a-z])(?=[A-Za-z_-]{0,100}[A-Z])[\w-]{16,}|[A-Z]{16,}|\bAIza"
)

_SCORE = 1.0

# A shorter group of a plugin's pattern is a prefix and not the secret.
_SHORTEST_VALUE = 16

# Prefixes that vendors publish for secret scanners, with what follows them.
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sk-(?:ant|proj|svcacct|or)-[\w-]{20,}|sk-[A-Za-z0-9]{32,}|sk_test_[0-9A-Za-z]{24,}|whsec_[0-9A-Za-z+/]{24,}"
    r"|github_pat_\w{30,}|hf_[A-Za-z0-9]{30,}|AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}"
    r"|npm_[A-Za-z0-9]{36}|do[opr]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|xapp-\d-[\w-]{20,}"
    r"|xox[abeoprs]-[\w-]{20,}|dapi[a-f0-9]{32}|hv[sb]\.[\w-]{20,}|dckr_pat_[\w-]{20,}|glc_[A-Za-z0-9+/=]{32,}"
    r"|ATATT3[\w=-]{50,}|xkeysib-[a-f0-9]{64}-\w{16}|sntrys_[\w+/=-]{40,}|lin_api_[A-Za-z0-9]{40}"
    r"|rubygems_[a-f0-9]{48}|r8_[A-Za-z0-9]{37}|gsk_[A-Za-z0-9]{40,}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    r"|key-[0-9a-f]{32}|PMAK-[a-f0-9]{24}-[a-f0-9]{34})"
)

# A key block is replaced whole. Long texts are analysed in segments, so its end or its beginning may be missing;
# then the lines of base64 beside the remaining armour belong to it. In JSON, \n stands for a line end.
_ARMOUR = r"(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_LINE_END = r"(?:\\r|\\n|\s)"
_LINE = rf"[A-Za-z0-9+/=]{{8,}}+{_LINE_END}++"
_BODY = rf"(?:{_LINE_END}+(?:[A-Za-z0-9+/=]{{8,}}|[A-Z][A-Za-z-]+: [^\n\\]*|=[A-Za-z0-9+/]{{4}}))*"
_KEY_BLOCKS = [
    re.compile(rf"-----BEGIN {_ARMOUR}(?:(?!-----BEGIN)[\s\S]){{1,20000}}?-----END {_ARMOUR}"),
    re.compile(rf"-----BEGIN {_ARMOUR}{_BODY}"),
    # Lines that no armour ends are taken whole, as a match that does not count.
    re.compile(rf"(?<![A-Za-z0-9+/=])(?:(?:{_LINE})*+-----END {_ARMOUR}|(?P<{NEARLY}>(?:{_LINE})++))"),
]
_PUTTY_KEY, _PUTTY_END = re.compile(r"PuTTY-User-Key-File-\d: "), re.compile(r"Private-MAC: [0-9a-f]+")
# How the DER and OpenSSH forms begin in base64, where both lines of the armour are missing.
_BARE_KEY = re.compile(
    rf"(?<![A-Za-z0-9+/])(?:MII[\w+/]{{3}}IB(?:ADAN|AAKC)|b3BlbnNzaC1rZXktdjE)[\w+/]{{40,}}=*{_BODY}"
)

_KEYWORD = (
    r"(?:secret|token|passw(?:or)?d|passphrase|pwd|credentials?"
    r"|(?:api|access|auth|account|private|client|encryption|signing|master)[_. -]?key)"
)
# An unquoted value ends where a list or a query goes on.
_ASSIGNED = re.compile(
    rf"(?i){_KEYWORD}\w{{0,20}}[\"'`\]]{{0,3}}(?:\s*(?:=>|:=|={{1,3}}|:|,)\s*|\s+is:?\s+|\s*\(\s*)(?:\w{{1,2}}(?=[\"']))?"
    r"(?:([\"'`])(?P<quoted>[^\s\"'`]{8,200})\1"
    r"|(?P<plain>(?:[^\s\"'`<>&;,]|&(?!\w+=)|[;,](?!\s|$|\w+\s*=)){8,200}))"
)
_GIVEN = [
    # scheme://user:password@host, and not scheme://host:port/…@
    re.compile(
        r"(?<![\w+.-])[A-Za-z][\w+.-]{1,20}://[^\s/:@\"'<>`]{0,100}:(?P<plain>(?!\d{1,5}/)[^\s@\"'<>`]{1,200})@(?=[\w\[.-])"
    ),
    # Server=…;Password=…;
    re.compile(r"(?i)(?:;|\b(?=[^\n;]{1,80};))\s*(?:password|pwd)\s*=\s*(?P<plain>[^;\s\"'<>]{4,200})"),
    # --password …, curl -u user:…
    re.compile(
        r"(?<!\w)(?:--?(?:password|passwd|token|api-key|secret)[= ]|curl [^\n]{0,200}?-u ?[^\s:]{1,60}:)[\"']?"
        r"(?P<plain>[^\s\"'<>]{6,200})"
    ),
]
_HEADER = re.compile(
    r"(?i)(?:\bbearer\s|\b(?:authorization|x-api-key|x-auth-token)\b[\"']?\s*+[:=,]\s*+[\"']?(?:(?:basic|token)\s)?)"
    r"\s*+(?P<quoted>[A-Za-z0-9][\w.~+/-]{15,500}=*)"
)

_REFERENCE = re.compile(r"^[$%@./~]|\$\{|\{\{?\w|%[(s]|\w\(|\)$|::|->|^https?:")
_DUMMY = re.compile(
    r"(?i)passw|secret|token|example|your|change|dummy|sample|test|xxx|\*\*|\.\.\.|abc|1234|qwerty|placeholder|_key|key_"
)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+|[A-Za-z_]+\d{0,2}")
_DUMMY_WORDS = frozenset({"pass", "pwd", "pw", "user", "admin", "root", "postgres", "mypass", "p@ssw0rd"})
_ENTROPY = Base64HighEntropyString()


def is_generated(value: str, *, quoted: bool) -> bool:
    """Whether an assigned value reads like a generated secret, not like a word, a reference or a dummy.

    It has letters and digits, at least 3 bits of entropy a character (2.7 below 12 characters), and no part of
    a template, a call, or a word that stands for a secret in examples.
    """
    if _REFERENCE.search(value) or (len(value) < 40 and _DUMMY.search(value)):
        return False
    if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    if not quoted and _IDENTIFIER.fullmatch(value):
        return False
    return float(_ENTROPY.calculate_shannon_entropy(value)) >= (3.0 if len(value) >= 12 else 2.7)


def is_given(value: str) -> bool:
    """Whether a value in the place of a password is one, however simple, and not a template or a dummy."""
    if _REFERENCE.search(value) or value.lower() in _DUMMY_WORDS:
        return False
    return any(map(str.isdigit, value)) or not _DUMMY.search(value)


def secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each secret, in no order; they may overlap."""
    if "PRIVATE KEY" in text or "PuTTY" in text:
        for pattern in _KEY_BLOCKS:
            yield from (match.span() for match in pattern.finditer(text) if match.lastgroup != NEARLY)
        yield from _putty_keys(text)
    yield from (match.span() for match in _BARE_KEY.finditer(text))
    yield from (match.span() for match in _PREFIXED.finditer(text))
    for plugin, patterns in PLUGIN_PATTERNS:
        for pattern in patterns:
            for match in pattern.finditer(text):
                if match.lastgroup != NEARLY:
                    yield from _of_plugin(plugin, text, match)
    for pattern in _GIVEN:
        yield from (match.span("plain") for match in pattern.finditer(text) if is_given(match["plain"]))
    yield from (match.span("quoted") for match in _HEADER.finditer(text) if is_generated(match["quoted"], quoted=True))
    for match in _ASSIGNED.finditer(text):
        quoted = match["quoted"] is not None
        value = match["quoted"] if quoted else match["plain"].rstrip(".,;:!?)]}")
        if len(value) >= 8 and is_generated(value, quoted=quoted):
            start = match.start("quoted" if quoted else "plain")
            yield start, start + len(value)


def _putty_keys(text: str) -> Iterator[tuple[int, int]]:
    end = 0
    while (key := _PUTTY_KEY.search(text, end)) and (last := _PUTTY_END.search(text, key.end() + 1)):
        end = last.end()
        yield key.start(), end


def _of_plugin(plugin: RegexBasedDetector, text: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """The secret in a match: its longest group, or all of it, extended to the end of its token."""
    groups = [index for index in range(1, match.re.groups + 1) if match[index]]
    longest = max(groups, key=lambda index: len(match[index]), default=0)
    start, end = match.span(longest if len(match[longest]) >= _SHORTEST_VALUE else 0)
    found = text[start:end].rstrip(" \t\r\n\"'")
    end = start + len(found)
    start = end - len(found.lstrip(" \t\r\n\"'=:"))
    if start and text[start - 1].isalnum():
        return
    token = "." if isinstance(plugin, JwtTokenDetector) else ""
    while end < len(text) and (text[end].isalnum() or text[end] in "_=-" + token):
        end += 1
    end = start + len(text[start:end].rstrip("."))
    if isinstance(plugin, JwtTokenDetector) and not plugin.is_formally_valid(text[start:end]):
        return
    yield start, end


def without_hosts(spans: list[Span]) -> list[Span]:
    """The spans without mailboxes that begin within a secret: there ``password@host`` is part of a URL."""
    secrets = [span for span in spans if span.entity == SECRET]
    return [
        span
        for span in spans
        if span.entity != "EMAIL_ADDRESS" or not any(other.start <= span.start < other.end for other in secrets)
    ]


class SecretRecognizer(EntityRecognizer):
    """Finds secrets; a Presidio recognizer of the entity type SECRET."""

    def __init__(self) -> None:
        super().__init__(supported_entities=[SECRET], name="SecretRecognizer", supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Each secret as a result; they may overlap."""
        return [RecognizerResult(SECRET, start, end, _SCORE) for start, end in secret_spans(text)]
