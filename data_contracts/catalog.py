"""The plan of the pipeline: one entry an asset, in the order in which data flows.

Lineage, ledger, funnel, trace, forgetting, audit, planner and tests ask these entries; no other source file spells
an asset's name. Which of them a recipe has, and what follows what, is :func:`graph`; a test holds it against
Dagster's own graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dataframely as dy


class Grain(StrEnum):
    """What one stored version of an asset covers."""

    EXTERNAL = "external"  # comes in batches from outside the graph; sensors and jobs report it
    BATCH = "batch"  # one version for each batch, its partition key
    CORPUS = "corpus"  # one version over all batches


@dataclass(frozen=True)
class Asset:
    """One asset of the pipeline.

    ``contract`` names the class that its table must fit, as ``module.Class`` of this package; an asset without one is
    a folder of files, such as a model. ``drops``: it stops records, each with an entry in the ledger. ``funnel`` is
    its word in the funnel from raw rows to splits. ``gate`` names the asset whose decision it waits for.
    ``follows_models``: among its inputs only models, their evaluation and the decision make it stale.
    ``pseudonymised``: it is made with the pseudonym key. ``governs``: it is about the pipeline; nothing is made from
    it, and no run of the whole graph makes it.
    """

    name: str
    group: str
    upstream: tuple[str, ...] = ()
    contract: str | None = None
    grain: Grain = Grain.CORPUS
    drops: bool = False
    funnel: str | None = None
    gate: str | None = None
    follows_models: bool = False
    pseudonymised: bool = False
    governs: bool = False

    @property
    def schema(self) -> type[dy.Schema]:
        """The contract's class, imported on first use. Raises ValueError for an asset without a table."""
        if self.contract is None:
            raise ValueError(f"{self.name} has no table")
        module, _, name = self.contract.partition(".")
        schema: type[dy.Schema] = getattr(import_module(f"fineline.data_contracts.{module}"), name)
        return schema

    @property
    def per_batch(self) -> bool:
        """Whether each batch has a version of its own."""
        return self.grain is not Grain.CORPUS


@dataclass(frozen=True, order=True)
class Partition:
    """An asset, or one batch of it. ``label`` is how it is called in manifests and messages."""

    asset: str
    batch: str | None = None

    @property
    def label(self) -> str:
        """For example ``raw_corpus[docs/1f9a3b7c22d0]``, or ``splits``."""
        return f"{self.asset}[{self.batch}]" if self.batch else self.asset

    @classmethod
    def parse(cls, label: str) -> Partition:
        """The partition of a label."""
        asset, opened, rest = label.partition("[")
        return cls(asset, rest.removesuffix("]") if opened else None)


ARRIVALS = Asset("arrivals", "corpus", grain=Grain.EXTERNAL)
RAW_CORPUS = Asset(
    "raw_corpus", "corpus", ("arrivals",), "records.Record", grain=Grain.BATCH, drops=True, funnel="read"
)
SCRUBBED_CORPUS = Asset(
    "scrubbed_corpus",
    "corpus",
    ("raw_corpus",),
    "records.ScrubbedRecord",
    grain=Grain.BATCH,
    drops=True,
    funnel="scrubbed",
    pseudonymised=True,
)
MINHASH_SIGNATURES = Asset(
    "minhash_signatures", "corpus", ("scrubbed_corpus",), "curation.Signature", grain=Grain.BATCH
)
DUPLICATE_CLUSTERS = Asset(
    "duplicate_clusters",
    "curation",
    ("scrubbed_corpus", "minhash_signatures"),
    "curation.DuplicateCluster",
    funnel="unique",
)
RECORD_QUALITY = Asset(
    "record_quality",
    "curation",
    ("scrubbed_corpus", "duplicate_clusters"),
    "curation.RecordQuality",
    funnel="passed quality",
)
LABEL_ISSUES = Asset(
    "label_issues", "curation", ("scrubbed_corpus", "duplicate_clusters", "record_quality"), "curation.LabelIssue"
)
CURATED_CORPUS = Asset(
    "curated_corpus",
    "curation",
    ("raw_corpus", "scrubbed_corpus", "duplicate_clusters", "record_quality"),
    "records.CuratedRecord",
    drops=True,
    funnel="curated",
)
SPLITS = Asset(
    "splits",
    "curation",
    ("curated_corpus", "duplicate_clusters", "minhash_signatures"),
    "curation.SplitAssignment",
    drops=True,
    funnel="in splits",
)
RECORD_LEDGER = Asset(
    "record_ledger", "curation", ("raw_corpus", "scrubbed_corpus", "curated_corpus", "splits"), "accounting.LedgerEntry"
)
BASE_MODEL = Asset("base_model", "initialization")
_MADE_FROM_SPLITS = ("curated_corpus", "splits", "base_model")
PRETRAINING_DATASET = Asset("pretraining_dataset", "datasets", _MADE_FROM_SPLITS, "datasets.PretrainingRow")
SFT_DATASET = Asset("sft_dataset", "datasets", _MADE_FROM_SPLITS, "datasets.SftRow")
PREFERENCE_DATASET = Asset("preference_dataset", "datasets", _MADE_FROM_SPLITS, "datasets.PreferenceRow")
# What the entries below are made from depends on the recipe: graph() fills in their upstream.
RETRAIN_DECISION = Asset("retrain_decision", "models")
# One asset a training stage.
TRAINED_MODEL = Asset("{stage}_model", "models", gate="retrain_decision", follows_models=True)
EVALUATION = Asset("evaluation", "evaluation", (), "models.HeldOutLoss", follows_models=True)
RELEASE = Asset("release", "evaluation", follows_models=True)
FORGETTING_CERTIFICATES = Asset(
    "forgetting_certificates", "governance", (), "forgetting.ForgettingCertificate", governs=True
)
AUDIT_REPORT = Asset("audit_report", "governance", (), "audit.AuditFinding", governs=True)

# Every entry above, in its order.
ASSETS: tuple[Asset, ...] = tuple(each for each in globals().values() if isinstance(each, Asset))
DATASETS = (PRETRAINING_DATASET, SFT_DATASET, PREFERENCE_DATASET)
_BY_NAME = {asset.name: asset for asset in ASSETS}
# The input by which a trained model follows the decision on its stage.
APPROVAL = "approval"
_MODEL_ENDING = TRAINED_MODEL.name.removeprefix("{stage}")


def entry(name: str) -> Asset:
    """The entry of an asset; that of a trained model is the pattern under its own name. Raises KeyError."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if is_trained_model(name):
        return replace(TRAINED_MODEL, name=name)
    raise KeyError(f"{name} is no asset of the pipeline")


def position(name: str) -> int:
    """Where an asset stands in the flow of data, for sorting. Names that no entry has come last."""
    order = list(_BY_NAME)
    pattern = TRAINED_MODEL.name if is_trained_model(name) else name
    return order.index(pattern) if pattern in order else len(order)


def is_trained_model(name: str) -> bool:
    """Whether this is the model of a training stage."""
    return name not in _BY_NAME and name.endswith(_MODEL_ENDING)


def model_of(stage: str) -> str:
    """The asset that a training stage makes."""
    return TRAINED_MODEL.name.format(stage=stage)


def stage_of(model: str) -> str:
    """The training stage that makes a model."""
    return model.removesuffix(_MODEL_ENDING)


def followed(asset: str, inputs: Iterable[str]) -> list[str]:
    """Those of an asset's inputs, by label, that make it stale when they change.

    For models, and what is measured of them, these are the decision to train, models and the evaluation: until it is
    decided to train, datasets may change.
    """
    if not entry(asset).follows_models:
        return list(inputs)
    return [each for each in inputs if each in (APPROVAL, EVALUATION.name) or is_trained_model(each)]


def graph(datasets: Collection[str], stages: Mapping[str, str]) -> Mapping[str, Asset]:
    """The entries of a recipe by name, each with its upstream, in the order in which data flows.

    ``datasets`` are the names of the datasets that it asks for, ``stages`` the names of its training stages in order,
    each with that of the dataset that it is trained on.
    """
    entries = list(ASSETS[: ASSETS.index(BASE_MODEL)])
    if datasets:
        entries += [BASE_MODEL, *(each for each in DATASETS if each.name in datasets)]
    if stages:
        entries += _model_half(datasets, stages)
    inner = {name for each in entries for name in each.upstream}
    ends = [each.name for each in entries if each.name not in inner]
    entries += [FORGETTING_CERTIFICATES, replace(AUDIT_REPORT, upstream=(*ends, FORGETTING_CERTIFICATES.name))]
    return {each.name: each for each in entries}


def dataset_of(section: str) -> str:
    """The dataset that a section of the recipe's ``datasets`` asks for."""
    return f"{section}_dataset"


def judged_dataset(datasets: Collection[str]) -> str:
    """The dataset whose test rows judge the models: conversations where there are any, else preferences."""
    return SFT_DATASET.name if SFT_DATASET.name in datasets else PREFERENCE_DATASET.name


def _model_half(datasets: Collection[str], stages: Mapping[str, str]) -> list[Asset]:
    models = [BASE_MODEL.name, *map(model_of, stages)]
    trained = [
        replace(entry(model), upstream=(dataset, before, RETRAIN_DECISION.name))
        for dataset, (before, model) in zip(stages.values(), pairwise(models), strict=True)
    ]
    judged = judged_dataset(datasets)
    pairs = [PREFERENCE_DATASET.name] if PREFERENCE_DATASET.name in datasets else []
    before, candidate = models[-2:]
    return [
        replace(RETRAIN_DECISION, upstream=(*dict.fromkeys(stages.values()), BASE_MODEL.name)),
        *trained,
        replace(EVALUATION, upstream=(*models, *dict.fromkeys([judged, *pairs]))),
        replace(RELEASE, upstream=(candidate, before, judged, EVALUATION.name, RECORD_LEDGER.name)),
    ]
