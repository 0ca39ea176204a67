"""The versions of its inputs that an asset is made from, and why it is stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def inputs_now(
    storage: Storage, recipe: Recipe, asset: Asset, batch: str | None, batches: Sequence[str], stored: ManifestLookup
) -> dict[str, str]:
    """Everything that an asset would be made from now: versions by the label of an input, ``missing`` for some.

    A trained model follows the decision on its stage, and a pseudonymised table the key. Raises what ``stored``, which
    looks up the manifest of an input, raises.
    """
    inputs = {}
    for each in inputs_of(asset, batch, batches):
        if each.asset != asset.gate:
            manifest = stored(each.asset, each.batch)
            inputs[each.label] = manifest.data_version if manifest else MISSING
    if asset.pseudonymised and (key := stored_key(storage.root)):
        # The lists of names that pseudonyms are taken from, too.
        inputs |= {"pseudonym key": key.fingerprint, "names": f"faker {version('faker')}"}
    if asset.gate is not None:
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


def _decision(storage: Storage, recipe: Recipe, asset: Asset) -> str:
    """The version of the decision that would be made now.

    A dataset that failed its check, or is damaged, blocks it: until the dataset is rebuilt, nothing can be decided.
    """
    try:
        with storage.reading([*asset.upstream, *(stage.model for stage in recipe.training.stages)]):
            return decide_retraining(storage, recipe.retrain, recipe.training, datetime.now(UTC)).version
    except (Blocked, Damaged, NotMaterialized):
        return BLOCKED
