"""One execution of a model asset: stores the folder that a worker made and publishes what it measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import BaseModel

from fineline.assets.execution.inputs import Making, recipe_metadata
from fineline.resources.core.presentation.plots import curves
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.storage.store import Manifest
from fineline.resources.models import exposure as seen_records


class ModelStage(Making):
    """One execution of a model asset: stores the folder that a worker made and publishes what it measured."""

    def checkpoints(self) -> Path:
        """Where training keeps its checkpoints; tied to what it trains on, so that no other run goes on from them."""
        origin = self.origin()
        return self.storage.root / "checkpoints" / f"{self.asset}-{digest(dict(origin.inputs), origin.code_version)}"

    def store(
        self,
        folder: Path,
        parts: Mapping[str, str],
        facts: BaseModel,
        *,
        seen: Callable[[], pl.DataFrame] | None = None,
        curve: Path | None = None,
        check: dg.AssetCheckResult | None = None,
    ) -> dg.MaterializeResult[Any]:
        """Put the parts of the worker's folder in place and record its facts, its loss curve and its check.

        ``seen`` reads what the model saw: late, so that what was forgotten in the meantime is marked in it.
        """
        origin = self.origin()
        plot = {"loss": dg.MetadataValue.md(_loss_curve(self.asset, curve))} if curve is not None else {}
        manifest = Manifest(
            asset=self.asset,
            batch=None,
            data_version="",
            code_version=origin.code_version,
            inputs=dict(origin.inputs),
            files={},
            failed_checks=[str(check.check_name)] if check is not None and not check.passed else [],
            run_id=origin.run_id,
            facts=facts.model_dump(mode="json"),
        )
        with self.storage.lock(seen_records.LOCK):
            if seen is not None:
                manifest = self._with_seen(manifest, seen())
            manifest = self.storage.commit_folder(manifest, folder, parts)
        return dg.MaterializeResult(
            metadata={
                **_shown_facts(manifest.facts, folder),
                **plot,
                **seen_records.flags_metadata(manifest),
                "path": dg.MetadataValue.path(str(self.storage.file(manifest, next(iter(parts))))),
                **recipe_metadata(self.project),
            },
            data_version=dg.DataVersion(manifest.data_version),
            check_results=[check] if check is not None else [],
        )

    def _with_seen(self, manifest: Manifest, seen: pl.DataFrame) -> Manifest:
        files = {seen_records.ROLE: seen_records.write(self.storage, self.asset, seen)}
        return manifest.model_copy(update={"files": files, "flags": seen_records.flags(seen)})


def _shown_facts(facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Numbers and words of a worker's answer; paths into its folder, which has moved, are left out."""
    return {
        name.replace("_", " "): value
        for name, value in facts.items()
        if isinstance(value, int | float | str) and not str(value).startswith(str(folder))
    }


def _loss_curve(asset: str, curve: Path) -> str:
    points = [json.loads(line) for line in curve.read_text(encoding="utf-8").splitlines()]
    lines = {
        "training": [(p["step"], p["loss"]) for p in points if "loss" in p],
        "validation": [(p["step"], p["validation_loss"]) for p in points if "validation_loss" in p],
    }
    return curves(f"Loss of {asset}", {name: line for name, line in lines.items() if line}, "step", "loss (nats)")
