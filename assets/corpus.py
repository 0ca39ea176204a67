"""Batches as they were read, and the same batches without personal data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.shown import frame_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.data_contracts.messages import MESSAGE_COLUMNS, content_length
from fineline.resources.core.compute.engine import worthwhile
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.storage.faults import is_transient
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.tables import StoredPart
from fineline.resources.data.ingestion.version import VERSION as INGESTION_VERSION
from fineline.resources.data.pii.version import VERSION as PII_VERSION
from fineline.resources.data.scrubbing.version import VERSION as SCRUBBING_VERSION

if TYPE_CHECKING:
    from fineline.resources.data.scrubbing.canaries import CanaryReport
    from fineline.resources.data.scrubbing.units import ScrubbedRows


@asset(catalog.RAW_CORPUS, version=INGESTION_VERSION, kinds={"polars", "parquet"})
def raw_corpus(run: TableRun, allowed_licences: list[str] | None) -> None:
    """Every record of a batch as it was read, in canonical form.

    Guarantees: each row read is a record, a repeat of one, forgotten on request (only a keyed hash of it is
    left), or in quarantine with the rule that it broke; a record_id is a hash of the content as it was read, with
    its source, the same on every run and machine. Texts are in normal form, and what that changed is counted. A
    batch that cannot be read, or of which too many rows are in quarantine, keeps no other back: it is refused.
    """
    from fineline.resources.data.formats.rows import PassingError, SourceError
    from fineline.resources.data.ingestion.ingest import ingest
    from fineline.resources.data.sources.reading import read_apart
    from fineline.resources.governance.forgetting.names import blank_forgotten_names
    from fineline.resources.governance.forgetting.tombstones import Tombstones

    forgotten = Tombstones.load(run.storage, run.pseudonym_key)
    if forgotten is not None:
        blank_forgotten_names(run.storage, forgotten)
    unread: list[SourceError] = []
    refused: dict[str, str] = {}
    accepted: list[str] = []
    for batch in run.stale:
        try:
            source, arrived = run.source(batch)
            rows = read_apart(source, batch, arrived)
            progress = run.progress(f"{batch}: rows read")
            parts = ingest(rows, source.name, batch, allowed_licences, progress, forgotten)
            counts = run.write(parts, batch, shows=_outline, keeps_good=True).manifest
        except SourceError as error:
            unread.append(error)
            if not isinstance(error, PassingError) and not is_transient(error):
                refused[batch] = str(error)
        else:
            if counts.failed_checks:
                refused[batch] = _why_refused(run, counts)
            else:
                accepted.append(batch)
            run.log.info(f"{batch}: {counts.rows_in or 0:,} rows read, {counts.rows or 0:,} records")
    run.refuse(refused, accepted)
    if unread:
        reasons = dict.fromkeys([*map(str, unread), *refused.values()])
        raise SourceError("\n".join(reasons)) from max(unread, key=is_transient)


@asset(
    catalog.SCRUBBED_CORPUS,
    version=f"1.{SCRUBBING_VERSION}.{PII_VERSION}",
    kinds={"polars", "presidio"},
    checks={
        "personal_data_is_replaced": "Planted values of every entity type went through the same scrubber; the "
        "share that it replaced (recall) reaches scrub.minimum_recall."
    },
)
def scrubbed_corpus(run: TableRun, scrub: Scrub) -> None:
    """The records of a batch with personal data and secrets replaced by placeholders or pseudonyms.

    Guarantees: prompts, completions, rejected answers, tools and metadata are all scrubbed; what the scrubber
    misses is measured with planted values at each run, and too much of it blocks all that follows.
    """
    from fineline.resources.data.scrubbing.units import Scrubbing, measure, scrub_batches, seconds

    scrubbing = Scrubbing(run.storage, scrub, run.pseudonym_key)
    raw = [run.storage.require(catalog.RAW_CORPUS.name, batch) for batch in run.stale]
    with closing(worthwhile(run.engine, seconds(scrubbing, raw))) as engine:
        _check(run, scrub, measure(engine, scrubbing, hosts=raw[0]))
        for batch, scrubbed in scrub_batches(engine, scrubbing, raw, run.progress("records scrubbed")):
            counted: list[pl.DataFrame] = []
            run.write(_parts(scrubbed, counted), batch, partial(_replaced, batch, counted))


def _why_refused(run: TableRun, counts: Manifest) -> str:
    """How many rows of a batch broke the contract, and how the first did."""
    first = run.storage.scan(counts, "quarantine").select("rule", "detail").head(1).collect().rows()
    why = "".join(f", the first by {rule} ({detail})" for rule, detail in first)
    share = f"{counts.quarantined:,} of {counts.rows_in or 0:,} rows are in quarantine"
    return f"{counts.batch}: {share}{why}; mend the file, or raise maximum_quarantine."


def _check(run: TableRun, scrub: Scrub, report: CanaryReport) -> None:
    run.check(
        "personal_data_is_replaced",
        report.recall >= scrub.minimum_recall,
        f"{report.recall:.1%} of the planted values were replaced; at least {scrub.minimum_recall:.1%} must be",
        {
            "recall": report.recall,
            "by entity": frame_table(report.by_entity),
            "by surface form": frame_table(report.by_form),
            "entity with the lowest recall": report.worst,
            "entities with survivors": ", ".join(report.survivors) or "none",
        },
    )


def _outline(records: pl.DataFrame) -> pl.DataFrame:
    """The shape of raw records, without any of their text: personal data is still in it."""
    lengths = {name: content_length(name) for name in MESSAGE_COLUMNS}
    return records.select("record_id", "kind", **lengths)


def _parts(scrubbed: Iterable[ScrubbedRows], counted: list[pl.DataFrame]) -> Iterator[StoredPart]:
    """The parts of a batch; what was replaced in them goes to ``counted``."""
    for rows in scrubbed:
        counted.append(rows.entities)
        yield rows.part


def _replaced(batch: str, counted: list[pl.DataFrame]) -> dict[str, Any]:
    """What was replaced in a batch: spans and records by source and entity type."""
    entities = pl.concat(counted).group_by("source", "entity").sum().sort("source", "entity")
    spans = entities.group_by("entity").agg(pl.col("spans").sum()).sort("spans", "entity", descending=True)
    counts = {str(entity): float(count) for entity, count in spans.iter_rows()}
    plot = bar_chart(f"Replaced spans in {batch}", counts, "spans") if counts else "nothing was replaced"
    return {
        "entities": dg.MetadataValue.md(plot),
        "entities by source": frame_table(entities),
    }
