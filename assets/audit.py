"""The audit: every promise checked again on what is stored."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import dataframely as dy

from fineline.assets.execution.definition import GOVERNANCE, OWNERS, checks, contract
from fineline.assets.execution.tables import TableStage
from fineline.data_contracts.audit import AuditFinding
from fineline.resources.core.presentation.tables import frame_table
from fineline.resources.core.storage.tables import Origin, TableOutput
from fineline.resources.governance.audit.evidence import manifests
from fineline.resources.governance.audit.promises import PROMISES, audit
from fineline.resources.planning.inputs import GOVERNED, label
from fineline.resources.project import Project


class _AuditStage(TableStage):
    """One audit: it is made from whatever is stored, also from what is blocked or behind."""

    def _made_from(self, batch: str | None) -> Origin:
        """Its own code version, and the data versions of all that is stored."""
        stored = {label(each.asset, each.batch): each.data_version for each in manifests(self.storage)}
        inputs = {name: version for name, version in stored.items() if name.partition("[")[0] not in GOVERNED}
        spec = self.context.assets_def.get_asset_spec(self.context.asset_key)
        return Origin(str(spec.code_version), inputs, self.context.run.run_id)


def audit_report(assets: Sequence[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    """The audit of these assets. It follows those that nothing else is made from."""
    specs = [spec for each in assets for spec in each.specs]
    made_from = {dep.asset_key for spec in specs for dep in spec.deps}
    schemas = {schema.__name__: schema for schema in _subclasses(dy.Schema)}
    contracts = {
        spec.key.to_user_string(): schemas[spec.metadata["contract"]] for spec in specs if "contract" in spec.metadata
    }
    code_versions = {spec.key.to_user_string(): str(spec.code_version) for spec in specs}

    @dg.asset(
        group_name=GOVERNANCE,
        kinds={"polars"},
        owners=OWNERS,
        code_version="1",
        deps=[spec.key for spec in specs if spec.key not in made_from],
        metadata=contract(AuditFinding),
        check_specs=checks("audit_report", **PROMISES),
    )
    def audit_report(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        """Every promise checked again on the stored bytes: how much was looked at, and how much breaks it.

        Guarantees: it trusts no run and no manifest, changes nothing, and a broken promise fails this asset.
        """
        stage = _AuditStage(context, project, AuditFinding)
        key = project.pseudonym_key
        found = audit(stage.storage, stage.recipe, contracts, key, code_versions, context.log.info)
        broken = found.filter(state="broken")
        stage.write(
            TableOutput(found, rows_in=found.height),
            failed_checks=broken["promise"].to_list(),
            metadata={"findings": dg.MetadataValue.md(frame_table(found)), "broken promises": broken.height},
        )
        yield from stage.results(*[_result(*row) for row in found.iter_rows()])

    return audit_report


def _result(promise: str, state: str, checked: int, failures: int, detail: str) -> dg.AssetCheckResult:
    """What could not be checked is a warning; only what is broken is an error."""
    return dg.AssetCheckResult(
        check_name=promise,
        passed=state in ("held", "nothing_there"),
        severity=dg.AssetCheckSeverity.ERROR if state == "broken" else dg.AssetCheckSeverity.WARN,
        metadata={"state": state.replace("_", " "), "checked": checked, "failures": failures},
        description=detail,
    )


def _subclasses(schema: type[dy.Schema]) -> Iterator[type[dy.Schema]]:
    for each in schema.__subclasses__():
        yield each
        yield from _subclasses(each)
