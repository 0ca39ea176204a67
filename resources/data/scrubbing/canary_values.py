"""Invented values of each entity type, in the forms in which people write them."""

import base64
import hashlib
import ipaddress
import json
import random
import string
from collections.abc import Callable, Iterator

from faker import Faker

_ALNUM = string.ascii_letters + string.digits
_NATIONALITIES = ["Norwegian", "Peruvian", "Catholic", "Turkish", "Buddhist", "Nigerian", "Lutheran", "Korean"]


def _person(rng: random.Random, faker: Faker) -> str:
    first, last = faker.first_name(), faker.last_name()
    initial = rng.choice(string.ascii_uppercase.replace("X", ""))
    return rng.choice([f"{first} {last}", f"{first} {last}", f"{first} {initial}. {last}", f"Dr. {first} {last}"])


def _email(rng: random.Random, faker: Faker) -> str:
    return str(rng.choice([faker.ascii_company_email, faker.ascii_free_email, faker.ascii_safe_email])())


def _phone(rng: random.Random, faker: Faker) -> str:
    # Area codes that the North American numbering plan has assigned; exchanges start with 2 to 9.
    area, exchange = rng.choice(["212", "312", "415", "617", "713", "206"]), rng.randint(220, 989)
    line = rng.randint(0, 9999)
    parts = rng.choice(["{}-{}-{:04}", "({}) {}-{:04}", "+1 {} {} {:04}", "{}.{}.{:04}", "{}{}{:04}"])
    london = f"+44 20 7{rng.randint(100, 999)} {rng.randint(0, 9999):04}"
    return rng.choice([parts.format(area, exchange, line)] * 4 + [london])


def _card(rng: random.Random, faker: Faker) -> str:
    number = faker.credit_card_number(rng.choice(["visa16", "mastercard", "amex", "discover"]))
    if len(number) == 15:
        groups = [number[:4], number[4:10], number[10:]]
    else:
        groups = [number[start : start + 4] for start in range(0, len(number), 4)]
    return rng.choice(["", " ", "-"]).join(groups)


def _iban(rng: random.Random, faker: Faker) -> str:
    number = str(faker.iban())
    groups = [number[start : start + 4] for start in range(0, len(number), 4)]
    return rng.choice(["", " "]).join(groups)


def _ip(rng: random.Random, faker: Faker) -> str:
    # Global unicast addresses, which machines on the internet have, are in 2000::/3.
    v6 = ipaddress.IPv6Address((0b001 << 125) | rng.getrandbits(125))
    short = ipaddress.IPv6Address((0x2A02 << 112) | (rng.getrandbits(16) << 96) | rng.getrandbits(16))
    return rng.choice([faker.ipv4_public(), faker.ipv4_private(), v6.exploded, v6.compressed, short.compressed])


def _ssn(rng: random.Random, faker: Faker) -> str:
    area = rng.choice([*range(1, 666), *range(667, 900)])
    parts = [f"{area:03}", f"{rng.randint(1, 99):02}", f"{rng.randint(1, 9999):04}"]
    return rng.choice(["-", "-", " "]).join(parts)


def _date(rng: random.Random, faker: Faker) -> str:
    form = rng.choice(["%B %d, %Y", "%d %B %Y", "%Y-%m-%d", "%m/%d/%Y"])
    return faker.date_of_birth(minimum_age=18).strftime(form)


def _street_address(rng: random.Random, faker: Faker) -> str:
    whole = str(faker.address()).split("\n")
    return rng.choice([whole[0], ", ".join(whole), f"{whole[0]}, {faker.city()}"])


def _itin(rng: random.Random, faker: Faker) -> str:
    return f"9{rng.randint(0, 99):02}-{rng.randint(70, 88)}-{rng.randint(1, 9999):04}"


def _bitcoin(rng: random.Random, faker: Faker) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    payload = b"\0" + rng.randbytes(20)
    number = int.from_bytes(payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4], "big")
    address = ""
    while number:
        number, digit = divmod(number, 58)
        address = alphabet[digit] + address
    return "1" + address


def _dea_number(rng: random.Random, faker: Faker) -> str:
    digits = [rng.randint(0, 9) for _ in range(6)]
    check = (sum(digits[::2]) + 2 * sum(digits[1::2])) % 10
    return rng.choice("ABFGM") + rng.choice(string.ascii_uppercase) + "".join(map(str, [*digits, check]))


def _nhs_number(rng: random.Random, faker: Faker) -> str:
    while True:
        digits = [rng.randint(0, 9) for _ in range(9)]
        check = 11 - sum(digit * (10 - place) for place, digit in enumerate(digits)) % 11
        if check != 10:
            number = "".join(map(str, [*digits, check % 11]))
            return rng.choice([number, f"{number[:3]} {number[3:6]} {number[6:]}"])


def _passport(rng: random.Random, faker: Faker) -> str:
    return rng.choice(["", rng.choice(string.ascii_uppercase)]) + f"{rng.randint(10**7, 10**8 - 1)}"


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
            _any(rng, "0123456789abcdef", rng.choice([32, 40, 64])),
            base64.b64encode(rng.randbytes(32)).decode(),
        ]
    )


def key_block(rng: random.Random) -> str:
    """A private key in PEM form, over many lines."""
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    body = base64.b64encode(rng.randbytes(rng.choice([160, 600, 1200]))).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"])


GENERATORS: dict[str, Callable[[random.Random, Faker], str]] = {
    "CREDIT_CARD": _card,
    "CRYPTO": _bitcoin,
    "DATE_TIME": _date,
    "EMAIL_ADDRESS": _email,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "LOCATION": lambda rng, faker: str(faker.country() if rng.random() < 0.5 else faker.state()),
    "MAC_ADDRESS": lambda rng, faker: str(faker.mac_address()),
    "MEDICAL_LICENSE": _dea_number,
    "NRP": lambda rng, faker: rng.choice(_NATIONALITIES),
    "ORGANIZATION": lambda rng, faker: str(faker.company()),
    "PERSON": _person,
    "PHONE_NUMBER": _phone,
    "SECRET": token,
    "STREET_ADDRESS": _street_address,
    "UK_NHS": _nhs_number,
    "URL": lambda rng, faker: str(faker.url() + faker.uri_path()),
    "US_BANK_NUMBER": lambda rng, faker: f"{rng.randint(10**9, 10**12 - 1)}",
    "US_DRIVER_LICENSE": lambda rng, faker: f"{rng.choice('ABCDEFGY')}{rng.randint(10**6, 10**7 - 1)}",
    "US_ITIN": _itin,
    "US_PASSPORT": _passport,
    "US_SSN": _ssn,
    "UUID": lambda rng, faker: str(faker.uuid4()),
}

# English texts name people, and English letters hold accounts, of more than one country.
_LOCALES = {
    "PERSON": ["en_US", "en_GB", "en_IN", "de_DE", "es_ES", "fr_FR"],
    "IBAN_CODE": ["en_GB", "de_DE", "fr_FR", "es_ES", "nl_NL", "it_IT"],
    "STREET_ADDRESS": ["en_US", "en_US", "en_GB", "en_CA"],
}


def invent(entity: str, rng: random.Random) -> Iterator[str]:
    """Endlessly, invented values of an entity type; equal generators invent equal values."""
    countries = [Faker(locale) for locale in _LOCALES.get(entity, ["en_US"])]
    for faker in countries:
        faker.seed_instance(rng.getrandbits(32))
    while True:
        yield GENERATORS[entity](rng, rng.choice(countries))
