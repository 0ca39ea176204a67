"""Real corpora through the data half: rows in are rows accounted for."""

import gzip
import itertools

import polars as pl
import pytest

from fineline.jobs.definitions import build
from fineline.jobs.runner import make
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.project import current_project

pytestmark = pytest.mark.real_data

# The 600 answers of P3 that are empty without their end mark are 2.3 % of its rows.
RECIPE = """\
name: corpora
maximum_quarantine: 0.05
sources:
  - name: p3
    kind: files
    path: {data}/instruction/p3_templates_a.jsonl.gz
    licence: Apache-2.0
    columns: {{prompt: prompt, completion: completion, group: template}}
    strip_end: ["<|endoftext|>"]
    limit: 400
  - {{name: gsm8k, kind: files, path: "{data}/instruction/gsm8k_train.jsonl.gz", licence: MIT, limit: 400}}
  - {{name: hh, kind: files, path: "{data}/preference/hh_rlhf_harmless_a.jsonl.gz", licence: MIT, limit: 200}}
scrub: {{canaries_per_entity: 4}}
decontaminate: {{against: [{{name: exam, kind: files, path: exam.jsonl, licence: MIT}}]}}
"""


def test_the_ledger_closes_over_instructions_and_preferences(shared_data, tmp_path, monkeypatch, instance):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    recipe = tmp_path / "corpora.yaml"
    recipe.write_text(RECIPE.format(data=shared_data))
    with gzip.open(shared_data / "instruction" / "gsm8k_train.jsonl.gz", "rt") as lines:
        (tmp_path / "exam.jsonl").write_text("".join(itertools.islice(lines, 3)))
    project = current_project(str(recipe))
    make(project, build(str(recipe)), instance)
    ledger = scan_table(project.storage, "record_ledger").collect()
    counts = dict(ledger.group_by("source").len().iter_rows())
    assert counts == {"p3": 400, "gsm8k": 400, "hh": 200}
    kept = ledger.filter(pl.col("fate") == "kept")
    assert kept.height > 500
    assert set(kept["place"]) == {"splits/train", "splits/validation", "splits/test"}
    repeats = ledger.filter(rule="contaminated")
    assert repeats.select("source", "detail").rows() == [("gsm8k", "repeats exam")] * 3
    curated = scan_table(project.storage, "curated_corpus").collect()
    assert curated.height == kept.height
    assert set(curated.filter(source="hh")["kind"].cast(pl.String)) == {"preference"}
