"""The decorator by which a body becomes an asset: a table where the catalogue names its contract, else a folder.

    @asset(catalog.SPLITS, version=splitting.VERSION, reads={"ngram": "decontaminate.ngram"}, checks={…})
    def splits(run: TableRun, split: Split, ngram: int) -> None: ...

A parameter after ``run`` is a section of the recipe: that of its own name, or of the path that ``reads`` gives. These
are the only sections that a body can read, and their values are part of the asset's code version. A parameter named
``config`` takes the place of the usual launch configuration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, get_type_hints

import dagster as dg

from fineline.assets.execution.columns import code_reference, table_metadata
from fineline.assets.execution.events import publish_unchanged
from fineline.assets.execution.folders import FolderRun
from fineline.assets.execution.partitions import ALL_MISSING_IN_ONE_STEP, BATCHES, Launch
from fineline.assets.execution.rules import rule_checks
from fineline.assets.execution.tables import TABLE_CHECKS, TableRun
from fineline.data_contracts.catalog import Asset, Partition
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.faults import MAXIMUM_RETRIES, explain, seconds_to_wait
from fineline.resources.core.storage.holders import working_on
from fineline.resources.core.storage.store import Storage
from fineline.resources.project import Project

Body = Callable[..., None]

DATA_TEAM, MODEL_TEAM = "team:data-engineering", "team:machine-learning"


@dataclass(frozen=True)
class Definition:
    """A body with everything that its asset is defined by; :meth:`build` makes Dagster's asset of it for a recipe."""

    body: Body
    entry: Asset
    version: str
    kinds: Collection[str]
    owner: str
    reads: Mapping[str, str]
    checks: Mapping[str, str]
    pool: str | None

    def build(
        self,
        recipe: Recipe,
        entry: Asset,
        *,
        given: Mapping[str, Any] | None = None,
        outside: Any = None,
        description: str | None = None,
    ) -> dg.AssetsDefinition:
        """The asset of a recipe. ``entry`` is that of the catalogue, with its name and its upstream in the graph.

        ``given`` has the parameters that no path names, such as the one training stage of a model, and ``outside``
        anything else that the result depends on: both are part of the code version. What is ``given`` to an asset that
        governs is not: it is made whenever somebody asks for it.
        """
        given = given or {}
        names = [name for name in list(inspect.signature(self.body).parameters)[1:] if name not in {"config", *given}]
        sections = {name: attrgetter(self.reads.get(name, name))(recipe) for name in names}
        is_table = entry.contract is not None
        versioned = [*sections.values()] if entry.governs else [*given.values(), *sections.values()]
        versioned += [recipe.maximum_quarantine] if is_table else []
        versioned += [outside] if outside else []
        checks = {**(TABLE_CHECKS if is_table else {}), **self.checks}
        specs = [dg.AssetCheckSpec(name, asset=entry.name, description=checks[name], blocking=True) for name in checks]
        return dg.asset(
            name=entry.name,
            group_name=entry.group,
            description=description or inspect.getdoc(self.body),
            kinds={*self.kinds},
            owners=[self.owner],
            code_version=f"{self.version}-{digest(*versioned)}",
            deps=list(entry.upstream),
            partitions_def=BATCHES if entry.per_batch else None,
            backfill_policy=ALL_MISSING_IN_ONE_STEP if entry.per_batch else None,
            pool=self.pool,
            # A model that there is no decision to train is not made, and what would follow it is skipped.
            output_required=entry.gate is None,
            metadata={**(table_metadata(entry, recipe.name) if is_table else {}), **code_reference(self.body)},
            check_specs=[*specs, *(rule_checks(entry.name, entry.schema) if is_table else [])],
        )(self._compute(entry, {**given, **sections}))

    def _compute(self, entry: Asset, parameters: Mapping[str, Any]) -> Callable[..., Any]:
        config_type = get_type_hints(self.body).get("config", Launch)
        run_type = TableRun if entry.contract else FolderRun

        def compute(context: dg.AssetExecutionContext, config: dg.Config, project: Project) -> Iterator[Any]:
            launch = config if isinstance(config, Launch) else Launch(force=True, batches=[])
            storage = project.storage
            reads: list[Partition] = []
            with (
                working_on(f"run {context.run.run_id[:8]}, {entry.name}", context.log.info),
                storage.root.lock(entry.name),
                storage.reading(entry.upstream),
                _explained_faults(context, storage, entry, reads),
            ):
                run = run_type(context, project, entry, launch)
                reads += run.read_from()
                for batch in run.asked:
                    storage.remove_unfinished(entry.name, batch)
                if not run.stale:
                    context.log.info(f"{entry.name} is up to date; launch it with force: true to make it again")
                    manifests = [storage.require(entry.name, batch) for batch in run.asked]
                    yield from publish_unchanged(context, storage, manifests)
                    return
                try:
                    self.body(run, **parameters, **({} if config_type is Launch else {"config": config}))
                except Exception:
                    yield from run.stored_so_far()
                    raise
                finally:
                    run.close()
                yield from run.results()

        # Dagster reads the annotations, and would not resolve them as text.
        resource = dg.ResourceParam[Project]
        compute.__annotations__ = {"context": dg.AssetExecutionContext, "config": config_type, "project": resource}
        return compute


def asset(
    entry: Asset,
    *,
    version: str,
    kinds: Collection[str] = ("polars",),
    owner: str = DATA_TEAM,
    reads: Mapping[str, str] | None = None,
    checks: Mapping[str, str] | None = None,
    pool: str | None = None,
) -> Callable[[Body], Definition]:
    """An asset of the catalogue. ``checks`` are its own blocking checks: what each asks for, by name."""
    return lambda body: Definition(body, entry, version, kinds, owner, reads or {}, checks or {}, pool)


@contextmanager
def _explained_faults(
    context: dg.AssetExecutionContext, storage: Storage, entry: Asset, reads: Sequence[Partition]
) -> Iterator[None]:
    """Turn errors of the machine into what to do about them. Raises RetryRequested for those that may pass.

    ``reads`` may grow meanwhile: everything that the execution may read.
    """
    try:
        yield
    except Exception as error:
        wait = seconds_to_wait(error, context.retry_number, context.run.run_id)
        if wait is not None:
            context.log.warning(f"{entry.name}: {type(error).__name__}; it may pass and is tried again in {wait:.0f} s")
            raise dg.RetryRequested(MAXIMUM_RETRIES, seconds_to_wait=wait) from error
        explained = explain(error, storage, [(each.asset, each.batch) for each in reads])
        if explained is error:
            raise
        raise explained from error
