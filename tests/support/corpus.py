"""A small corpus with everything in it: duplicates, personal data, bad rows, groups, labels."""

import json
from pathlib import Path

COLOURS = ["red", "green", "blue", "black", "white", "brown", "yellow", "violet"]
THINGS = ["door", "table", "house", "stone", "flower", "river", "cloud", "bottle", "window", "garden"]
TOKEN = "ghp_aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5"
PLACES = ["in the town", "by the sea", "on the hill", "at the mill", "near the church"]


def write_corpus(folder: Path) -> None:
    """Two batches of questions in ``folder``, and ten plain texts in the folder ``notes`` beside it."""
    folder.mkdir(parents=True)
    rows = []
    for thing in THINGS:
        for colour in COLOURS:
            for place in PLACES:
                rows.append(
                    {
                        # Short of the 13 words that a training record may not share with a held-out prompt.
                        "question": f"What is the colour of the {colour} {thing} {place}?",
                        "answer": f"The {thing} {place} is {colour}.",
                        "kind": thing,
                        "topic": f"{thing} {colour}",
                    }
                )
    rows.append(rows[0])
    # At the very beginning, where the sample in an asset's metadata is taken from.
    personal = f"Ask Margaret Thompson, margaret.thompson@example.org, about the door. The token is {TOKEN}."
    rows.insert(0, {**rows[1], "answer": personal})
    rows.append({**rows[3], "answer": " "})
    half = len(rows) // 2
    for name, part in (("first", rows[:half]), ("second", rows[half:])):
        lines = [json.dumps(row) for row in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder.parent / "notes").mkdir()
    for n, thing in enumerate(THINGS):
        when = f"it was {COLOURS[n % 8]} for {n + 2} years until somebody painted it"
        note = f"# The {thing}\n\nA {thing} stands {PLACES[n % 5]}, and {when}."
        (folder.parent / "notes" / f"note-{n}.md").write_text(note, encoding="utf-8")
    with (folder / "second.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"question": "half a line of margaret.thompson@example.org')


SOURCES = """\
name: small
maximum_quarantine: 0.05
sources:
  - name: colours
    kind: files
    path: corpus
    licence: CC0-1.0
    columns: {prompt: question, completion: answer, label: kind, group: topic}
  - {name: notes, kind: files, path: notes, licence: CC0-1.0}
"""
CURATION = """\
labels: {folds: 2, features: words}
deduplicate: {threshold: 0.9}
split: {validation: 0.1, test: 0.2, stratify_by: [source]}
"""
EVALUATION = """\
evaluation: {loss_rows: 24, generated_rows: 2, new_tokens: 4, bootstrap_samples: 500}
promotion: {maximum_slice_regression: 5.0}
"""
OTHER_SECTIONS = """\
scrub: {{workers: 1, canaries_per_entity: 4, minimum_recall: 0.5}}
datasets:
  sft: {{maximum_tokens: 200, train_rows: 120, validation_rows: 8, test_rows: 24}}
  preference:
    maximum_tokens: 200
    sample_rejections: {{train_rows: 8, validation_rows: 2, test_rows: 2, new_tokens: 4}}
  pretraining: {{maximum_tokens: 200}}
base_model: {{kind: folder, path: model}}
training:
  dtype: float32
  threads: 1
  stages:
    - {{method: pretraining, steps: 2, batch_size: 2, learning_rate: 1.0e-5, maximum_tokens: 200}}
    - method: sft
      steps: {sft_steps}
      batch_size: 16
      learning_rate: 0.01
      maximum_tokens: 200
      lora: {{rank: 16, alpha: 64}}
    - {{method: dpo, steps: 2, batch_size: 2, learning_rate: 1.0e-6, maximum_tokens: 200}}
retrain: {{}}
"""


def write_recipe(folder: Path, *, sft_steps: int = 45) -> Path:
    """A recipe that takes the corpus through the whole graph with the model in ``folder/model``."""
    path = folder / "small.yaml"
    path.write_text(SOURCES + CURATION + OTHER_SECTIONS.format(sft_steps=sft_steps) + EVALUATION, encoding="utf-8")
    return path
