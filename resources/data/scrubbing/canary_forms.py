"""The surface forms of canaries: how a value is written, and the text around it.

They were written once, before anything was measured with them.
"""

import random

from fineline.resources.data.scrubbing.canary_secrets import ASSIGNMENTS, key_block, password
from fineline.resources.data.scrubbing.canary_values import CONTEXTS, NOUNS

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
    contexts = CONTEXTS[entity]
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
        contexts = [context.replace("NOUN", NOUNS[entity]) for context in _FORMS[form]]
    before, after = rng.choice(contexts).format("\0").split("\0")
    return before, value, after
