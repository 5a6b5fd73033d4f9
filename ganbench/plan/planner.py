"""From a question to the work it takes: Suite x Registry -> Trials -> Batches, minus what the store holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from math import ceil
from typing import TYPE_CHECKING

from ganbench.api import schedules
from ganbench.api.metrics import Direction, Metric
from ganbench.api.models import Space, Spec
from ganbench.api.offers import Method, Use
from ganbench.api.trials import Batch, Measurement, Mode, Part, Recipe, Trial, canonical_json, digest, list_offers
from ganbench.engine.numerics import ENGINE_NUMERICS
from ganbench.errors import GanbenchError, WrongOption, unknown
from ganbench.evaluation import success
from ganbench.plan.budget import UNKNOWN, resolve_budget
from ganbench.plan.plan import STACK_FROM, Plan
from ganbench.suite import locations
from ganbench.suite.suite import DEFAULTS, DatasetTable, Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

MOST_MEMBERS = 32
"""Seeds of one batch at the most."""

FEW_BATCHES, CUT_TO = 8, 8
"""A plan of fewer batches is cut into smaller ones, down to so many seeds, lest cores idle: whatever the machine, for a
seed's company must not hang on it. Eight seeds 3 x 64 cost a quarter more each than sixteen, 3 x 256 nothing."""

CHEAP = frozenset({"losses", "constraints", "inputs", "dynamics", "optimizers"})
"""Kinds whose offers are built while planning, so that their own complaints come before anything trains."""

FRUITLESS_DRAWS = 10_000
"""Draws in a row without a new spec after which a space is taken to be exhausted."""


def make(suite: Suite, registry: Registry) -> Plan:
    """Plan a suite: every dataset x architecture x method x seed, in batches of seeds."""
    planner = Planner(suite, registry)
    directions = planner.check_success()
    batches = tuple(planner.make_batches())
    trials = tuple(trial for batch in batches for trial in batch.trials)
    return Plan(
        trials=trials,
        batches=batches,
        directions=directions,
        cautions=planner.collect_cautions(batches),
        unruled=planner.datasets_without_rule(),
    )


def seeds_per_batch(seeds: int, groups: int) -> int:
    """Give how many of `seeds` train together, where they do so for `groups` of method, dataset and architecture."""
    parts = max(ceil(seeds / MOST_MEMBERS), min(ceil(FEW_BATCHES / groups), seeds // CUT_TO))
    return ceil(seeds / parts)


@dataclass(frozen=True)
class Planner:
    """Resolves the names of a suite against what is installed; every complaint says where in the suite it arose."""

    suite: Suite
    registry: Registry

    @cached_property
    def fitted_recipes(self) -> dict[str, list[tuple[tuple[Use, ...], Recipe]]]:
        """Each method's resolved recipes with the constraints that fitted: a few, for however many architectures."""
        return {}

    @cached_property
    def source_hash(self) -> Callable[[str, str], str]:
        """The hash of the sources behind an offer, read once for a plan."""
        return cache(self.registry.code)

    def make_batches(self) -> Iterator[Batch]:
        """Give the batches in the order of the suite: datasets, architectures, methods."""
        methods = {label: self.resolve_method(label) for label in self.suite.method_names}
        architecture, specs = self.draw_architectures()
        most = seeds_per_batch(len(self.suite.seed_list), len(self.suite.dataset) * len(specs) * len(methods))
        for table in self.suite.dataset:
            dataset, measurement = (
                self.resolve_part("datasets", Use(table.name, options=table.options)),
                self.resolve_measurement(table),
            )
            for spec in specs:
                for label, method in methods.items():
                    recipe = self.fit_recipe(label, method, spec)
                    code = self.hash_code(recipe, architecture, dataset)
                    named = f"{architecture.name}-{digest([architecture.options, spec])[:8]}"
                    first = Trial(
                        dataset=dataset,
                        architecture=architecture,
                        spec=spec,
                        recipe=recipe,
                        seed=self.suite.seed_list[0],
                        budget=UNKNOWN,
                        code=code,
                        labels={"method": label, "dataset": table.title, "architecture": named},
                    )
                    first = replace(first, budget=resolve_budget(self.suite, first, self.registry))
                    trials = [replace(first, seed=seed) for seed in self.suite.seed_list]
                    stackable = self.is_stackable(recipe, architecture)
                    for start in range(0, len(trials), most):
                        members = tuple(trials[start : start + most])
                        mode: Mode = "stack" if stackable and len(members) >= STACK_FROM else "loop"
                        yield Batch(trials=members, mode=mode, measurement=measurement)

    # names to parts

    def resolve_part(self, kind: str, use: Use, *, method: str = "", term: bool = False) -> Part:
        """Resolve one use of an offer: its version, and the options that differ from the defaults."""
        try:
            offered = self.registry.get(kind, use.name)
            options = self.registry.options(kind, use.name, use.options)
            if kind in CHEAP:
                self.registry.build(kind, use.name, options)
            weight = schedules.normalise_scalar(use.weight) if term else None
        except GanbenchError as error:
            option = error.option if isinstance(error, WrongOption) else ""
            raise GanbenchError(f"{locations.locate_use(self.suite, kind, use, method, option)}: {error}") from error
        return Part(use.name, offered.offer.version, options, weight, use.every if term else None)

    def draw_architectures(self) -> tuple[Part, list[Spec]]:
        """Give the architecture space and the specs drawn from it, without replacement."""
        table = self.suite.architectures
        part = self.resolve_part("architectures", Use(table.space, options=table.options))
        space: Space = self.registry.build("architectures", part.name, part.options)
        place = locations.locate(self.suite, "architectures")
        return part, sample(space, table.sample, table.seed, place)

    def resolve_method(self, label: str) -> Method:
        """Give the recipe a suite calls by this label: a named one, one of its own, or one that starts from another."""
        table, recipes = self.suite.method_table(label), self.registry.names("methods")
        if table is not None and table.from_ is None and table.loss is not None and label not in recipes:
            return table.applied(Method(loss=table.loss.use()))
        start = (table.from_ if table is not None else None) or label
        if start != label and self.suite.method_table(start) is not None:
            base = self.resolve_method(start)
        else:
            if start not in recipes:
                raise unknown(
                    "method", start, {*recipes, *self.suite.method_names} - {start}, self.locate_method(label, start)
                )
            base = self.registry.build("methods", start, {})
        return base if table is None else table.applied(base)

    def locate_method(self, label: str, start: str) -> str:
        """Give the place where a method's start is named: in its table, if it is not the label itself."""
        tables = [table.name for table in self.suite.method]
        if start != label:
            return locations.locate(self.suite, "method", tables.index(label), "from")
        return locations.locate_method(self.suite, label)

    def fit_recipe(self, label: str, method: Method, spec: Spec) -> Recipe:
        """Resolve a method for one architecture: constraints whose `where` does not fit it fall away."""
        for use in method.constraints:
            strange = next((key for key in use.where if key not in spec), None)
            if strange is not None:
                place = f"{locations.locate_use(self.suite, 'constraints', use, label)}.where"
                raise unknown("property of this architecture", strange, spec, place)
        fitting = tuple(u for u in method.constraints if all(spec[key] == value for key, value in u.where.items()))
        known = [recipe for uses, recipe in self.fitted_recipes.setdefault(label, []) if uses == fitting]
        if not known:
            known = [self.resolve_recipe(label, method, fitting)]
            self.fitted_recipes[label].append((fitting, known[0]))
        return known[0]

    def resolve_recipe(self, label: str, method: Method, fitting: Sequence[Use]) -> Recipe:
        """Resolve every name in a method, with those of its constraints that fit."""
        both, part = method.optimizer or Use(DEFAULTS["optimizer"]), partial(self.resolve_part, method=label)
        return Recipe(
            loss=part("losses", method.loss),
            constraints=tuple(part("constraints", use, term=True) for use in fitting),
            inputs=tuple(part("inputs", use, term=True) for use in method.inputs),
            dynamics=part("dynamics", method.dynamics or Use(DEFAULTS["dynamics"])),
            critic_optimizer=part("optimizers", method.critic_optimizer or both),
            generator_optimizer=part("optimizers", method.generator_optimizer or both),
            critic_steps=schedules.normalise_critic_steps(method.critic_steps),
            order=method.order,
            critic_norm=method.critic_norm,
            ema=method.ema,
        )

    # what goes with a trial

    def datasets_without_rule(self) -> tuple[str, ...]:
        """Give the datasets that no success rule is about."""
        ruled = {rule.dataset for rule in self.suite.success}
        return tuple(table.title for table in self.suite.dataset if table.title not in ruled)

    def collect_cautions(self, batches: Sequence[Batch]) -> dict[str, list[str]]:
        """Give what the offers in use warn of, with the methods concerned."""
        found: dict[str, list[str]] = {}
        for trial in (batch.trials[0] for batch in batches):
            for kind, name in list_offers(trial.recipe, trial.architecture):
                caution = self.registry.get(kind, name).offer.caution
                for sentence in caution(trial.recipe, trial.spec) if caution else ():
                    methods = found.setdefault(sentence, [])
                    if trial.labels["method"] not in methods:
                        methods.append(trial.labels["method"])
        return found

    def hash_code(self, recipe: Recipe, architecture: Part, dataset: Part) -> str:
        """Give the hash of the code that answers a trial: its providers' sources and the engine's numerics."""
        used = sorted({*list_offers(recipe, architecture), ("datasets", dataset.name)})
        return digest([ENGINE_NUMERICS, [[kind, name, self.source_hash(kind, name)] for kind, name in used]])

    def is_stackable(self, recipe: Recipe, architecture: Part) -> bool:
        """Tell whether every offer of a trial can be mapped over seeds."""
        return all(self.registry.get(kind, name).offer.stackable for kind, name in list_offers(recipe, architecture))

    def resolve_measurement(self, table: DatasetTable) -> Measurement:
        """Give the metrics of a dataset: the suite's, or else the dataset's own."""
        asked = self.suite.measurement
        place = locations.locate_use(self.suite, "datasets", Use(table.name, options=table.options))
        own = self.registry.get("datasets", table.name, where=place).offer.metrics
        named = table.metrics or asked.metrics
        uses = [each.use() for each in named] if named else [Use(name) for name in own]
        return Measurement(metrics=tuple(self.resolve_part("metrics", use) for use in uses), samples=asked.samples)

    def check_success(self) -> dict[str, Direction]:
        """Check every success rule against what its dataset is measured by; give the direction of every value."""
        directions: dict[str, Direction] = {}
        for table in self.suite.dataset:
            built = [
                self.registry.build("metrics", each.name, each.options)
                for each in self.resolve_measurement(table).metrics
            ]
            metrics: dict[str, Metric] = {name: metric for metric in built for name in metric.values}
            directions |= {name: metric.values[name] for name, metric in metrics.items()}
            for i, rule in enumerate(self.suite.success):
                if rule.dataset == table.title:
                    place = f"{locations.locate(self.suite, 'success', i)} for {rule.dataset!r}"
                    success.check_rule(rule, metrics, self.suite.budget.snapshots, place)
        return directions


def sample(space: Space, count: int, seed: int, place: str) -> list[Spec]:
    """Draw distinct specs; the first n of a larger sample are the same.

    Raises GanbenchError where the space has fewer.
    """
    rng, seen, fruitless = random.Random(seed), dict[str, Spec](), 0
    while len(seen) < count:
        if fruitless >= FRUITLESS_DRAWS or (space.size is not None and len(seen) >= space.size):
            raise GanbenchError(
                f"{place}: sample = {count}, but this space has only {len(seen)} architectures. Ask for so many."
            )
        before = len(seen)
        spec = space.sample(rng)
        seen.setdefault(canonical_json(spec), spec)
        fruitless = 0 if len(seen) > before else fruitless + 1
    return list(seen.values())
