"""Real rows for the benchmarks, as canonical records; they are read in place and never copied."""

import os
from pathlib import Path

import polars as pl

from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.ingestion.ingest import ingest
from fineline.resources.data.sources.kinds import connector


def data() -> Path:
    """The folder of real corpora.

    Raises:
        FileNotFoundError: it is not there; the message says what names it.
    """
    default = Path(__file__).resolve().parent.parent.parent / "shared"
    folder = Path(os.environ.get("FINELINE_SHARED", default)) / "data"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"Real corpora are not at {folder}; set FINELINE_SHARED to the folder that holds data/."
        )
    return folder


def p3(limit: int | None = None) -> pl.DataFrame:
    """Records of 26,438 prompts and completions of P3, about one kilobyte each; the group is the template."""
    path = data() / "instruction" / "p3_templates_a.jsonl.gz"
    columns = Columns(prompt="prompt", completion="completion", group="template")
    source = Files(
        name="p3",
        kind="files",
        path=path,
        licence="Apache-2.0",
        columns=columns,
        strip_end=["<|endoftext|>"],
        limit=limit,
    )
    kind = connector(source)
    (batch,) = kind.batches(source)
    key = f"{source.name}/{batch.name}"
    return pl.concat([part.frame for part in ingest(kind.read(source, key, batch), source.name, key)])
