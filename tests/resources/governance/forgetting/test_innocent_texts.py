"""Ordinary texts that have the letters or words of a name, and name nobody: neither removed nor said to remain."""

import gzip
import itertools
import json
import re

import polars as pl
import pytest

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting import tombstones as stones
from fineline.resources.governance.forgetting.inspection import Inspection, Verdict
from fineline.resources.governance.forgetting.request import Request
from fineline.resources.governance.forgetting.texts import contains_any
from fineline.resources.governance.forgetting.tombstones import Tombstones

NAMES = [
    *("Li Na", "Ann Lee", "Will Smith", "May Day", "Mark Young", "Rose Bush", "Al Gore", "Jo Do", "Ian Long", "Ana Li"),
    *("Bill Long", "Sue Law", "Art Best", "Grace Hope", "Joy Price", "Pat Down", "Bob Short", "Dan Brown", "Ed It"),
    *("Drew Line", "Max Power", "Faith Strong", "Jack Green", "Dawn Early", "Chase Banks", "Frank Talk", "Rob Banks"),
    *("Dean Hall", "Ray Sun", "Christian Young", "Pearl White", "Jean Short"),
]
INNOCENT = [
    "Her personality impressed Carolina, Angelina and Lina.",
    "Mr Lee announced it. Joann Lee and Ann Leeds agreed; Joanne leered.",
    "Smith will come. If you ask Smith, will he stay?",
    "I spoke to Smith. Will it rain, or was it Smith\nWill you ask?",
    "SMITH WILL COME TOMORROW",
    "The day may come. One day, may we meet? Mayday! Dismay days.",
    "The young mark their books; Denmark younger; mark a young tree.",
    "She rose as bush fires spread; a rosebush; arose bushes. The bush rose from the ground.",
    "Gore also bled; a total gorefest; royal gorem.",
    "Do John and Jo doubt it? The dojo door. Do jobs pay?",
    "Asian longitude, Indian longing, a long Iandra, the longian.",
    "A banana list, Montana lied, Diana lives; analysis of finality; Ali Nasser called in a favour.",
    "A long bill; the long, bill-like law; sue lawyers; the law sues.",
    "The best art; start bestowing; sweet pea: short bobbing; down patted; edit it; it edited.",
    "White pearls; hope grace wins; price joyful; brown dance; a line drew near; power maximal.",
    "Banks chase clients and banks rob nobody. Strong faith; green jackets; early dawn; talk frankly.",
    "The hall, deanery and sun rays; young Christian people; short jeans.",
    "from personality import finali; x = QwNaliX8bLinaQ0b1c2d3e4f5a",
]
FOUND = [
    ("Li Na", "Na, Li"),
    ("Li Na", "see LiNa.pdf"),
    ("Li Na", "lina@example.org"),
    ("Li Na", "by @nali"),
    ("Ann Lee", "Lee, Ann"),
    ("Ann Lee", "lee_ann_2024"),
    ("Ann Lee", "Ann B. Lee's"),
    ("Will Smith", "SMITH, WILL"),
    ("Will Smith", "xwillsmith2"),
    ("Will Smith", "SMITH Will"),
    ("Mark Young", "the Mark Youngs"),
    ("Ann McDonald", "McDonald, Ann"),
    ("Ann McDonald", "smith.mcdonald.ann@example.org"),
]


@pytest.mark.outcome(
    "forgetting", "a text has the letters or words of a short name, as Smith will come", "it stays; at most reported"
)
@pytest.mark.parametrize("name", NAMES)
def test_ordinary_texts_stay(name):
    request = Request(request_id="R-17", reason="x", texts=[name])
    found = contains_any(pl.Series(INNOCENT), request.needles)
    assert pl.Series(INNOCENT).filter(found).to_list() == []
    verdicts = Inspection([name]).each(INNOCENT)
    assert [text for text, each in zip(INNOCENT, verdicts, strict=True) if each is Verdict.HOLDS] == []


def test_ordinary_texts_come_in_afterwards(tmp_path):
    key, storage = PseudonymKey(b"k" * 32), Storage(tmp_path / "root")
    stones.add(storage, stones.of_texts(key, "R-17", Request(request_id="R-17", reason="x", texts=NAMES).needles))
    known = Tombstones.load(storage, key).recognise(pl.Series(INNOCENT))
    assert pl.Series(INNOCENT).filter(known).to_list() == []


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_a_short_name_is_found_where_it_is_written_as_one(name, text):
    assert contains_any(pl.Series([text]), Request(request_id="R-17", reason="x", texts=[name]).needles).all()
    assert Inspection([name]).each([text]) == [Verdict.HOLDS]


@pytest.mark.real_data
def test_both_find_the_same_of_real_prompts_and_only_names(shared_data):
    with gzip.open(shared_data / "instruction" / "p3_templates_a.jsonl.gz", "rt") as lines:
        rows = [json.loads(line)["prompt"] for line in itertools.islice(lines, 0, None, 13 * 13)]
    request = Request(request_id="R-17", reason="x", texts=NAMES)
    found = contains_any(pl.Series(rows), request.needles)
    assert [each is Verdict.HOLDS for each in Inspection(NAMES).each(rows)] == found.to_list()
    either = "|".join(
        rf"\b{first}\W+(?:\w\W+)?{last}s?\b|\b{last}\W+{first}\b" for first, last in map(str.split, NAMES)
    )
    assert [row for row in pl.Series(rows).filter(found) if not re.search(either, row, re.I)] == []
