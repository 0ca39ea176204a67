"""Texts made of what scrubbing knows and of noise: planted values go, JSON stays JSON, everything ends in a record."""

import json
from functools import cache

from fuzz.throwing import TEXT, VALUES, Case, Target
from hypothesis import strategies as st
from support.records import record, records

from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.scrubbing.scrubber import Scrubber

EMAIL, IBAN = "greta.holm@example.org", "DE74291417776317066907"
KNOWN = [
    *(EMAIL, IBAN, f"Write to {EMAIL}.", "12 Main St, Springfield", "+49 30 901820", "Ms. Greta Holm", "10.0.0.1"),
    *("password = 'hunter2'", "AKIAIOSFODNN7EXAMPLE", "-----BEGIN RSA PRIVATE KEY-----", "https://a:b@c.example/d?e=f"),
    *(
        '```json\n{"a": 1}\n```',
        "```",
        "{",
        "]",
        '{"to": "x"}',
        "<PERSON>",
        "\n\n",
        "A" * 10,
        "1" * 12,
        "张伟",
        "e\u0301",
    ),
]
PARTS = st.lists(st.sampled_from(KNOWN) | TEXT.map(lambda text: text.encode(errors="replace").decode()), max_size=8)
TEXTS = PARTS.map(" ".join) | PARTS.map("\n".join) | VALUES.map(json.dumps)


@cache
def scrubber():
    return Scrubber(Scrub(workers=1, ner="spacy"), key=PseudonymKey(b"a key for tests, 32 bytes of it."))


def check(case):
    text = case.content.decode()
    text = text if text.strip() else "?"
    row = record(f"{text}\n\n{EMAIL}\n", question=text, metadata=json.dumps({"note": text, "to": [f" {EMAIL} "]}))
    scrubbed = scrubber().scrub(records(row)).records
    assert ScrubbedRecord.is_valid(scrubbed)
    (clean,) = scrubbed.to_dicts()
    assert EMAIL not in json.dumps(clean)
    assert json.loads(clean["metadata"])["to"] == [" <EMAIL_ADDRESS> "]
    assert [message["role"] for message in clean["prompt"] + clean["completion"]] == ["user", "assistant"]
    assert clean["record_id"] == row["record_id"]
    if is_json(text):
        assert is_json(clean["prompt"][0]["content"])


def is_json(text):
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


RECORDS = Target(TEXTS.map(lambda text: Case("a.txt", text.encode())), check, 25)
