"""Copies of records, changed as copies are in corpora: edited, reordered, cut off, put into another template."""

import hashlib
import random
from collections.abc import Callable

import polars as pl

TEMPLATES = (
    ("Read the passage and answer.\n\n{}\n\nYour answer:", "Question for you: {} Please reply."),
    ("Please help me with this task: {}", "Here is something to solve.\n{}\nAnswer in your own words."),
)


def seeded_duplicates(originals: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The originals and one changed copy of each, and for each record_id its ``origin`` and ``kind_of_change``.

    The kinds take turns. An answer stays as it is but for small edits: with another it would be no duplicate.
    """
    kinds: list[tuple[str, Callable[[str, random.Random], str]]] = [
        ("case_and_space", lambda text, _: "  ".join(text.upper().split(" "))),
        ("edits", _edit),
        ("reordering", _reorder),
        ("truncation", _truncate),
        ("template", _template),
    ]
    draw = random.Random(0)
    copies, names = [], []
    for number, row in enumerate(originals.iter_rows(named=True)):
        kind, change = kinds[number % len(kinds)]
        record_id = hashlib.blake2b(f"{row['record_id']}{kind}".encode(), digest_size=16).hexdigest()
        prompt = [{**row["prompt"][0], "content": change(row["prompt"][0]["content"], draw)}]
        copies.append({**row, "record_id": record_id, "prompt": prompt})
        names += [(row["record_id"], row["record_id"], "original"), (record_id, row["record_id"], kind)]
    origin = pl.DataFrame(names, schema=["record_id", "origin", "kind_of_change"], orient="row")
    return pl.concat([originals, pl.DataFrame(copies, schema=originals.schema)]), origin


def _edit(text: str, draw: random.Random) -> str:
    """One word of a hundred replaced."""
    words = text.split(" ")
    for _ in range(max(1, len(words) // 100)):
        words[draw.randrange(len(words))] = "edited"
    return " ".join(words)


def _reorder(text: str, draw: random.Random) -> str:
    """The first sentence put last."""
    first, dot, rest = text.partition(". ")
    return f"{rest} {first}." if dot else text


def _truncate(text: str, draw: random.Random) -> str:
    """The last tenth cut off."""
    words = text.split(" ")
    return " ".join(words[: max(1, len(words) - len(words) // 10)])


def _template(text: str, draw: random.Random) -> str:
    """Other words around it."""
    return draw.choice(draw.choice(TEMPLATES)).format(text)
