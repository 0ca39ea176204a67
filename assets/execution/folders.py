"""One execution of an asset that is a folder of files, such as a model: stores it, and publishes the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import BaseModel

from fineline.assets.execution.run import Run
from fineline.assets.execution.shown import inert_metadata
from fineline.resources.core.presentation.plots import curves
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.models import exposure


class FolderRun(Run):
    """One execution of an asset that is a folder of files: stores it, and publishes the result."""

    _result: dg.MaterializeResult[Any] | None = None

    def checkpoints(self) -> Path:
        """The folder for a training's checkpoints, named by what is trained on: only the same training resumes it."""
        origin = self.origin()
        version = digest(dict(origin.inputs), origin.code_version)
        return self.storage.local.path(layout.checkpoints(self.name, version))

    def store(
        self,
        folder: Path,
        parts: Mapping[str, str],
        facts: BaseModel,
        *,
        exposed: Callable[[], pl.DataFrame] | None = None,
        curve: Path | None = None,
    ) -> None:
        """Move parts of a worker's folder into place, with its facts and its loss curve; failed checks block it.

        ``exposed`` returns the records that the model has seen; it is called last, so that records which were
        forgotten in the meantime are marked in it.
        """
        plot = {"loss": dg.MetadataValue.md(_loss_curve(self.name, curve))} if curve is not None else {}
        manifest = self._manifest("", facts.model_dump(mode="json"))
        with self.storage.root.lock(layout.EXPOSURE_LOCK):
            if exposed is not None:
                seen = exposed()
                files = {exposure.ROLE: exposure.write(self.storage, self.name, seen)}
                manifest = manifest.model_copy(update={"files": files, "flags": exposure.flags(seen)})
            manifest = self.storage.commit_folder(manifest, folder, parts)
        path = self.storage.location(manifest, next(iter(parts)))
        shown = {**_shown_facts(manifest.facts, folder), **plot, **exposure.flags_metadata(manifest)}
        self._publish(manifest, {**shown, "path": dg.MetadataValue.path(path)})

    def record(self, data_version: str, facts: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Store a manifest without files: an asset that consists of its facts."""
        manifest = self._manifest(data_version, facts)
        self.storage.commit(manifest)
        self._publish(manifest, metadata)

    def stored_so_far(self) -> Iterator[dg.AssetMaterialization]:
        """Nothing: a folder is stored as a whole."""
        yield from ()

    def results(self) -> Iterator[dg.MaterializeResult[Any]]:
        """The event of the execution; none where the body stored nothing."""
        if self._result is not None:
            yield self._result

    def _manifest(self, data_version: str, facts: Mapping[str, Any]) -> Manifest:
        origin = self.origin()
        return Manifest(
            asset=self.name,
            batch=None,
            data_version=data_version,
            code_version=origin.code_version,
            inputs=dict(origin.inputs),
            files={},
            failed_checks=self.failed_checks,
            run_id=origin.run_id,
            facts=dict(facts),
        )

    def _publish(self, manifest: Manifest, metadata: Mapping[str, Any]) -> None:
        self._result = dg.MaterializeResult(
            metadata=inert_metadata({**metadata, **self.recipe_metadata}),
            data_version=dg.DataVersion(manifest.data_version),
            check_results=[*self.checks.values()],
        )


def _shown_facts(facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Numbers and words of a worker's answer, without paths into its folder, which has moved."""
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
