"""The audit: every promise checked on the stored data, independently of the checks of the runs that stored them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from fineline.data_contracts.audit import AuditFinding
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.audit import measures, tables
from fineline.resources.governance.audit.evidence import Evidence, Finding, Unchecked

CHECKS: tuple[Callable[[Evidence], Finding], ...] = (
    tables.files_are_whole,
    tables.data_versions_are_of_content,
    tables.rows_are_accounted_for,
    tables.tables_are_under_contract,
    measures.personal_data_stays_replaced,
    measures.duplicates_stay_verified,
    measures.splits_do_not_leak,
    tables.exports_equal_tables,
    measures.release_has_evidence,
    tables.forgotten_stays_forgotten,
)
PROMISES = {check.__name__: (check.__doc__ or "").partition("\n")[0] for check in CHECKS}


def audit(
    storage: Storage, recipe: Recipe, key: PseudonymKey, code_versions: Mapping[str, str], log: Callable[[str], None]
) -> pl.DataFrame:
    """One ``AuditFinding`` for each promise.

    The audit reads every stored byte once and holds one table at a time, while runs go on; it writes nothing. An
    asset behind its inputs, its code or its part of the recipe (``code_versions`` are the current ones) breaks no
    promise: a check that needs a current asset is ``not_checked`` then.
    """
    with storage.reading(Inventory(storage).assets()):
        stored, rows = Evidence(storage, recipe, key, code_versions), []
        for promise, check in zip(PROMISES, CHECKS, strict=True):
            try:
                finding = check(stored)
                state = "broken" if finding.failures else "held" if finding.checked else "nothing_there"
            except Unchecked as reason:
                finding, state = Finding(0, 0, str(reason)), reason.state
            log(f"{promise}: {state.replace('_', ' ')}; {finding.detail}")
            rows.append((promise, state, finding.checked, finding.failures, finding.detail))
    return pl.DataFrame(rows, schema=AuditFinding.create_empty().schema, orient="row")
