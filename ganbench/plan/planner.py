"""The plan of a suite: its names are resolved in the registry, and its trials are put into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ganbench.api import schedules
from ganbench.api.data import Source
from ganbench.api.metrics import Direction, Metric
from ganbench.api.models import Space, Spec
from ganbench.api.offers import Method, Use
from ganbench.api.trials import Batch, Measurement, Part, Recipe, Trial, digest, list_offers
from ganbench.errors import GanbenchError, NotInstalled, WrongOption
from ganbench.evaluation import success
from ganbench.plan.architectures import sample
from ganbench.plan.averages import find_long_averages
from ganbench.plan.budget import resolve_budget
from ganbench.plan.claims import refuse_undecidable, refuse_undrawable
from ganbench.plan.composition import MOST_MEMBERS, choose_mode, seeds_per_batch
from ganbench.plan.costs import UNKNOWN, CostCounter
from ganbench.plan.doubts import find_cautions, find_doubts, find_large_members, find_unruled, find_unused_constraints
from ganbench.plan.extractors import choose_sources, describe_extractors
from ganbench.plan.fallbacks import choose_datasets
from ganbench.plan.fingerprint import hash_sources, list_sources
from ganbench.plan.needs import refuse_unmeasurable
from ganbench.plan.network_size import check_networks
from ganbench.plan.plan import Plan
from ganbench.plan.recipes import Recipes
from ganbench.plan.refusals import check_packs, check_suite, check_use, check_where
from ganbench.registry.exits import explaining_exits
from ganbench.suite import locations
from ganbench.suite.suite import Suite
from ganbench.suite.tables import DEFAULTS, OWN, DatasetTable

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

CHEAP = frozenset({"losses", "constraints", "inputs", "dynamics", "optimizers"})
"""The kinds of offers that are built while planning, so that their errors appear before anything trains."""


def make(
    suite: Suite,
    registry: Registry,
    tell: Callable[[int, int], None] = lambda done, total: None,
    tell_trial: Callable[[str], None] = lambda doing: None,
) -> Plan:
    """Return the plan of a suite: every dataset x architecture x method x seed, in batches of seeds.

    `tell` is called with how many of all datasets x architectures x methods are planned: a budget in FLOPs takes time.
    `tell_trial` is called before a metric is tried, with words that say which one.
    Raise GanbenchError, with the place in the suite, for unknown names and for options that an offer does not allow.
    """
    check_suite(suite)
    used, replaced = choose_datasets(suite, registry)
    planner = Planner(used, registry)
    directions = planner.check_success()
    batches = tuple(planner.make_batches(tell))
    if used.claim or used.figure:
        metrics = {table.title: planner.build_metrics(table) for table in used.dataset}
        refuse_undecidable(used, metrics, batches)
        refuse_undrawable(used, metrics, batches)
    sources = choose_sources(used, batches, registry, planner.sources)
    refuse_unmeasurable(used, batches, registry, sources, tell_trial)
    trials = tuple(trial for batch in batches for trial in batch.trials)
    return Plan(
        trials=trials,
        batches=batches,
        directions=directions,
        cautions=find_cautions(batches, registry)
        | find_long_averages(batches)
        | find_doubts(used, batches, registry)
        | find_large_members(planner.large_members, used.engine.memory)
        | find_unused_constraints(planner.fitted_recipes, planner.recipes.resolve),
        unruled=find_unruled(used),
        methods={label: planner.recipes.describe(label) for label in suite.method_names},
        remarks=replaced,
        suite=used if used is not suite else None,
        extractors=describe_extractors(batches, registry, sources),
    )


@dataclass(frozen=True)
class Planner:
    """Resolves the names of a suite in a registry; every error message begins with the place in the suite.

    With `outline`, a dataset without its files has zeros in their place, if its shape is known.
    """

    suite: Suite
    registry: Registry
    outline: bool = False

    @cached_property
    def recipes(self) -> Recipes:
        """The methods of the suite."""
        return Recipes(self.suite, self.registry)

    @cached_property
    def fitted_recipes(self) -> dict[str, list[tuple[tuple[Use, ...], Recipe]]]:
        """The resolved recipes of each method, by the constraints that fit; few, even for many architectures."""
        return {}

    @cached_property
    def large_members(self) -> dict[str, float]:
        """The bytes of the largest member that does not fit into the memory, by method."""
        return {}

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The datasets, as they were built for the digest of their content, by their label in tables."""
        return {}

    def make_batches(self, tell: Callable[[int, int], None]) -> Iterator[Batch]:
        """Yield the batches in the order of the suite: datasets, architectures, methods."""
        methods = {label: self.recipes.resolve(label) for label in self.suite.method_names}
        architecture, specs = self.draw_architectures()
        counter = CostCounter(self.registry, self.sources)
        space: Space = self.registry.build("architectures", architecture.name, architecture.options)
        groups, planned = len(self.suite.dataset) * len(specs) * len(methods), 0
        for table in self.suite.dataset:
            dataset = self.resolve_part("datasets", Use(table.name, options=table.options))
            measurement, data = self.resolve_measurement(table), self.digest_data(table, dataset, space, specs)
            for spec in specs:
                for label, method in methods.items():
                    recipe = self.fit_recipe(label, method, spec)
                    check_packs(self.suite, label, recipe, self.registry)
                    sources = list_sources(recipe, architecture, dataset, self.registry, data)
                    title = f"{architecture.name}-{digest([architecture.options, spec])[:8]}"
                    first = Trial(
                        dataset=dataset,
                        architecture=architecture,
                        spec=spec,
                        recipe=recipe,
                        seed=self.suite.seed_list[0],
                        budget=UNKNOWN,
                        code=hash_sources(sources),
                        labels={"method": label, "dataset": table.title, "architecture": title},
                        sources=sources,
                        precision=self.suite.engine.precision,
                    )
                    first = replace(first, budget=resolve_budget(self.suite, first, self.registry, counter))
                    tell(planned := planned + 1, groups)
                    trials = [replace(first, seed=seed) for seed in self.suite.seed_list]
                    yield from self.compose_batches(trials, groups, measurement, counter)

    def compose_batches(
        self, trials: Sequence[Trial], groups: int, measurement: Measurement, counter: CostCounter
    ) -> Iterator[Batch]:
        """Yield the batches of trials that differ only in their seed, by the rules of `plan.composition`."""
        first, seeds, memory = trials[0], len(trials), self.suite.engine.memory_bytes
        size, channels = 1.0, 0
        if seeds > 1:
            size, channels = counter.measure_member(first, first.budget.batch_size, memory / min(seeds, MOST_MEMBERS))
        if size > memory:
            label = first.labels["method"]
            self.large_members[label] = max(size, self.large_members.get(label, 0))
        most = seeds_per_batch(seeds, groups, int(memory / size))
        shape = self.sources[first.labels["dataset"]].shape
        stackable = self.is_stackable(first.recipe, first.architecture)
        for start in range(0, seeds, most):
            members = tuple(trials[start : start + most])
            mode = choose_mode(len(members), stackable, shape, channels)
            yield Batch(trials=members, mode=mode, measurement=measurement)

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

    def draw_architectures(self) -> tuple[Part, list[Spec]]:
        """Return the architecture space and the specs drawn from it, without replacement."""
        table = self.suite.architectures
        place = locations.locate(self.suite, "architectures")
        part = self.resolve_part("architectures", Use(table.space, options=table.options))
        space: Space = self.registry.build("architectures", part.name, part.options, where=place)
        of_space = f"{place}: {self.registry.get('architectures', part.name)}"
        return part, sample(space, table.sample, table.seed, of_space)

    def fit_recipe(self, label: str, method: Method, spec: Spec) -> Recipe:
        """Return a method's recipe for one architecture, without the constraints whose `where` does not fit it."""
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

    def digest_data(self, table: DatasetTable, dataset: Part, space: Space, specs: Sequence[Spec]) -> str:
        """Return the digest of a dataset's content; it is built for that, as are networks for its samples.

        It is "unreadable", the digest of no data, where the content cannot be read: the checks before training say why.
        """
        from ganbench.engine.data_digest import digest_data

        place = locations.locate_use(self.suite, "datasets", Use(table.name, options=table.options))
        source = self.sources[table.title] = self.build_dataset(dataset, place)
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

    def is_stackable(self, recipe: Recipe, architecture: Part) -> bool:
        """Return whether every offer of a trial can train a stack of seeds."""
        return all(self.registry.get(kind, name).offer.stackable for kind, name in list_offers(recipe, architecture))

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
