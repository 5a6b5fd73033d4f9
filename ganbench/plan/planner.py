"""The plan of a suite: its names are resolved in the registry, and its trials are put into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ganbench.api import schedules
from ganbench.api.data import Source
from ganbench.api.metrics import Direction, Metric
from ganbench.api.models import Space, Spec
from ganbench.api.offers import Method, Use
from ganbench.api.trials import Measurement, Part, Recipe, Trial, digest
from ganbench.errors import GanbenchError, NotInstalled, WrongOption
from ganbench.evaluation import success
from ganbench.plan.architectures import sample
from ganbench.plan.batches import Cell, PlannedData
from ganbench.plan.budget import resolve_budget
from ganbench.plan.costs import UNKNOWN, CostCounter
from ganbench.plan.fingerprint import hash_sources, list_sources
from ganbench.plan.network_size import check_networks
from ganbench.plan.recipes import Recipes
from ganbench.plan.refusals import check_packs, check_use, check_where
from ganbench.plan.stages import Choices, Stage, count_architectures, list_stages
from ganbench.registry.exits import explaining_exits
from ganbench.suite import locations
from ganbench.suite.suite import Suite
from ganbench.suite.tables import DEFAULTS, OWN, DatasetTable

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

CHEAP = frozenset({"losses", "constraints", "inputs", "dynamics", "optimizers"})
"""The kinds of offers that are built while planning, so that their errors appear before anything trains."""


@dataclass(frozen=True)
class Planner:
    """Resolves the names of a suite in a registry; every error message begins with the place in the suite.

    With `outline`, a dataset without its files has zeros in their place, if its shape is known. `choices` are the
    configurations that are reported; without them, only those that are tuned are planned.
    """

    suite: Suite
    registry: Registry
    outline: bool = False
    choices: Choices = field(default_factory=dict)

    @cached_property
    def recipes(self) -> Recipes:
        """The methods of the suite."""
        return Recipes(self.suite, self.registry)

    @cached_property
    def fitted_recipes(self) -> dict[str, list[tuple[tuple[Use, ...], Recipe]]]:
        """The resolved recipes of each method, by the constraints that fit; few, even for many architectures."""
        return {}

    @cached_property
    def counter(self) -> CostCounter:
        """The costs of the trials."""
        return CostCounter(self.registry, self.sources)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The datasets, as they were built for the digest of their content, by their label in tables."""
        return {}

    @cached_property
    def architectures(self) -> tuple[Part, list[Spec]]:
        """The space of the architectures, and those drawn from it without replacement."""
        table = self.suite.architectures
        place = locations.locate(self.suite, "architectures")
        part = self.resolve_part("architectures", Use(table.space, options=table.options))
        space: Space = self.registry.build("architectures", part.name, part.options, where=place)
        of_space = f"{place}: {self.registry.get('architectures', part.name)}"
        return part, sample(space, count_architectures(self.suite), table.seed, of_space)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the plan."""
        return list_stages(self.suite, self.architectures[1], self.choices)

    def make_cells(self, tell: Callable[[int, int], None]) -> Iterator[Cell]:
        """Yield the trials of each dataset and architecture, in the order of the suite, stage by stage."""
        planned = 0
        groups = sum(stage.groups for stage in self.stages)
        for stage in self.stages:
            for table in stage.datasets:
                for spec in stage.specs:
                    trials: list[Trial] = []
                    for label, source in stage.methods[table.title].items():
                        first = self.make_trial(stage, table, spec, label, source)
                        tell(planned := planned + 1, groups)
                        trials += first.with_seeds(stage.seeds)
                    yield Cell(trials, self.resolve_data(table.title).measurement)

    def make_trial(self, stage: Stage, table: DatasetTable, spec: Spec, label: str, source: str) -> Trial:
        """Return the trial of a stage's first seed; its method is called `label`, with the recipe of `source`."""
        data, (architecture, _) = self.resolve_data(table.title), self.architectures
        recipe = self.fit_recipe(source, spec)
        check_packs(self.suite, source, recipe, self.registry)
        sources = list_sources(recipe, architecture, data.part, self.registry, data.digest)
        title = f"{architecture.name}-{digest([architecture.options, spec])[:8]}"
        trial = Trial(
            dataset=data.part,
            architecture=architecture,
            spec=spec,
            recipe=recipe,
            seed=stage.seeds[0],
            budget=UNKNOWN,
            code=hash_sources(sources),
            labels={
                "method": label,
                "dataset": table.title,
                "architecture": title,
                "declared": self.suite.declared_name(label),
                "stage": stage.name,
            },
            sources=sources,
            precision=self.suite.engine.precision,
        )
        return replace(trial, budget=resolve_budget(self.suite, trial, self.registry, self.counter))

    # from names to parts

    def resolve_part(self, kind: str, use: Use, *, method: str = "", term: bool = False) -> Part:
        """Return the part that uses an offer, with its version and the options that differ from the defaults."""
        try:
            offered = self.registry.get(kind, use.name)
            options = self.registry.options(kind, use.name, use.options)
            if kind in CHEAP:
                check_use(self.registry, kind, use, options, term=term)
            weight = schedules.normalise_scalar(use.weight) if term else None
        except GanbenchError as error:
            option = error.option if isinstance(error, WrongOption) else ""
            raise GanbenchError(f"{locations.locate_use(self.suite, kind, use, method, option)}: {error}") from error
        return Part(use.name, offered.offer.version, options, weight, use.every if term else None)

    def fit_recipe(self, label: str, spec: Spec) -> Recipe:
        """Return a method's recipe for one architecture, without the constraints whose `where` does not fit it."""
        method = self.recipes.find(label)
        for use in method.constraints:
            if use.where:
                check_where(use, spec, f"{locations.locate_use(self.suite, 'constraints', use, label, 'where')}.where")
        fitting = tuple(u for u in method.constraints if all(spec[key] == value for key, value in u.where.items()))
        resolved = self.fitted_recipes.setdefault(label, [])
        recipe = next((recipe for constraints, recipe in resolved if constraints == fitting), None)
        if recipe is None:
            recipe = self.resolve_recipe(label, method, fitting)
            resolved.append((fitting, recipe))
        return recipe

    def resolve_recipe(self, label: str, method: Method, fitting: Sequence[Use]) -> Recipe:
        """Return the recipe of a method, with the `fitting` ones of its constraints."""
        averaged = method.ema or method.critic_ema
        optimizer, part = method.optimizer or Use(DEFAULTS["optimizer"]), partial(self.resolve_part, method=label)
        return Recipe(
            loss=part("losses", method.loss),
            constraints=tuple(part("constraints", use, term=True) for use in fitting),
            inputs=tuple(part("inputs", use, term=True) for use in method.inputs),
            dynamics=part("dynamics", method.dynamics or Use(DEFAULTS["dynamics"])),
            critic_optimizer=part("optimizers", method.critic_optimizer or optimizer),
            generator_optimizer=part("optimizers", method.generator_optimizer or optimizer),
            critic_steps=schedules.normalise_critic_steps(method.critic_steps),
            order=method.order,
            critic_norm=method.critic_norm,
            ema=method.ema,
            ema_start=method.ema_start if averaged else 0,
            ema_rampup=float(method.ema_rampup) if averaged else 0.0,
            critic_ema=method.critic_ema,
            plateau=None if method.plateau is None else schedules.normalise_plateau(method.plateau),
        )

    # what belongs to a trial or to the plan

    @cached_property
    def data(self) -> dict[str, PlannedData]:
        """The datasets of the suite as they are resolved, by label."""
        return {}

    def resolve_data(self, title: str) -> PlannedData:
        """Return a dataset as it is planned; it is built for the digest of its content."""
        if title not in self.data:
            table = next(each for each in self.suite.dataset if each.title == title)
            part = self.resolve_part("datasets", Use(table.name, options=table.options))
            measurement = self.resolve_measurement(table)
            self.data[title] = PlannedData(part, measurement, self.digest_data(table, part))
        return self.data[title]

    def digest_data(self, table: DatasetTable, dataset: Part) -> str:
        """Return the digest of a dataset's content; it is built for that, as are networks for its samples.

        It is "unreadable", the digest of no data, where the content cannot be read: the checks before training say why.
        """
        from ganbench.engine.data_digest import digest_data

        place = locations.locate_use(self.suite, "datasets", Use(table.name, options=table.options))
        source = self.sources[table.title] = self.build_dataset(dataset, place)
        architecture, specs = self.architectures
        space: Space = self.registry.build("architectures", architecture.name, architecture.options)
        check_networks(space, specs, source, locations.locate(self.suite, "architectures"))
        with explaining_exits(f"{place}: dataset {dataset.name!r}"):
            try:
                return digest_data(source)
            except GanbenchError as error:
                raise GanbenchError(f"{place}: dataset {dataset.name!r}: {error}") from error
            except Exception:  # a third party's `take` may raise anything
                return "unreadable"

    def build_dataset(self, part: Part, place: str) -> Source:
        """Return a dataset; its outline, if its files are missing and outlines are enough."""
        from ganbench.engine.cost import make_blank

        try:
            source: Source = self.registry.build("datasets", part.name, part.options, where=place)
        except GanbenchError as error:
            lacking = NotInstalled.behind(error)
            if not self.outline or lacking is None or not lacking.shape:
                raise
            source = make_blank(lacking.shape, lacking.classes)
        return source

    def resolve_measurement(self, table: DatasetTable) -> Measurement:
        """Return the metrics of a dataset: those of its table, else of [measurement], else of its offer.

        The extractor is None where no metric is on features.
        """
        settings = self.suite.measurement
        place = locations.locate_use(self.suite, "datasets", Use(table.name, options=table.options))
        defaults = self.registry.get("datasets", table.name, where=place).offer.metrics
        tables = table.metrics or settings.metrics
        uses = [each.use() for each in tables] if tables else [Use(name) for name in defaults]
        metrics = tuple(self.resolve_part("metrics", use) for use in uses)
        built = [self.registry.build("metrics", part.name, part.options, where=place) for part in metrics]
        extractor = self.resolve_extractor(table)
        return Measurement(
            metrics=metrics,
            samples=settings.samples,
            extractor=extractor if any(metric.on_features for metric in built) else None,
            normalisation=settings.normalisation,
        )

    def resolve_extractor(self, table: DatasetTable) -> Part | None:
        """Return the extractor for a dataset: that of its table, else of [measurement]; None for the dataset's own."""
        chosen = table.extractor or self.suite.measurement.extractor
        return None if chosen is None or chosen.name == OWN else self.resolve_part("extractors", chosen.use())

    def build_metrics(self, table: DatasetTable) -> list[Metric]:
        """Return the metrics of a dataset; raise GanbenchError for one that needs more samples than are scored."""
        place = locations.locate_use(self.suite, "datasets", Use(table.name, options=table.options))
        measurement, metrics = self.resolve_measurement(table), []
        for part in measurement.metrics:
            metric: Metric = self.registry.build("metrics", part.name, part.options, where=place)
            if metric.least_samples > measurement.samples:
                raise GanbenchError(
                    f"{place}: metric {part.name!r} with these options needs {metric.least_samples} samples of each "
                    f"model, and [measurement] has samples = {measurement.samples}. Use more, or change the options."
                )
            metrics.append(metric)
        return metrics

    def check_success(self) -> dict[str, Direction]:
        """Return the direction of every value; raise GanbenchError for a rule that the metrics cannot answer."""
        directions: dict[str, Direction] = {}
        for table in self.suite.dataset:
            built = self.build_metrics(table)
            metrics: dict[str, Metric] = {name: metric for metric in built for name in metric.values}
            directions |= {name: metric.values[name] for name, metric in metrics.items()}
            for i, rule in enumerate(self.suite.success):
                if rule.dataset == table.title:
                    place = f"{locations.locate(self.suite, 'success', i)} for {rule.dataset!r}"
                    success.check_rule(rule, metrics, self.suite.budget.snapshots, place)
        return directions
