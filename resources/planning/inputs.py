"""Which versions of its inputs an asset is made from, and why it would be made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from fineline.data_contracts import catalog
from fineline.resources.core.keys import stored_key
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Blocked, Damaged, Manifest, NotMaterialized, Storage, changed_inputs
from fineline.resources.planning.retraining import DECISION, approval, decide

PER_BATCH = frozenset({"raw_corpus", "scrubbed_corpus", "minhash_signatures"})
PSEUDONYMISED = frozenset({"scrubbed_corpus"})
# Assets that are about the pipeline: nothing is made from them, and no run of the graph makes them.
GOVERNED = frozenset({"audit_report", "forgetting_certificates"})
# By these tags of an event Dagster knows a data version, and that it is none of Dagster's own making.
DATA_VERSION_TAG, GIVEN_VERSION_TAG = "dagster/data_version", "dagster/data_version_is_user_provided"

ManifestLookup = Callable[[str, str | None], Manifest | None]


def inputs_of(
    asset: str, upstream: Iterable[str], batch: str | None, batches: Sequence[str]
) -> list[tuple[str, str | None]]:
    """The upstream tables of an asset: a batch follows the same batch, a merged asset all of them."""
    pairs: list[tuple[str, str | None]] = []
    for name in sorted(upstream):
        if name not in PER_BATCH:
            pairs.append((name, None))
        elif asset in PER_BATCH:
            pairs.append((name, batch))
        else:
            pairs += [(name, each) for each in sorted(batches)]
    return pairs


def version_tags(manifest: Manifest) -> dict[str, str]:
    """The tags of an event that says what is stored now."""
    return {
        DATA_VERSION_TAG: manifest.data_version,
        GIVEN_VERSION_TAG: "true",
        "dagster/code_version": manifest.code_version,
    }


def label(asset: str, batch: str | None) -> str:
    """How an asset, or a batch of one, is called in messages: ``raw_corpus[docs/part-1]``."""
    return f"{asset}[{batch}]" if batch else asset


def stored_versions(storage: Storage, pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Data versions of stored inputs by label.

    Raises:
        NotMaterialized, Blocked: an input is not there, or a blocking check of it failed.
    """
    return {label(*pair): storage.require(*pair).data_version for pair in pairs}


def pseudonym_inputs(storage: Storage) -> dict[str, str]:
    """What pseudonyms are made of: the key's fingerprint, the lists of names.

    Empty where no key was made yet. Raises StorageError for a key that cannot be used.
    """
    key = stored_key(storage.root)
    return {"pseudonym key": key.fingerprint, "names": f"faker {version('faker')}"} if key else {}


def inputs_now(
    storage: Storage,
    recipe: Recipe,
    asset: str,
    upstream: Iterable[str],
    batch: str | None,
    batches: Sequence[str],
    versions: Callable[[Iterable[tuple[str, str | None]]], dict[str, str]],
) -> dict[str, str]:
    """All that an asset would be made from now: the ``versions`` of its upstream, and what else it depends on.

    A trained model follows the decision on its stage.
    """
    inputs = versions(inputs_of(asset, [name for name in upstream if name != DECISION], batch, batches))
    if asset in PSEUDONYMISED:
        inputs |= pseudonym_inputs(storage)
    if catalog.is_trained_model(asset):
        inputs[catalog.APPROVAL] = approval(storage, asset) or "none"
    if asset == DECISION and "missing" not in inputs.values():
        try:
            with storage.reading([*upstream, *(stage.model for stage in recipe.training.stages)]):
                inputs["decision"] = decide(storage, recipe, datetime.now(UTC)).version
        except (Blocked, Damaged, NotMaterialized):
            # A data set failed its check, or is damaged: until it is made anew, nothing can be decided.
            inputs["decision"] = "blocked"
    return inputs


def versions_or_missing(stored: ManifestLookup, pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Data versions of stored inputs by label, and ``missing`` for those that are not there."""
    manifests = {label(*pair): stored(*pair) for pair in pairs}
    return {name: manifest.data_version if manifest else "missing" for name, manifest in manifests.items()}


def why_stale(asset: str, manifest: Manifest | None, code_version: str, inputs: Mapping[str, str]) -> str | None:
    """Why an asset would be made again, in words; None when it is up to date."""
    if manifest is None:
        return "not made yet"
    if manifest.failed_checks:
        return f"its check {', '.join(manifest.failed_checks)} failed"
    if manifest.code_version != code_version and not catalog.is_trained_model(asset):
        return "its code or its part of the recipe changed"
    changed = catalog.followed(asset, changed_inputs(manifest.inputs, inputs))
    if changed:
        return f"changed: {first_few(changed)}"
    return None


def unchanged_batches(before: Manifest | None, code_version: str, inputs: Mapping[str, str], table: str) -> list[str]:
    """Batches of a table that a merged asset was last made from as they are now, by the same code and recipe.

    What was made of each record of theirs by itself would be made the same again.
    """
    if before is None or before.code_version != code_version:
        return []
    prefix = f"{table}["
    now = {name: version for name, version in inputs.items() if name.startswith(prefix)}
    return [name[len(prefix) : -1] for name, version in now.items() if before.inputs.get(name) == version]
