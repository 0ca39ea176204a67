"""A request to forget carried out step by step, and the certificate of what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.data_contracts.forgetting import ForgettingCertificate
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.governance.forgetting import tombstones
from fineline.resources.governance.forgetting.dagster_history import DagsterHistory
from fineline.resources.governance.forgetting.inspection import LOOKED_FOR
from fineline.resources.governance.forgetting.journal import Journal
from fineline.resources.governance.forgetting.matches import CORPORA, Plan, plan
from fineline.resources.governance.forgetting.names import blank_names, name_of
from fineline.resources.governance.forgetting.removal import remove
from fineline.resources.governance.forgetting.request import ForgettingError, Request, finish, key_of, load
from fineline.resources.governance.forgetting.sweep import sweep
from fineline.resources.governance.forgetting.targets import Targets
from fineline.resources.governance.forgetting.tombstones import Tombstones
from fineline.resources.models.exposure import mark_forgotten

_SCHEMA = ForgettingCertificate.create_empty().schema


def carry_out(
    storage: Storage,
    key: PseudonymKey,
    sources: Iterable[Source],
    request_id: str,
    history: DagsterHistory,
    log: Callable[[str], None],
) -> pl.DataFrame:
    """Forget what a waiting request names everywhere under the storage root, then sweep the root for it.

    Returns all certificates, with that of this request, to be stored before the request is finished. Tombstones are
    written first, so that nothing comes back meanwhile. After a kill, the same call completes the request.

    Raises:
        ForgettingError: there is no such request, it cannot be carried out as it stands, or earlier ones were carried
            out under another key.
    """
    # Under a second key no tombstone would be recognised.
    Tombstones.load(storage, key)
    request = load(storage, request_id)
    before = certificates(storage).filter(pl.col("request_id") == request_id)
    resumed = storage.root.exists(key_of(request_id, "plan"))
    try:
        if before.height and before["asked"].item() != request.asked(key):
            raise ForgettingError(
                f"request {request_id} was already carried out and named something else; give this one its own id"
            )
        # A batch is stored before the plan is made, or meets the tombstones.
        with storage.root.lock(catalog.RAW_CORPUS.name), storage.reading(CORPORA):
            found = plan(storage, key, request)
            tombstones.add(storage, _tombstones(key, request, found))
    except ForgettingError:
        if not resumed:
            finish(storage, request_id)
        raise
    log(f"{len(found.tombstones):,} records to forget")
    journal = Journal(storage, request_id)
    remove(storage, Targets(found.tombstones, request.needles), journal, log)
    sightings = mark_forgotten(storage, found.tombstones, request_id)
    if found.tombstones:
        _empty_findings_cache(storage)
    sought = sorted({*request.needles, *found.sought})
    kept = history.cleanse([*sought, *(name_of(storage, request.batch) if request.batch else [])])
    named = blank_names(storage, sought, request.batch)
    history.report_changes(request_id)
    history.report_flags(sightings, request_id)
    outside = _outside(storage, sources, [*found.batches, *named])
    swept = sweep(storage, request.texts, found.sought)
    removed = Counter[str]()
    for change in journal.changes:
        removed[Partition.parse(change.table).asset] += change.rows
    row = {
        "request_id": request.request_id,
        "reason": request.reason,
        "asked_by": request.asked_by,
        "asked": request.asked(key),
        "completed_at": datetime.now(UTC),
        "records": len(found.tombstones),
        "removed": _listed(removed),
        "files_rewritten": sum(change.files for change in journal.changes),
        "seen_by": [{"model": s.asset, "data_version": s.data_version, "records": s.records} for s in sightings],
        "outside": outside,
        "files_swept": swept.files,
        "sought": len(sought),
        "remains": [*swept.remains, *_kept_names(kept)],
        "resembles": swept.resembles,
        "looked_for": LOOKED_FOR if request.texts else ["record_ids and the beginnings of texts"],
        "searched": swept.searched,
    }
    if before.height and before["completed_at"].item() < found.begun:
        row = _added(before.row(0, named=True), row)
    others = certificates(storage).filter(pl.col("request_id") != request_id)
    return pl.concat([others, pl.DataFrame([row], schema=_SCHEMA)]).sort("completed_at", "request_id")


def certificates(storage: Storage) -> pl.DataFrame:
    """All certificates in order of time."""
    manifest = storage.manifest(catalog.FORGETTING_CERTIFICATES.name)
    nothing = pl.DataFrame(schema=_SCHEMA)
    if manifest is None:
        return nothing
    # Earlier certificates lack the columns that came later.
    stored = pl.concat([nothing, storage.scan(manifest).collect()], how="diagonal")
    return stored.with_columns(pl.col("resembles", "looked_for", "searched").fill_null([]))


def _tombstones(key: PseudonymKey, request: Request, found: Plan) -> pl.DataFrame:
    parts = [
        tombstones.of_records(key, request.request_id, {*found.tombstones, *request.records}),
        tombstones.of_texts(key, request.request_id, request.needles),
    ]
    if request.source is not None:
        parts.append(tombstones.of_source(key, request.request_id, request.source))
    return pl.concat(parts)


def _empty_findings_cache(storage: Storage) -> None:
    """Remove the cache for all settings, since the hashes of forgotten texts in it look like those of others."""
    with storage.root.lock(catalog.SCRUBBED_CORPUS.name):
        for name in storage.local.names(layout.FINDINGS_CACHE):
            storage.local.delete(f"{layout.FINDINGS_CACHE}/{name}")


def _outside(storage: Storage, sources: Iterable[Source], batches: Iterable[str]) -> list[str]:
    """The batches that a source still offers, or that cannot be looked for: of forgotten records, or of such a name."""
    concerned = {batch.partition("/")[0] for batch in batches}
    offered = scan_sources(storage, [source for source in sources if source.name in concerned], ask=False).versions
    return sorted({*batches} & {*offered})


def _kept_names(columns: list[str]) -> list[str]:
    """What a person must do about the names that Dagster keeps."""
    if not columns:
        return []
    return [
        f"Dagster needs names that contain it ({', '.join(columns)}): rename what bears them, and delete the old names "
        "in Dagster"
    ]


def _listed(removed: Counter[str]) -> list[dict[str, Any]]:
    return [{"table": table, "rows": rows} for table, rows in removed.items() if rows]


def _added(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The certificate of a repeated request: the former one if nothing more was found, else the sum of both."""
    if (
        not now["records"]
        and not now["files_rewritten"]
        and all(now[each] == before[each] for each in ("remains", "resembles"))
    ):
        return before
    removed = Counter[str]()
    for each in [*before["removed"], *now["removed"]]:
        removed[each["table"]] += each["rows"]
    return {
        **now,
        "records": before["records"] + now["records"],
        "removed": _listed(removed),
        "files_rewritten": before["files_rewritten"] + now["files_rewritten"],
        "seen_by": [*before["seen_by"], *now["seen_by"]],
        "outside": sorted({*before["outside"], *now["outside"]}),
    }
