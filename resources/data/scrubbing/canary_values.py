"""Invented values of each entity type, in the forms in which people write them, and sentences around them."""

import hashlib
import ipaddress
import random
import string
from collections.abc import Callable

from faker import Faker

from fineline.resources.data.scrubbing.canary_secrets import token

Generator = Callable[[random.Random, Faker], str]

NATIONALITIES = ["Norwegian", "Peruvian", "Catholic", "Turkish", "Buddhist", "Nigerian", "Lutheran", "Korean"]

# English texts name people, and English letters hold accounts, of more than one country.
_LOCALES = {
    "PERSON": ["en_US", "en_GB", "en_IN", "de_DE", "es_ES", "fr_FR"],
    "IBAN_CODE": ["en_GB", "de_DE", "fr_FR", "es_ES", "nl_NL", "it_IT"],
    "STREET_ADDRESS": ["en_US", "en_US", "en_GB", "en_CA"],
}


def fakers(entity: str, rng: random.Random) -> list[Faker]:
    """Seeded Fakers, one for each country from which values of the type come."""
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


GENERATORS: dict[str, Generator] = {
    "CREDIT_CARD": _card,
    "CRYPTO": _bitcoin,
    "DATE_TIME": _date,
    "EMAIL_ADDRESS": _email,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "LOCATION": lambda rng, faker: str(faker.country() if rng.random() < 0.5 else faker.state()),
    "MAC_ADDRESS": lambda rng, faker: str(faker.mac_address()),
    "MEDICAL_LICENSE": _dea_number,
    "NRP": lambda rng, faker: rng.choice(NATIONALITIES),
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

# The name of such a value, as a key of JSON or a column of a table.
NOUNS = {
    "CREDIT_CARD": "card_number",
    "CRYPTO": "wallet",
    "DATE_TIME": "birthday",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "client_ip",
    "LOCATION": "city",
    "MAC_ADDRESS": "mac",
    "MEDICAL_LICENSE": "dea_number",
    "NRP": "nationality",
    "ORGANIZATION": "employer",
    "PERSON": "name",
    "PHONE_NUMBER": "phone",
    "SECRET": "api_key",
    "STREET_ADDRESS": "address",
    "UK_NHS": "nhs_number",
    "URL": "homepage",
    "US_BANK_NUMBER": "bank_account",
    "US_DRIVER_LICENSE": "driver_license",
    "US_ITIN": "itin",
    "US_PASSPORT": "passport",
    "US_SSN": "ssn",
    "UUID": "user_id",
}

# Each context fits any value of its type. They were written once, before anything was measured with them.
CONTEXTS: dict[str, list[str]] = {
    "CREDIT_CARD": [
        "Please charge {} and send me the receipt.",
        "I paid with card number {} last Friday, but the order never shipped.",
        "card: {}",
        "The customer read out {} to the agent, who noted it in the ticket.",
    ],
    "CRYPTO": ["Send it to {} today.", "My wallet is {}.", "bitcoin:{}"],
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
    "MEDICAL_LICENSE": ["The prescriber's DEA number is {}.", "Medical license {} expires in May."],
    "NRP": ["He is {} by birth.", "The {} delegation left early.", "Her husband is {}."],
    "ORGANIZATION": ["She works for {} in sales.", "The invoice of {} is overdue.", "We met at {} last year."],
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
    "SECRET": [
        "The API key is {}.",
        "Use {} until the new one arrives.",
        "Authorization: Bearer {}",
        "I pasted {} into the chat by mistake, please revoke it!",
        "export API_TOKEN={}",
        "remote: https://oauth2:{}@git.example.org/team/app.git",
    ],
    "STREET_ADDRESS": [
        "I live at {}.",
        "Please ship the parcel to {} by Friday.",
        "Address: {}",
        "We moved from {} in 2015 and never looked back.",
        "The technician was sent to {}, but nobody opened.",
    ],
    "UK_NHS": ["My NHS number is {}.", "NHS: {}"],
    "URL": ["My photos are at {}.", "See {} for my profile.", "homepage: {}"],
    "US_BANK_NUMBER": ["My bank account number is {}.", "Account # {} was closed."],
    "US_DRIVER_LICENSE": ["My driver license number is {}.", "Driver's license: {}"],
    "US_ITIN": ["My individual taxpayer number is {}.", "ITIN: {}"],
    "US_PASSPORT": ["My US passport number is {}.", "Passport: {}"],
    "US_SSN": [
        "My social security number is {}.",
        "SSN: {}",
        "The form asks for the number, which is {} in my case.",
        "Applicant {} was approved.",
    ],
    "UUID": ["The device {} reported an error.", "user_id={}", "Session {} ended."],
}
