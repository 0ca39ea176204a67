"""Batches as they came in, and the same batches without personal data."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.arrivals import arrivals
from fineline.assets.execution.definition import ALL_MISSING_IN_ONE_STEP, BATCHES, OWNERS, checks, contract
from fineline.assets.execution.inputs import made_when_changed
from fineline.assets.execution.tables import TableStage
from fineline.data_contracts.records import Record, ScrubbedRecord
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.presentation.progress import every_few_seconds
from fineline.resources.core.presentation.tables import frame_table, sample_table
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.data.pii.version import VERSION as PII_VERSION
from fineline.resources.data.scrubbing.scrubber import Scrubber
from fineline.resources.data.scrubbing.version import VERSION as SCRUBBING_VERSION
from fineline.resources.project import Project

# Records of a batch into whose text canaries are put.
HOSTS = 500
RECORDS_AT_ONCE = 20_000


@dg.asset(
    group_name="corpus",
    kinds={"polars", "parquet"},
    owners=OWNERS,
    code_version="2",
    partitions_def=BATCHES,
    backfill_policy=ALL_MISSING_IN_ONE_STEP,
    deps=[arrivals],
    metadata=contract(Record, "allowed_licences"),
    check_specs=checks("raw_corpus"),
)
@made_when_changed
def raw_corpus(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Every record of a batch as it came in, in canonical form.

    Guarantees: each row read is a record, a repeat of one, forgotten on request (only a keyed hash of it is
    left), or in quarantine with the rule that it broke; a record_id is a hash of the content as it came in, with
    its source, the same on every run and machine. Texts are in normal form, and what that changed is counted. A
    batch that cannot be read keeps no other back.
    """
    from fineline.resources.data.ingestion.ingest import ingest
    from fineline.resources.data.ingestion.scan import arrival
    from fineline.resources.data.sources.reader import SourceError, read_parts
    from fineline.resources.governance.forgetting.tombstones import Tombstones

    stage = TableStage(context, project, Record)
    forgotten = Tombstones.load(stage.storage, project.pseudonym_key)
    with Scrubber(stage.recipe.scrub, key=project.pseudonym_key) as scrubber:
        unread: list[str] = []
        for batch in stage.changed():
            source = stage.recipe.source(batch.split("/", 1)[0])
            progress = every_few_seconds(context.log.info, f"{batch}: rows read")
            try:
                rows = read_parts(source, batch, arrival(stage.registry, batch).place)
                parts = ingest(rows, source.name, batch, stage.recipe.allowed_licences, progress, forgotten)
                first = next(parts)
                shown = scrubber.scrub(first.frame.head(3)).records
                counts = stage.write(
                    chain([first], parts),
                    batch,
                    metadata={"sample": dg.MetadataValue.md(sample_table(shown))},
                ).manifest
            except SourceError as error:
                unread.append(str(error))
                continue
            context.log.info(f"{batch}: {counts.rows_in or 0:,} rows read, {counts.rows or 0:,} records")
    if unread:
        yield from stage.made_so_far()
        raise SourceError("\n".join(unread))
    yield from stage.results()


@dg.asset(
    group_name="corpus",
    kinds={"polars", "presidio"},
    owners=OWNERS,
    code_version=f"1.{SCRUBBING_VERSION}.{PII_VERSION}",
    partitions_def=BATCHES,
    backfill_policy=ALL_MISSING_IN_ONE_STEP,
    deps=[raw_corpus],
    metadata=contract(ScrubbedRecord, "scrub"),
    check_specs=checks(
        "scrubbed_corpus",
        personal_data_is_replaced="Planted values of every entity type went through the same scrubber; the "
        "share that it replaced (recall) reaches scrub.minimum_recall.",
    ),
)
@made_when_changed
def scrubbed_corpus(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The records of a batch with personal data and secrets replaced by placeholders or pseudonyms.

    Guarantees: prompts, completions, rejected answers, tools and metadata are all scrubbed; what the scrubber
    misses is measured with planted values at each run, and too much of it blocks all that follows.
    """
    from fineline.resources.data.scrubbing.canaries import measure

    # Made on first use, and part of what the asset is made from.
    key = project.pseudonym_key
    stage = TableStage(context, project, ScrubbedRecord)
    section, changed = stage.recipe.scrub, stage.changed()
    with Scrubber(section, key=key, cache=stage.storage.findings_cache) as scrubber:
        hosts = stage.scan("raw_corpus", changed[0]).head(HOSTS).collect()
        report = measure(scrubber, section, hosts)
        enough = report.recall >= section.minimum_recall
        for batch in changed:
            counted: list[pl.DataFrame] = []
            stage.write(
                _scrubbed_parts(stage, scrubber, batch, counted),
                batch,
                failed_checks=[] if enough else ["personal_data_is_replaced"],
                metadata=partial(_replaced, batch, counted),
            )
    yield from stage.results(
        dg.AssetCheckResult(
            check_name="personal_data_is_replaced",
            passed=enough,
            description=f"{report.recall:.1%} of the planted values were replaced; "
            f"at least {section.minimum_recall:.1%} must be",
            metadata={
                "recall": report.recall,
                "by entity": dg.MetadataValue.md(frame_table(report.by_entity)),
                "by surface form": dg.MetadataValue.md(frame_table(report.by_form)),
                "entity with the lowest recall": report.worst,
                "entities with survivors": ", ".join(report.survivors) or "none",
            },
        )
    )


def _scrubbed_parts(
    stage: TableStage, scrubber: Scrubber, batch: str, counted: list[pl.DataFrame]
) -> Iterator[TableOutput]:
    """A batch scrubbed part by part, so that memory stays bounded; what was replaced goes to ``counted``."""
    total = stage.storage.require("raw_corpus", batch).rows or 0
    report = every_few_seconds(stage.context.log.info, f"{batch}: records scrubbed")
    for start in range(0, max(total, 1), RECORDS_AT_ONCE):
        raw = stage.scan("raw_corpus", batch).slice(start, RECORDS_AT_ONCE).collect()
        scrubbed = scrubber.scrub(raw)
        report(start + raw.height, total)
        counted.append(scrubbed.entities)
        spans = int(scrubbed.entities["spans"].sum())
        yield TableOutput(scrubbed.records, rows_in=raw.height, facts={"replaced spans": spans})


def _replaced(batch: str, counted: list[pl.DataFrame]) -> dict[str, Any]:
    """What was replaced in a batch: spans and records by source and entity type."""
    entities = pl.concat(counted).group_by("source", "entity").sum().sort("source", "entity")
    spans = entities.group_by("entity").agg(pl.col("spans").sum()).sort("spans", "entity", descending=True)
    counts = {str(entity): float(count) for entity, count in spans.iter_rows()}
    plot = bar_chart(f"Replaced spans in {batch}", counts, "spans") if counts else "nothing was replaced"
    return {
        "entities": dg.MetadataValue.md(plot),
        "entities by source": dg.MetadataValue.md(frame_table(entities)),
    }
