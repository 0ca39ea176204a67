"""One asset check for each rule of a contract, with a history of its own.

The rules that compare columns have a check each, and so has the primary key; the constraints of single columns (type,
null, range, pattern) share one, whose metadata counts the rows by constraint. A row that breaks a rule goes to
quarantine, so these checks warn; ``under_contract`` blocks when too many rows do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import getdoc

import dagster as dg
import dataframely as dy

from fineline.data_contracts import catalog

COLUMNS = "columns"
DESCRIPTIONS = {
    "primary_key": "No two rows have the same primary key.",
    COLUMNS: "Every value has the type of its column and meets its constraints.",
}


def rule_checks(asset: str, schema: type[dy.Schema]) -> list[dg.AssetCheckSpec]:
    """The specs of a contract's checks."""
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in described(schema).items()]


def rule_results(schema: type[dy.Schema], broken: Mapping[str, int]) -> Iterator[dg.AssetCheckResult]:
    """The results of a contract's checks. ``broken`` counts the rows that broke each rule of the contract."""
    for name in described(schema):
        mine = {rule: rows for rule, rows in broken.items() if rule == name or (name == COLUMNS and "|" in rule)}
        yield dg.AssetCheckResult(
            check_name=name,
            passed=not mine,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows": sum(mine.values())} | ({} if name != COLUMNS else dict(mine)),
        )


def is_rule(asset: str, check: str) -> bool:
    """Whether a check is of a rule of the asset's contract: it warns, and does not block."""
    entry = catalog.entry(asset)
    return entry.contract is not None and check in described(entry.schema)


def described(schema: type[dy.Schema]) -> dict[str, str]:
    """Each check of a contract by name, with what it asks for."""
    factories = {name: value for base in reversed(schema.__mro__) for name, value in vars(base).items()}
    rules = [name for name in schema._schema_validation_rules() if "|" not in name]
    documented = {name: getdoc(factories[name].validation_fn) or name for name in rules if name in factories}
    key = {name: DESCRIPTIONS[name] for name in ["primary_key"] if schema.primary_key()}
    return {**documented, **key, COLUMNS: DESCRIPTIONS[COLUMNS]}
