"""A corpus that grows, changes and shrinks by batches gives the tables that making everything anew gives."""

import json
import random
from pathlib import Path

import dagster as dg
import pytest

from fineline.jobs.definitions import build
from fineline.jobs.runner import make
from fineline.resources.data.curation import label_issues
from fineline.resources.data.ingestion.batches import withdraw
from fineline.resources.data.quality import scoring as quality
from fineline.resources.project import current_project

RECIPE = """\
name: growing
sources:
  - {name: pets, kind: files, path: pets, licence: CC0-1.0, columns: {text: text, label: label}}
  - {name: cars, kind: files, path: cars, licence: CC0-1.0, columns: {text: text, label: label}}
scrub: {ner: spacy, workers: 1, entities: [EMAIL_ADDRESS], canaries_per_entity: 2}
labels: {folds: 2, features: words}
"""
# What is made of all records; splits remember where records were, and so depend on what came before.
MERGED = ["duplicate_clusters", "record_quality", "label_issues", "curated_corpus"]
WORDS = ["the", "engine", "starts", "cat", "sleeps", "on", "warm", "stones", "old", "drivers", "wait", "turn", "paid"]


class Growing:
    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        (folder / "growing.yaml").write_text(RECIPE)

    def write(self, batch: str, seed: int) -> None:
        """Six rows that depend on the seed, of which half do not."""
        path = self.folder / f"{batch}.jsonl"
        path.parent.mkdir(exist_ok=True)
        lines = []
        for number in range(6):
            draw = random.Random(f"{batch} {seed if number % 2 else ''} {number}")
            text = " ".join(draw.choices(WORDS, k=12))
            lines.append(json.dumps({"text": text, "label": ("good", "bad")[number // 3]}))
        path.write_text("\n".join(lines) + "\n")

    def make(self, home: str) -> dict[str, str]:
        """The data versions of the merged tables under a storage root."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FINELINE_HOME", str(self.folder / home))
            recipe = str(self.folder / "growing.yaml")
            project = current_project(recipe)
            make(project, build(recipe), self.instance)
            return {asset: project.storage.require(asset).data_version for asset in MERGED}

    def withdraw(self, home: str, batch: str) -> None:
        """Take a batch out for good."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FINELINE_HOME", str(self.folder / home))
            withdraw(current_project(str(self.folder / "growing.yaml")).storage, [batch])


def test_what_grew_is_what_making_anew_gives(tmp_path, instance, monkeypatch):
    growing = Growing(tmp_path, instance)
    for batch, seed in (("pets/a", 0), ("pets/b", 0), ("cars/a", 0)):
        growing.write(batch, seed)
    growing.make("home")
    scored, judged = [], []
    score, judge = quality.score, label_issues.judge
    monkeypatch.setattr(quality, "score", lambda rows, *more: scored.append(rows.height) or score(rows, *more))
    monkeypatch.setattr(
        label_issues, "judge", lambda rows, *more: judged.append(rows["source"][0]) or judge(rows, *more)
    )
    growing.write("pets/c", 0)  # comes
    growing.write("pets/b", 1)  # changes
    (tmp_path / "pets" / "a.jsonl").unlink()  # goes, and is taken out: by itself a file that goes takes nothing along
    growing.withdraw("home", "pets/a.jsonl")
    grown = growing.make("home")
    assert sum(scored) == 12
    assert judged == ["pets"]
    with dg.DagsterInstance.ephemeral() as other:
        growing.instance = other
        assert grown == growing.make("fresh")
