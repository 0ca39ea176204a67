import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record, records

from fineline.data_contracts.records import Record, ScrubbedRecord
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.pii.finder import Finder
from fineline.resources.data.pii.segments import SEGMENT_CHARACTERS, cut
from fineline.resources.data.scrubbing.scrubber import Scrubber, slices

EMAIL = "greta.holm@example.org"
IBAN = "DE74291417776317066907"
KEY = PseudonymKey(b"a key for tests, 32 bytes of it.")


@pytest.fixture(scope="module")
def scrubber() -> Iterator[Scrubber]:
    with Scrubber(Scrub(workers=1), key=KEY) as scrubber:
        yield scrubber


def clean(scrubber: Scrubber, *texts: str) -> list[str]:
    """Texts, scrubbed as the completions of records."""
    scrubbed = scrubber.scrub(records(*map(record, texts))).records
    return [messages[0]["content"] for messages in scrubbed["completion"].to_list()]


def test_every_text_of_a_record_is_scrubbed(scrubber: Scrubber) -> None:
    row = record(
        f"Write to {EMAIL}.",
        question=f"Is {IBAN} mine?",
        rejected=[{"role": "assistant", "content": f"Ask {EMAIL}, or {EMAIL}."}],
        tools=json.dumps([{"name": "mail", "parameters": {"to": {"default": EMAIL}}}]),
        metadata=json.dumps({"path": "a/b", "people": [{"mail": EMAIL, "age": 41}]}),
    )
    scrubbed = scrubber.scrub(records({**row, "kind": "preference"})).records.row(0, named=True)
    assert scrubbed["prompt"] == [{"role": "user", "content": "Is <IBAN_CODE> mine?"}]
    assert scrubbed["completion"] == [{"role": "assistant", "content": "Write to <EMAIL_ADDRESS>."}]
    assert scrubbed["rejected"][0]["content"] == "Ask <EMAIL_ADDRESS>, or <EMAIL_ADDRESS>."
    assert json.loads(scrubbed["tools"])[0]["parameters"]["to"]["default"] == "<EMAIL_ADDRESS>"
    assert json.loads(scrubbed["metadata"]) == {
        "path": "a/b",
        "people": [{"mail": "<EMAIL_ADDRESS>", "age": 41}],
    }
    assert scrubbed["replacements"] == 6
    assert scrubbed["record_id"] == row["record_id"]


def test_a_group_that_holds_an_address_becomes_a_hash_that_keeps_groups_together(scrubber: Scrubber) -> None:
    rows = [
        record("One.", group=EMAIL, label="billing"),
        record("Two.", group=EMAIL, label=f"from {EMAIL}"),
        record("Three.", group="conversation-7", label="Greta Holm"),
    ]
    scrubbed = scrubber.scrub(records(*rows)).records
    first, second, third = scrubbed["group"].to_list()
    assert re.fullmatch("group-[0-9a-f]{16}", first)
    assert first == second
    assert third == "conversation-7"
    assert EMAIL not in scrubbed["label"][1]
    assert [scrubbed["label"][0], scrubbed["label"][2]] == ["billing", "Greta Holm"]


def test_keys_of_metadata_and_everything_that_is_not_text_stay_byte_for_byte(scrubber: Scrubber) -> None:
    metadata = f'{{ "mail":1.50, "b" : [null,true , 1e400], "c":"\\ud800 caf\\u00e9", "d":"{EMAIL}"}}'
    scrubbed = scrubber.scrub(records(record(metadata=metadata))).records["metadata"][0]
    assert scrubbed == metadata.removesuffix(f'{EMAIL}"}}') + '<EMAIL_ADDRESS>"}'


def test_a_key_of_metadata_that_is_an_address_becomes_a_hash(scrubber: Scrubber) -> None:
    rows = [record(text, metadata=json.dumps({EMAIL: {"votes": 3}, "b@example.org": 1})) for text in ("One.", "Two.")]
    scrubbed = scrubber.scrub(records(*rows)).records
    first, second = (json.loads(metadata) for metadata in scrubbed["metadata"])
    assert first == second
    assert list(first.values()) == [{"votes": 3}, 1]
    assert all(re.fullmatch("key-[0-9a-f]{16}", key) for key in first)
    assert scrubbed["replacements"].to_list() == [2, 2]


def test_a_tool_call_in_a_message_stays_valid_and_is_scrubbed_by_its_values(scrubber: Scrubber) -> None:
    call = {"name": "mail", "arguments": {"to": EMAIL, "text": f'Say "hi" to\n{EMAIL}', "copies": 2, EMAIL: []}}
    row = record(json.dumps([call], indent=1), question="Send it.")
    scrubbed = scrubber.scrub(records(row)).records["completion"][0][0]["content"]
    (kept,) = json.loads(scrubbed)
    assert kept["arguments"].pop("to") == "<EMAIL_ADDRESS>"
    assert kept["arguments"].pop("text") == 'Say "hi" to\n<EMAIL_ADDRESS>'
    assert kept["arguments"].pop("copies") == 2
    assert EMAIL not in scrubbed


def test_the_key_of_a_value_tells_what_it_is(scrubber: Scrubber) -> None:
    password = "vX8kqp2mLw"
    metadata = json.dumps({"db": {"password": password}, "path": password})
    scrubbed = json.loads(scrubber.scrub(records(record(metadata=metadata))).records["metadata"][0])
    assert scrubbed == {"db": {"password": "<SECRET>"}, "path": password}


@pytest.mark.parametrize("secret", ["app:kX9mQ2", "bob:kX9mQ2zz", "ghp_aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5"])
def test_of_a_url_with_a_password_only_the_password_is_replaced(scrubber: Scrubber, secret: str) -> None:
    user, colon, _ = secret.rpartition(":")
    url = "clone https://{}@git.example.org:8443/team/app.git now"
    assert clean(scrubber, url.format(secret)) == [url.format(f"{user}{colon}<SECRET>")]


def test_the_name_of_a_tool_is_no_person(scrubber: Scrubber) -> None:
    tools = json.dumps([{"name": "Browser", "description": "Opens a page."}, {"name": "Wikipedia"}])
    assert scrubber.scrub(records(record(tools=tools))).records["tools"][0] == tools


def test_a_person_is_the_same_invented_one_in_every_record_of_every_run_under_one_key() -> None:
    section = Scrub(workers=1, entities=["PERSON", "EMAIL_ADDRESS"], replacement={"PERSON": "pseudonym"})
    texts = [f"I spoke with Margaret Thompson yesterday. Write to {EMAIL}.", "The patient, Margaret Thompson, left."]
    metadata = json.dumps({"author": "Margaret Thompson"})
    made: list[list[str]] = []
    for key in (KEY, KEY, PseudonymKey(b"another key")):
        with Scrubber(section, key=key) as pseudonymising:
            scrubbed = pseudonymising.scrub(records(*(record(text, metadata=metadata, label=EMAIL) for text in texts)))
        rows = scrubbed.records.rows(named=True)
        made.append([row["completion"][0]["content"] for row in rows] + [rows[0]["metadata"], rows[0]["label"]])
    first, again, other = made
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))
    name = json.loads(first[2])["author"]
    assert first[0] == f"I spoke with {name} yesterday. Write to <EMAIL_ADDRESS>."
    assert first[1] == f"The patient, {name}, left."
    assert not {"Margaret", "Thompson"} & set(name.split())


def test_slices_of_a_frame_join_to_it_and_each_is_short() -> None:
    frame = records(*(record("word " * (number % 7)) for number in range(50)), record("long " * 100))
    parts = list(slices(frame, 100))
    assert pl.concat(parts).equals(frame)
    assert len(parts) > 10
    assert [part.height for part in slices(frame, 10**6)] == [51]


def test_a_frame_in_slices_is_scrubbed_as_a_whole_one(scrubber: Scrubber, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = records(*(record(f"{number}: Jane Doe, u{number}@example.org.", group=EMAIL) for number in range(12)))
    whole = scrubber.scrub(frame)
    monkeypatch.setattr("fineline.resources.data.scrubbing.scrubber._SLICE_BYTES", 200)
    sliced = scrubber.scrub(frame)
    assert sliced.records.equals(whole.records)
    assert sliced.entities.equals(whole.entities)


def test_rows_keep_their_order_and_number(scrubber: Scrubber) -> None:
    rows = [record(f"Row {number}, write to u{number % 3}@example.org.") for number in range(20)]
    frame = records(*rows, rows[0])
    scrubbed = scrubber.scrub(frame).records
    assert scrubbed["record_id"].to_list() == frame["record_id"].to_list()
    assert scrubbed.schema == ScrubbedRecord.create_empty().schema
    assert scrubbed["replacements"].to_list() == [1] * 21


def test_replaced_spans_are_counted_by_source_and_entity(scrubber: Scrubber) -> None:
    frame = records(
        record(f"{EMAIL} and {EMAIL}", question="Who?", source="b"),
        record(f"Pay to {IBAN}.", question=f"Ask {EMAIL}", source="b"),
        record(f"Mail {EMAIL}.", question="Who?", source="a"),
        record("Nothing here.", question="Who?", source="c"),
    )
    entities = scrubber.scrub(frame).entities
    assert entities.rows() == [
        ("a", "EMAIL_ADDRESS", 1, 1),
        ("b", "EMAIL_ADDRESS", 3, 2),
        ("b", "IBAN_CODE", 1, 1),
    ]
    assert entities.columns == ["source", "entity", "spans", "records"]


def test_an_empty_frame_comes_back_empty_with_all_columns(scrubber: Scrubber) -> None:
    scrubbed = scrubber.scrub(records())
    assert scrubbed.records.is_empty()
    assert scrubbed.records.schema == ScrubbedRecord.create_empty().schema
    assert scrubbed.entities.columns == ["source", "entity", "spans", "records"]


def test_scrubbed_records_keep_their_contract(scrubber: Scrubber) -> None:
    frame = records(record(f"Write to {EMAIL}."), record("Hello there.", kind="text", prompt=[]))
    ScrubbedRecord.validate(scrubber.scrub(Record.validate(frame)).records)


def test_a_scrubbed_text_stays_as_it_is(scrubber: Scrubber) -> None:
    (once,) = clean(scrubber, f"Jane Doe (+1 212 555 0199) wrote to {EMAIL} from 8.8.4.4.")
    assert clean(scrubber, once) == [once]


@pytest.fixture(scope="module")
def address_scrubber() -> Iterator[Scrubber]:
    with Scrubber(Scrub(entities=["EMAIL_ADDRESS"], workers=1)) as scrubber:
        yield scrubber


@settings(max_examples=60, deadline=None)
@given(before=st.text(max_size=30), after=st.text(max_size=30))
def test_text_around_an_address_stays_byte_for_byte(address_scrubber: Scrubber, before: str, after: str) -> None:
    text = f"{before}\n{EMAIL}\n{after}"
    assert clean(address_scrubber, text) == [f"{before}\n<EMAIL_ADDRESS>\n{after}"]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "plain words only", "x = [1, 2]\r\n\ttabs\u200b", "é" * 50, "A title\n=======\n"]
)
def test_a_text_without_findings_is_returned_as_it_is(scrubber: Scrubber, text: str) -> None:
    assert clean(scrubber, text) == [text]


def test_a_long_text_is_scrubbed_in_pieces(scrubber: Scrubber) -> None:
    line = f"A line of words with {EMAIL} in it, and some more words to fill it.\n"
    text = line * (3 * SEGMENT_CHARACTERS // len(line))
    assert len(cut(text)) > 2
    assert clean(scrubber, text) == [text.replace(EMAIL, "<EMAIL_ADDRESS>")]


def test_a_passage_that_many_prompts_share_is_analysed_once(
    scrubber: Scrubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    passage = f"Write to {EMAIL} for what is sold by the house. " + "The passage goes on for a while. " * 20 + "\n"
    rows = [record("Yes.", question=f"Question {number}?\n{passage}", kind="chat") for number in range(5)]
    seen: list[str] = []
    find = Finder.find
    monkeypatch.setattr(Finder, "find", lambda self, texts, **more: seen.extend(texts) or find(self, texts, **more))
    scrubbed = scrubber.scrub(records(*rows)).records
    assert sum(EMAIL in segment for segment in seen) == 1
    assert len(seen) == len(set(seen))
    assert scrubbed["replacements"].to_list() == [1] * 5


@given(st.text(alphabet="ab \n", max_size=200), st.integers(5, 20))
def test_pieces_join_to_the_text_and_are_short(text: str, limit: int) -> None:
    pieces = cut(text, limit)
    assert "".join(pieces) == text
    assert max(map(len, pieces), default=0) <= limit


def in_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_finding_imports_no_torch_and_leaves_it_to_be_imported() -> None:
    code = (
        "import sys; from fineline.resources.core.recipe.scrubbing import Scrub\n"
        "from fineline.resources.data.pii.detector import Detector\n"
        "found, _ = Detector(Scrub()).detect(['Jane Doe'])\n"
        "print(found['Jane Doe'][0].entity, [name in sys.modules for name in ('torch', 'transformers')])\n"
        "import importlib.util; print(importlib.util.find_spec('torch') is not None)"
    )
    assert in_new_process(code) == "PERSON [False, False]\nTrue"


def test_presidio_still_imports_what_finding_leaves_out() -> None:
    code = "import presidio_analyzer, sys; print('torch' in sys.modules, 'transformers' in sys.modules)"
    assert in_new_process(code) == "True True"


def test_importing_the_scrubber_imports_no_engine() -> None:
    code = (
        "import fineline.resources.data.scrubbing.canaries, sys\n"
        "print({'spacy', 'presidio_analyzer'} & set(sys.modules))"
    )
    assert in_new_process(code) == "set()"


def test_an_unknown_entity_type_is_refused_with_the_supported_ones() -> None:
    with pytest.raises(ScrubError, match=r"SHOE_SIZE.*Supported: .*EMAIL_ADDRESS.*PERSON"):
        clean(Scrubber(Scrub(entities=["PERSON", "SHOE_SIZE"])), "text")


def test_a_model_that_is_not_installed_is_named_with_how_to_install_it() -> None:
    with pytest.raises(ScrubError, match="pip install --no-deps en-core-web-none"):
        clean(Scrubber(Scrub(spacy_model="en_core_web_none")), "text")


def test_an_entity_type_that_the_recipe_leaves_out_is_left_standing() -> None:
    text = f"Jane Doe wrote to {EMAIL}."
    assert clean(Scrubber(Scrub(entities=["PERSON"], workers=1)), text) == [f"<PERSON> wrote to {EMAIL}."]


def test_the_network_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLDEXTRACT_CACHE", str(tmp_path))
    code = (
        "import socket, sys; from fineline.resources.core.recipe.scrubbing import Scrub; "
        "from fineline.resources.data.pii.detector import Detector\n"
        "asked = []\n"
        "def refuse(host, *_, **__): asked.append(host); raise OSError('no network')\n"
        "socket.getaddrinfo = refuse\n"
        f"found, _ = Detector(Scrub()).detect(['Ask {EMAIL}'])\n"
        f"print(found['Ask {EMAIL}'][0].entity, asked)"
    )
    assert in_new_process(code) == "EMAIL_ADDRESS []"


def test_no_log_line_holds_any_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = f"Jane Doe, {EMAIL}, GB82 WEST 1234 5698 7654 3G."
    assert EMAIL not in clean(Scrubber(Scrub(workers=1)), text)[0]
    assert not [word for word in ("Jane", EMAIL, "WEST") if word in caplog.text]


def test_classes_and_commands_of_documentation_are_no_persons(scrubber: Scrubber) -> None:
    text = (
        "Convert the samples. Returns False when a ThreadPoolExecutor (e.g. a Mock()) is closed.\n"
        ">>> import queue\n>>> queue.Queue(maxsize=3)\nNew in version 1.2.3.4. Listens on 127.0.0.1."
    )
    assert "<" not in clean(scrubber, text)[0]


def test_a_maintainer_of_a_readme_is_a_person(scrubber: Scrubber) -> None:
    assert clean(scrubber, "By Greta Holm <greta@holm.org>\n\nMaintained by Per Lund.") == [
        "By <PERSON> <<EMAIL_ADDRESS>>\n\nMaintained by <PERSON>."
    ]


@pytest.mark.real_data
def test_most_people_and_all_cards_of_an_annotated_corpus_are_found(scrubber: Scrubber, shared_data) -> None:
    rows = pl.read_json(shared_data / "pii" / "presidio_generated_large.json.gz")
    texts = rows["full_text"].head(400).to_list()
    spans = rows["spans"].head(400).to_list()
    cleaned = clean(scrubber, *texts)
    missed: dict[str, list[bool]] = {}
    for text, found in zip(cleaned, spans, strict=True):
        for span in found:
            value = span["entity_value"]
            if span["entity_type"] != "PERSON" or (value.istitle() and len(value.split()) > 1):
                missed.setdefault(span["entity_type"], []).append(value in text)
    assert not any(missed["CREDIT_CARD"])
    assert sum(missed["PERSON"]) / len(missed["PERSON"]) < 0.15
