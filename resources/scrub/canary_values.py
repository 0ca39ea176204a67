"""Made-up values of each entity type, in the forms in which people write them, and sentences around them."""

import ipaddress
import random
import string
from collections.abc import Callable

from faker import Faker

Generator = Callable[[random.Random, Faker], str]

# English texts name people, and English letters hold accounts, of more than one country.
_LOCALES = {
    "PERSON": ["en_US", "en_GB", "en_IN", "de_DE", "es_ES", "fr_FR"],
    "IBAN_CODE": ["en_GB", "de_DE", "fr_FR", "es_ES", "nl_NL", "it_IT"],
}


def fakers(entity: str, rng: random.Random) -> list[Faker]:
    """Seeded generators of raw values, one for each country that values of the type come from."""
    made = [Faker(locale) for locale in _LOCALES.get(entity, ["en_US"])]
    for faker in made:
        faker.seed_instance(rng.getrandbits(32))
    return made


def _person(rng: random.Random, faker: Faker) -> str:
    first, last = faker.first_name(), faker.last_name()
    initial = rng.choice(string.ascii_uppercase.replace("X", ""))
    return rng.choice([f"{first} {last}", f"{first} {last}", f"{first} {initial}. {last}", f"Dr. {first} {last}"])


def _email(rng: random.Random, faker: Faker) -> str:
    return str(rng.choice([faker.ascii_company_email, faker.ascii_free_email, faker.ascii_safe_email])())


def _phone(rng: random.Random, faker: Faker) -> str:
    # Area codes that the North American numbering plan has given out; exchanges start with 2 to 9.
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
    # Global unicast addresses, the ones that machines on the internet have, are in 2000::/3.
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


GENERATORS: dict[str, Generator] = {
    "CREDIT_CARD": _card,
    "DATE_TIME": _date,
    "EMAIL_ADDRESS": _email,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "LOCATION": lambda rng, faker: str(faker.country() if rng.random() < 0.5 else faker.state()),
    "MAC_ADDRESS": lambda rng, faker: str(faker.mac_address()),
    "PERSON": _person,
    "PHONE_NUMBER": _phone,
    "URL": lambda rng, faker: str(faker.url() + faker.uri_path()),
    "US_SSN": _ssn,
    "UUID": lambda rng, faker: str(faker.uuid4()),
}

# Each context fits any value of its type. Written once, before anything was measured with them.
CONTEXTS: dict[str, list[str]] = {
    "CREDIT_CARD": [
        "Please charge {} and send me the receipt.",
        "I paid with card number {} last Friday, but the order never shipped.",
        "card: {}",
        "The customer read out {} to the agent, who noted it in the ticket.",
    ],
    "DATE_TIME": ["She was born on {} in a small town.", "date of birth: {}", "The appointment is on {}."],
    "EMAIL_ADDRESS": [
        "You can reach me at {} if anything is unclear.",
        "Forwarded message\nFrom: {}\nSubject: invoice",
        "Send patches to <{}>.",
        '{{"user": "{}", "active": true}}',
        "Ask ({}) for access to the repository",
    ],
    "IBAN_CODE": [
        "Transfer the deposit to {} by the end of the month.",
        "IBAN: {}",
        "My account, {}, was debited twice.",
        "The refund goes to the account {}.",
    ],
    "IP_ADDRESS": [
        "The request came from {} at night.",
        "Failed password for root from {} port 50022 ssh2",
        "My server's address is {} and I cannot log in.",
        "client_ip={}",
        "Add {} to the firewall.",
    ],
    "LOCATION": ["He moved to {} two years ago.", "The office in {} is closed.", "We flew to {} in May."],
    "MAC_ADDRESS": ["The laptop's adapter is {}.", "mac={}", "DHCP lease for {} expired."],
    "PERSON": [
        "I spoke with {} about the contract yesterday.",
        "{} has been our accountant since the company was founded.",
        "The patient, {}, was admitted with chest pain.",
        "Thanks to {} for reporting this bug.",
        "My name is {} and I would like to cancel my subscription.",
        "Could you forward this to {}?",
        "Written by {} in 2019.",
        "According to {}, the meeting was moved to Monday.",
        "Let me know if you have questions.\n\nBest regards,\n{}",
        '{{"author": "{}", "reviews": 3}}',
        "{}: I have attached the draft, please comment by Friday.",
        "The winners are {} and the team from last year.",
    ],
    "PHONE_NUMBER": [
        "Call me on {} after six.",
        "My phone number is {}.",
        "Tel: {}",
        "If the door is locked, ring {} and somebody will let you in.",
        "We tried {} twice but nobody picked up.",
    ],
    "URL": ["My photos are at {}.", "See {} for my profile.", "homepage: {}"],
    "US_SSN": [
        "My social security number is {}.",
        "SSN: {}",
        "The form asks for the number, which is {} in my case.",
        "Applicant {} was approved.",
    ],
    "UUID": ["The device {} reported an error.", "user_id={}", "Session {} ended."],
}
