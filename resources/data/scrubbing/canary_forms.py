"""The surface forms of canaries: how a value is written, and the sentences, code and tables around it.

All were written once, before anything was measured with them.
"""

import random

from fineline.resources.data.scrubbing.canary_values import key_block, password

# Types in which a change of case makes another value.
_CASED = {"SECRET", "CRYPTO", "URL"}

_FORMS: dict[str, list[str]] = {
    "punctuation": [
        "We noted ({}), as agreed.",
        "They wrote “{}”!",
        "Not sure...{}...but check.",
        "Is it {}?",
        "Options: this;{};that",
    ],
    "code": [
        'NOUN = "{}"  # set by hand',
        "    print('{}')\n    return None",
        "// NOUN: {}\nint main() {{ return 0; }}",
        "INSERT INTO people (id, NOUN) VALUES (17, '{}');",
        "NOUN: {}\nenabled: true",
    ],
    "JSON": ['{{"id": 17, "NOUN": "{}", "active": true}}', '[{{"items": [], "NOUN": ["{}"]}}]'],
    "Markdown": [
        "# Notes\n\n- **NOUN:** {}\n- status: open",
        "> {}\n\nSee above.",
        "The value is `{}` here.",
        "1. *{}*\n2. [docs](https://example.org/docs)",
    ],
    "e-mail header": [
        "Date: Mon, 3 Jun 2019 10:11:12 +0000\nFrom: {}\nSubject: Re: invoice\n\nHello,\n",
        "Subject: Re: NOUN {}\nMIME-Version: 1.0\n\n",
        "On Monday {} wrote:\n> thanks\n",
    ],
    "table row": [
        "| id | NOUN | state |\n| --- | --- | --- |\n| 17 | {} | open |",
        'id;NOUN;state\n17;"{}";open\n18;;closed',
        "id\tNOUN\tstate\n17\t{}\topen",
    ],
    "other punctuation": ["備註：「{}」。", "（{}）、确认", "« {} »", "ملاحظة: {}؛", "¡{}!"],
}

# Names are left out: the URL of a profile is an entity type of its own.
_URLS = {
    "CREDIT_CARD": ["https://shop.example.org/pay?card={}&cvc=123"],
    "EMAIL_ADDRESS": ["https://shop.example.org/reset?email={}&lang=en", "[write](mailto:{}?subject=hi)"],
    "IP_ADDRESS": ["https://status.example.org/hosts?ip={}&full=1"],
    "PHONE_NUMBER": ['<a href="tel:{}">call</a>'],
    "SECRET": ["https://api.example.org/v1/items?access_token={}&page=2", "https://x-token:{}@git.example.org/app.git"],
    "US_SSN": ["https://forms.example.org/file?ssn={}&year=2019"],
    "UUID": ["https://app.example.org/users/{}/edit"],
}

# The name of such a value, as a key of JSON or a column of a table.
_NOUNS = {
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

# Each fits any value of its type.
_CONTEXTS: dict[str, list[str]] = {
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


def forms_of(entity: str) -> list[str]:
    """The surface forms in which values of a type are planted, in order."""
    cases = [] if entity in _CASED else ["upper case", "lower case"]
    url = ["URL"] if entity in _URLS else []
    secrets = ["assignment", "key block"] if entity == "SECRET" else []
    return ["sentence", *secrets, *cases, "no-break spaces", *_FORMS, *url]


def dressed(entity: str, form: str, value: str, rng: random.Random) -> tuple[str, str, str]:
    """A value in a surface form: the text before it, the value as it is written, and the text after it.

    Where a form does not change the value (one without letters has no upper case), it is a plain sentence.
    """
    contexts = _CONTEXTS[entity]
    if form == "assignment":
        value, contexts = password(rng), ASSIGNMENTS
    elif form == "key block":
        value, contexts = key_block(rng), ["{}", "Here is my key:\n{}\nKeep it safe.", "$ cat id\n{}\n$ exit"]
    elif form == "upper case":
        value = value.upper()
    elif form == "lower case":
        value = value.lower()
    elif form == "no-break spaces":
        value = value.replace(" ", "\u00a0")
    elif form == "URL":
        value, contexts = value.replace(" ", ""), _URLS[entity]
    elif form in _FORMS:
        contexts = [context.replace("NOUN", _NOUNS[entity]) for context in _FORMS[form]]
    before, after = rng.choice(contexts).format("\0").split("\0")
    return before, value, after
