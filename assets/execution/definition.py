"""The decorators by which a body becomes an asset: ``@table`` for a table, ``@folder`` for a folder of files.

    @table(catalog.SPLITS, version=splitting.VERSION, reads={"ngram": "decontaminate.ngram"}, checks={…})
    def splits(run: TableRun, split: Split, ngram: int) -> None: ...

A parameter after ``run`` is a section of the recipe: that of its own name, or of the path that ``reads`` gives. These
are the only sections that a body can read, and their values are part of the asset's code version. A parameter named
``config`` takes the place of the usual launch configuration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, get_type_hints

import dagster as dg

from fineline.assets.execution.columns import code_reference, table_metadata
from fineline.assets.execution.events import publish_unchanged
from fineline.assets.execution.folders import FolderRun
from fineline.assets.execution.partitions import ALL_MISSING_IN_ONE_STEP, BATCHES, Launch
from fineline.assets.execution.provenance import Provenance
from fineline.assets.execution.rules import rule_checks
from fineline.assets.execution.tables import TABLE_CHECKS, TableRun
from fineline.data_contracts.catalog import Asset
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.faults import MAXIMUM_RETRIES, explain, seconds_to_wait
from fineline.resources.project import Project

Body = Callable[..., None]

DATA_TEAM, MODEL_TEAM = "team:data-engineering", "team:machine-learning"


@dataclass(frozen=True)
class Definition:
    """A body with everything that its asset is defined by; :meth:`build` makes Dagster's asset of it for a recipe."""

    body: Body
    asset: Asset
    version: str
    run: type[TableRun | FolderRun]
    kinds: Collection[str]
    owner: str
    reads: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    pool: str | None = None

    def build(
        self,
        recipe: Recipe,
        asset: Asset,
        *,
        sections: Mapping[str, Any] | None = None,
        unversioned: Mapping[str, Any] | None = None,
        outside: Any = None,
        description: str | None = None,
    ) -> dg.AssetsDefinition:
        """The asset of a recipe. ``asset`` is its entry, with the name and the upstream that it has in the graph.

        ``sections`` gives sections that no path names, such as the one training stage of a model, and ``outside``
        anything else that the result depends on: both are part of the code version. ``unversioned`` gives parameters
        that are not, for an asset that nothing follows.
        """
        signature = inspect.signature(self.body)
        read, unread = dict(sections or {}), {"config", *(unversioned or {})}
        for name in list(signature.parameters)[1:]:
            if name not in unread and name not in read:
                read[name] = attrgetter(self.reads.get(name, name))(recipe)
        table = self.asset.contract is not None
        values = [*read.values(), *([recipe.maximum_quarantine] if table else []), *([outside] if outside else [])]
        specs = {**(TABLE_CHECKS if table else {}), **self.checks}
        return dg.asset(
            name=asset.name,
            group_name=asset.group,
            description=description or inspect.getdoc(self.body),
            kinds={*self.kinds},
            owners=[self.owner],
            code_version=f"{self.version}-{digest(*values)}",
            deps=list(asset.upstream),
            partitions_def=BATCHES if asset.per_batch else None,
            backfill_policy=ALL_MISSING_IN_ONE_STEP if asset.per_batch else None,
            pool=self.pool,
            # A model that there is no decision to train is not made, and what would follow it is skipped.
            output_required=asset.gate is None,
            metadata={**(table_metadata(asset, recipe.name) if table else {}), **code_reference(self.body)},
            check_specs=[
                *(
                    dg.AssetCheckSpec(name, asset=asset.name, description=text, blocking=True)
                    for name, text in specs.items()
                ),
                *(rule_checks(asset.name, asset.schema) if table else []),
            ],
        )(self._compute(asset, {**read, **(unversioned or {})}, get_type_hints(self.body).get("config", Launch)))

    def _compute(self, asset: Asset, given: Mapping[str, Any], config_type: type[dg.Config]) -> Callable[..., Any]:
        passes_config = config_type is not Launch

        def compute(context: dg.AssetExecutionContext, config: dg.Config, project: Project) -> Iterator[Any]:
            launch = config if isinstance(config, Launch) else Launch(force=True, batches=[])
            storage = project.storage
            with storage.root.lock(asset.name), storage.reading(asset.upstream):
                provenance = Provenance(context, project, asset, launch)
                with _explained_faults(context, project, provenance):
                    for batch in provenance.asked:
                        storage.remove_unfinished(asset.name, batch)
                    run = self.run(context, project, asset, provenance)
                    if not run.stale:
                        context.log.info(f"{asset.name} is up to date; launch it with force: true to make it again")
                        manifests = [storage.require(asset.name, batch) for batch in provenance.asked]
                        yield from publish_unchanged(context, storage, manifests)
                        return
                    try:
                        self.body(run, **given, **({"config": config} if passes_config else {}))
                    except Exception:
                        yield from run.stored_so_far()
                        raise
                    finally:
                        run.close()
                    yield from run.results()

        # Dagster reads the annotations, and would not resolve them as text.
        compute.__annotations__ = {"context": dg.AssetExecutionContext, "config": config_type, "project": Project}
        return compute


def table(
    asset: Asset,
    *,
    version: str,
    kinds: Collection[str] = ("polars",),
    owner: str = DATA_TEAM,
    reads: Mapping[str, str] | None = None,
    checks: Mapping[str, str] | None = None,
) -> Callable[[Body], Definition]:
    """An asset that has a table. ``checks`` are its own blocking checks: what each asks for, by name."""
    return lambda body: Definition(body, asset, version, TableRun, kinds, owner, reads or {}, checks or {})


def folder(
    asset: Asset,
    *,
    version: str,
    kinds: Collection[str],
    owner: str = MODEL_TEAM,
    reads: Mapping[str, str] | None = None,
    checks: Mapping[str, str] | None = None,
    pool: str | None = None,
) -> Callable[[Body], Definition]:
    """An asset that is a folder of files, or that consists of its facts alone."""
    return lambda body: Definition(body, asset, version, FolderRun, kinds, owner, reads or {}, checks or {}, pool)


@contextmanager
def _explained_faults(context: dg.AssetExecutionContext, project: Project, provenance: Provenance) -> Iterator[None]:
    """Turn errors of the machine into what to do about them. Raises RetryRequested for those that may pass."""
    try:
        yield
    except Exception as error:
        asset = context.asset_key.to_user_string()
        wait = seconds_to_wait(error, context.retry_number, context.run.run_id)
        if wait is not None:
            context.log.warning(f"{asset}: {type(error).__name__}; it may pass and is tried again in {wait:.0f} s")
            raise dg.RetryRequested(MAXIMUM_RETRIES, seconds_to_wait=wait) from error
        read = [(each.asset, each.batch) for each in provenance.read_from()]
        explained = explain(error, project.storage, read)
        if explained is error:
            raise
        raise explained from error
