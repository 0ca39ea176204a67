"""The audit: every promise checked again on what is stored."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from fineline.assets.execution.definition import asset
from fineline.assets.execution.shown import frame_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.governance.audit.promises import PROMISES, audit
from fineline.resources.governance.audit.version import VERSION


@asset(catalog.AUDIT_REPORT, version=VERSION, checks=PROMISES)
def audit_report(run: TableRun, recipe: Recipe, code_versions: Mapping[str, str]) -> None:
    """Every promise checked again on the stored bytes: how much was looked at, and how much breaks it.

    Guarantees: it trusts no run and no manifest, changes nothing, and a broken promise fails this asset.
    """
    found = audit(run.storage, recipe, run.pseudonym_key, code_versions, run.log.info)
    for promise, state, checked, failures, detail in found.iter_rows():
        # What could not be checked is a warning; only what is broken is an error.
        severity = dg.AssetCheckSeverity.ERROR if state == "broken" else dg.AssetCheckSeverity.WARN
        counts = {"state": state.replace("_", " "), "checked": checked, "failures": failures}
        run.check(promise, state in ("held", "nothing_there"), detail, counts, severity)
    broken = found.filter(state="broken").height
    shown = {"findings": frame_table(found), "broken promises": broken}
    run.write(TableOutput(found, rows_in=found.height), metadata=shown)
