"""Requests with odd parts, each taken or refused in words that show nothing; a name in many forms, each found."""

import json
import tempfile
from pathlib import Path

import polars as pl
from fuzz.throwing import SECRET, Case, Target, damaged, edited, shows_nothing
from hypothesis import strategies as st

from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting import request
from fineline.resources.governance.forgetting.texts import blanked, contains_any, fold

WHOLE = {"request_id": "R-1", "reason": "asked", "texts": [SECRET], "records": [], "source": None, "batch": None}
KINDS = [WHOLE, {**WHOLE, "texts": [], "records": ["0" * 32]}, {**WHOLE, "texts": [], "source": SECRET}]


def check_request(case):
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder))
        storage.root.put(request.key_of("R-1"), case.content, private=True)
        try:
            taken = request.load(storage, "R-1")
        except request.ForgettingError as error:
            shows_nothing(error)
        else:
            assert taken.request_id == "R-1"
            assert taken.asked_by in ("record", "text", "source", "batch")


FORMS = {
    "plain": str,
    "upper": str.upper,
    "lower": str.lower,
    "lines": lambda text: text.replace(" ", "\n\t"),
    "marked": lambda text: "**" + text.replace(" ", "** _") + "_",
    "wide": lambda text: "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text),
    "quoted": lambda text: json.dumps({"a": f"\u2028{text}"}),
    "escaped": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
}


def check_text(case):
    """A name that stands in a text, in a form, is found there, and is not left in what remains of it."""
    form, before, after = json.loads(case.content)
    text = f"{before} {FORMS[form](SECRET)} {after}"
    needles = fold([SECRET])
    assert contains_any(pl.Series([text]), needles).all()
    rest = blanked({"a": [text], "b": {"c": text}}, needles)
    assert not contains_any(pl.Series([rest["a"][0], rest["b"]["c"]]), needles).any()


AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
REQUESTS = Target(
    damaged(st.sampled_from(KINDS).flatmap(edited).map(lambda value: json.dumps(value).encode())).map(
        lambda content: Case("a.json", content)
    ),
    check_request,
    80,
)
TEXTS = Target(
    st.tuples(st.sampled_from([*FORMS]), AROUND, AROUND).map(lambda parts: Case("a.json", json.dumps(parts).encode())),
    check_text,
    80,
)
