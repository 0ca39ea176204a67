"""The versions of its inputs that an asset is made from, and why it is stale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Asset, Partition
from fineline.resources.core.keys import stored_key
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.manifest import Manifest, changed_inputs
from fineline.resources.core.storage.store import Blocked, Damaged, NotMaterialized, Storage
from fineline.resources.planning.retraining import approval, decide_retraining

# The names of inputs that are no asset.
ARRIVAL, DECISION = "arrival", "decision"
MISSING, BLOCKED = "missing", "blocked"

ManifestLookup = Callable[[str, str | None], Manifest | None]
Versions = Callable[[Iterable[Partition]], dict[str, str]]


def inputs_of(asset: Asset, batch: str | None, batches: Sequence[str]) -> list[Partition]:
    """The stored inputs of an asset: a batch follows the same batch, a merged asset all of them."""
    found: list[Partition] = []
    for upstream in map(catalog.entry, sorted(asset.upstream)):
        if not upstream.per_batch:
            found.append(Partition(upstream.name))
        elif asset.per_batch:
            found.append(Partition(upstream.name, batch))
        else:
            found += [Partition(upstream.name, each) for each in sorted(batches)]
    return found


def stored_versions(storage: Storage, partitions: Iterable[Partition]) -> dict[str, str]:
    """Data versions of stored inputs by label.

    Raises:
        NotMaterialized, Blocked: an input is not stored, or a blocking check of it failed.
    """
    return {each.label: storage.require(each.asset, each.batch).data_version for each in partitions}


def versions_or_missing(stored: ManifestLookup, partitions: Iterable[Partition]) -> dict[str, str]:
    """Data versions of stored inputs by label, and ``missing`` for those that are not stored."""
    manifests = {each.label: stored(each.asset, each.batch) for each in partitions}
    return {label: manifest.data_version if manifest else MISSING for label, manifest in manifests.items()}


def inputs_now(
    storage: Storage,
    recipe: Recipe,
    asset: Asset,
    batch: str | None,
    batches: Sequence[str],
    versions: Versions,
) -> dict[str, str]:
    """Everything that an asset would be made from now: the ``versions`` of its upstream, and its other inputs.

    A trained model follows the decision on its stage, and a pseudonymised table the key.
    """
    gate = asset.gate
    inputs = versions([each for each in inputs_of(asset, batch, batches) if each.asset != gate])
    if asset.pseudonymised:
        inputs |= _pseudonym_inputs(storage)
    if gate is not None:
        inputs[catalog.APPROVAL] = approval(storage, asset.name) or "none"
    if asset.name == catalog.RETRAIN_DECISION.name and MISSING not in inputs.values():
        inputs[DECISION] = _decision(storage, recipe, asset)
    return inputs


def why_stale(asset: Asset, manifest: Manifest | None, code_version: str, inputs: Mapping[str, str]) -> str | None:
    """Why an asset would be made again, as a phrase; None when it is up to date."""
    if manifest is None:
        return "not made yet"
    if manifest.failed_checks:
        return f"its check {', '.join(manifest.failed_checks)} failed"
    # New settings of a training stage reach its model through the decision to train.
    if manifest.code_version != code_version and asset.gate is None:
        return "its code or its part of the recipe changed"
    changed = catalog.followed(asset.name, changed_inputs(manifest.inputs, inputs))
    return f"changed: {first_few(changed)}" if changed else None


def unchanged_batches(before: Manifest | None, code_version: str, inputs: Mapping[str, str], table: str) -> list[str]:
    """The batches of a table whose per-record results can be reused.

    They have the version that the merged asset was last made from, by the same code and recipe.
    """
    if before is None or before.code_version != code_version:
        return []
    same = (Partition.parse(label) for label, now in inputs.items() if before.inputs.get(label) == now)
    return [each.batch for each in same if each.asset == table and each.batch is not None]


def _pseudonym_inputs(storage: Storage) -> dict[str, str]:
    """The key's fingerprint and the lists of names; empty where no key was made yet. Raises StorageError."""
    key = stored_key(storage.root)
    return {"pseudonym key": key.fingerprint, "names": f"faker {version('faker')}"} if key else {}


def _decision(storage: Storage, recipe: Recipe, asset: Asset) -> str:
    """The version of the decision that would be made now.

    A dataset that failed its check, or is damaged, blocks it: until the dataset is rebuilt, nothing can be decided.
    """
    try:
        with storage.reading([*asset.upstream, *(stage.model for stage in recipe.training.stages)]):
            return decide_retraining(storage, recipe.retrain, recipe.training, datetime.now(UTC)).version
    except (Blocked, Damaged, NotMaterialized):
        return BLOCKED
