"""The audit: every promise checked on the stored data, independently of the checks of the runs that stored them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import polars as pl

from fineline.data_contracts.audit import AuditFinding
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.audit import measures, tables
from fineline.resources.governance.audit.evidence import Evidence, Finding, NotCheckable, NothingThere

PROMISES = {
    "files_are_whole": "Every file that a manifest names is there, with the hash that its name says.",
    "data_versions_are_of_content": "Every data version is the hash of the stored bytes.",
    "rows_are_accounted_for": "Counts are those of the stored tables, their sums close, and the ledger, rebuilt "
    "from its inputs, has every row that was read exactly once.",
    "tables_are_under_contract": "Every stored table fits its contract.",
    "personal_data_stays_replaced": "Planted values are still replaced, and curated records hold no personal data "
    "that has a pattern.",
    "duplicates_stay_verified": "Each removed near-duplicate of a sample has a similar member in its cluster.",
    "splits_do_not_leak": "No group, cluster, prompt or near-duplicate pair crosses splits, and no training record "
    "repeats a held-out prompt.",
    "exports_equal_tables": "The JSONL files that training reads have the rows of their tables, and no others.",
    "release_has_evidence": "The release's files have their checksums, its weights are those that were tested, and "
    "the stored losses show again that it is better.",
    "forgotten_stays_forgotten": "No stored table holds a forgotten record.",
}


def audit(
    storage: Storage,
    recipe: Recipe,
    key: PseudonymKey,
    code_versions: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """One ``AuditFinding`` for each promise.

    The audit reads every stored byte once and holds one table at a time, while runs go on; it writes nothing. An
    asset behind its inputs, its code or its part of the recipe (``code_versions`` are the current ones) breaks no
    promise: a check that needs a current asset is ``not_checked`` then.
    """
    with storage.reading(Inventory(storage).assets()):
        stored = Evidence(storage, code_versions)
        checks: dict[str, Callable[[], Finding]] = {
            "files_are_whole": partial(tables.files, stored),
            "data_versions_are_of_content": partial(tables.versions, stored),
            "rows_are_accounted_for": partial(tables.accounted, stored),
            "tables_are_under_contract": partial(tables.contracts, stored),
            "personal_data_stays_replaced": partial(measures.scrubbed, stored, recipe, key),
            "duplicates_stay_verified": partial(measures.duplicates, stored, recipe),
            "splits_do_not_leak": partial(measures.leaks, stored, recipe),
            "exports_equal_tables": partial(tables.exports, stored),
            "release_has_evidence": partial(measures.release, stored, recipe),
            "forgotten_stays_forgotten": partial(tables.forgotten, stored, key),
        }
        rows = []
        for promise, check in checks.items():
            try:
                finding = check()
                state = "broken" if finding.failures else "held" if finding.checked else "nothing_there"
            except NotCheckable as reason:
                finding, state = Finding(0, 0, str(reason)), "not_checked"
            except NothingThere as reason:
                finding, state = Finding(0, 0, str(reason)), "nothing_there"
            log(f"{promise}: {state.replace('_', ' ')}; {finding.detail}")
            rows.append((promise, state, finding.checked, finding.failures, finding.detail))
        return pl.DataFrame(rows, schema=AuditFinding.create_empty().schema, orient="row")
