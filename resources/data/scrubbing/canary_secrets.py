"""Invented secrets: tokens in the formats of their vendors, passwords and keys that are assigned, key blocks."""

import base64
import json
import random
import string
from collections.abc import Callable

from faker import Faker

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


def _any(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _jwt(rng: random.Random) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": rng.randint(1, 10**9), "iat": rng.randint(10**9, 2 * 10**9)}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, _any(rng, _ALNUM + "-_", 43)])


_TOKENS: list[Callable[[random.Random], str]] = [
    lambda rng: "AKIA" + _any(rng, string.ascii_uppercase + "234567", 16),
    lambda rng: "AIza" + _any(rng, _ALNUM + "-_", 35),
    lambda rng: "ghp_" + _any(rng, _ALNUM, 36),
    lambda rng: "github_pat_" + _any(rng, _ALNUM, 22) + "_" + _any(rng, _ALNUM, 59),
    lambda rng: "glpat-" + _any(rng, _ALNUM + "-_", 20),
    lambda rng: "hf_" + _any(rng, _ALNUM, 34),
    lambda rng: "npm_" + _any(rng, _ALNUM, 36),
    lambda rng: "pypi-AgEIcHlwaS5vcmc" + _any(rng, _ALNUM + "-_", 120),
    lambda rng: "sk-ant-api03-" + _any(rng, _ALNUM + "-_", 95),
    lambda rng: "sk-proj-" + _any(rng, _ALNUM, 74) + "T3BlbkFJ" + _any(rng, _ALNUM, 74),
    lambda rng: "sk_live_" + _any(rng, _ALNUM, 24),
    lambda rng: "SG." + _any(rng, _ALNUM, 22) + "." + _any(rng, _ALNUM, 43),
    lambda rng: f"xoxb-{rng.randint(10**10, 10**11)}-{rng.randint(10**10, 10**11)}-" + _any(rng, _ALNUM, 24),
    _jwt,
]


def token(rng: random.Random, faker: Faker) -> str:
    """A token in the format of a vendor."""
    return rng.choice(_TOKENS)(rng)


def password(rng: random.Random) -> str:
    """A generated password or key in no particular format."""
    return rng.choice(
        [
            _any(rng, _ALNUM, rng.randint(12, 20)),
            _any(rng, _ALNUM, 10) + rng.choice("!#*+?") + _any(rng, _ALNUM, 3),
            _any(rng, _HEX, rng.choice([32, 40, 64])),
            base64.b64encode(rng.randbytes(32)).decode(),
        ]
    )


ASSIGNMENTS = [
    "password: {}",
    "DB_PASSWORD={}\nDB_HOST=localhost",
    'api_key = "{}"',
    "client.login(user='shop', password='{}')",
    "postgresql://shop:{}@db.example.org:5432/orders",
    "Server=db.example.org;Database=orders;User Id=shop;Password={};Encrypt=True",
    "My new password is {}.",
    "aws_secret_access_key = {}",
    "curl -u shop:{} https://api.example.org/v1/orders",
    '{{"client_secret": "{}", "scope": "read"}}',
]


def key_block(rng: random.Random) -> str:
    """A private key in PEM form, over many lines."""
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    body = base64.b64encode(rng.randbytes(rng.choice([160, 600, 1200]))).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"])
