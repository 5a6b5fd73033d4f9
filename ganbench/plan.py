"""From a question to the work it takes: Suite x Registry -> Trials -> Batches, minus what the store holds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from ganbench import schedules
from ganbench.engine.train import ENGINE_NUMERICS
from ganbench.errors import GanbenchError, unknown
from ganbench.records import Direction, Method, Metric, Space, Spec, Use
from ganbench.suite import DEFAULTS, BudgetTable, DatasetTable, SuccessTable, Suite
from ganbench.trials import Batch, Budget, Measurement, Mode, Part, Recipe, Trial, canonical, digest

if TYPE_CHECKING:
    from ganbench.registry import Registry

STACK_FROM = 3
"""Seeds from which stacking beats the loop form."""

MOST_MEMBERS = 32
"""Seeds of one batch at the most."""

FRUITLESS_DRAWS = 10_000
"""Draws in a row without a new spec after which a space is taken to be exhausted."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a suite asks for.

    `directions` says which way each measured value is better; `cautions` are the warnings of the literature, each
    with the methods that it is about.
    """

    trials: tuple[Trial, ...]
    batches: tuple[Batch, ...]
    directions: Mapping[str, Direction]
    cautions: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Todo:
    """What is left of a plan: batches to train, and the keys of records whose code has changed since."""

    batches: tuple[Batch, ...]
    stale: frozenset[str] = field(default_factory=frozenset)


def make(suite: Suite, registry: Registry) -> Plan:
    """Plan a suite: every dataset x architecture x method x seed, in batches of seeds."""
    planner = Planner(suite, registry)
    directions = planner.check_success()
    batches = tuple(planner.batches())
    trials = tuple(trial for batch in batches for trial in batch.trials)
    return Plan(trials=trials, batches=batches, directions=directions, cautions=planner.cautions(batches))


def missing(plan: Plan, known: Mapping[str, tuple[str, str]], retry: Sequence[str] = ()) -> Todo:
    """Take off what the store holds: `known` maps a key to (code, status); statuses in `retry` are trained again.

    A record answers a trial if key and code match. What is left of a partly stored batch trains as a batch of its own.
    """
    left: list[Batch] = []
    stale: set[str] = set()
    for batch in plan.batches:
        open_: list[Trial] = []
        for trial in batch.trials:
            code, status = known.get(trial.key, ("", ""))
            if trial.key in known and code != trial.code:
                stale.add(trial.key)
            if code != trial.code or status in retry:
                open_.append(trial)
        if len(open_) == len(batch.trials):
            left.append(batch)
        elif open_:
            mode: Mode = "stack" if batch.mode == "stack" and len(open_) >= STACK_FROM else "loop"
            left.append(replace(batch, trials=tuple(open_), mode=mode))
    return Todo(batches=tuple(left), stale=frozenset(stale))


@dataclass(frozen=True)
class Planner:
    """Resolves the names of a suite against what is installed; every complaint says where in the suite it arose."""

    suite: Suite
    registry: Registry

    def batches(self) -> Iterator[Batch]:
        """Give the batches in the order of the suite: datasets, architectures, methods."""
        methods = {label: self.method(label) for label in self.suite.method_names}
        architecture, specs = self.architecture()
        for table in self.suite.dataset:
            dataset, measurement = self.part("datasets", Use(table.name, options=table.options)), self.measured(table)
            for spec in specs:
                for label, method in methods.items():
                    recipe = self.recipe(label, method, spec)
                    code = self.code(recipe, architecture, dataset)
                    named = f"{architecture.name}-{digest([architecture.options, spec])[:8]}"
                    trials = [
                        Trial(
                            dataset=dataset,
                            architecture=architecture,
                            spec=spec,
                            recipe=recipe,
                            seed=seed,
                            budget=budget(self.suite.budget, recipe, self.registry),
                            code=code,
                            labels={"method": label, "dataset": table.title, "architecture": named},
                        )
                        for seed in self.suite.seed_list
                    ]
                    stackable = self.stackable(recipe, architecture)
                    for start in range(0, len(trials), MOST_MEMBERS):
                        members = tuple(trials[start : start + MOST_MEMBERS])
                        mode: Mode = "stack" if stackable and len(members) >= STACK_FROM else "loop"
                        yield Batch(trials=members, mode=mode, measurement=measurement)

    # names to parts

    def part(self, kind: str, use: Use, *, term: bool = False) -> Part:
        """Resolve one use of an offer: its version, and the options that differ from the defaults."""
        offered = self.registry.get(kind, use.name, where=self.suite.where)
        options = self.registry.options(kind, use.name, use.options, where=self.suite.where)
        weight = schedules.plain_scalar(use.weight) if term else None
        return Part(use.name, offered.offer.version, options, weight, use.every if term else None)

    def architecture(self) -> tuple[Part, list[Spec]]:
        """Give the architecture space and the specs drawn from it, without replacement."""
        table = self.suite.architectures
        part = self.part("architectures", Use(table.space, options=table.options))
        space: Space = self.registry.build("architectures", part.name, part.options)
        return part, sample(space, table.sample, table.seed, f"{self.suite.where}: [architectures] {table.space!r}")

    def method(self, label: str) -> Method:
        """Give the recipe a suite calls by this label: a named one, one of its own, or one that starts from another."""
        table, recipes = self.suite.method_table(label), self.registry.names("methods")
        if table is not None and table.from_ is None and table.loss is not None and label not in recipes:
            return table.applied(Method(loss=table.loss.use()))
        start = (table.from_ if table is not None else None) or label
        if start != label and self.suite.method_table(start) is not None:
            base = self.method(start)
        else:
            self.registry.get("methods", start, where=f"{self.suite.where}: methods")
            base = self.registry.build("methods", start, {})
        return base if table is None else table.applied(base)

    def recipe(self, label: str, method: Method, spec: Spec) -> Recipe:
        """Resolve a method for one architecture: constraints whose `where` does not fit it fall away."""
        for use in method.constraints:
            strange = next((key for key in use.where if key not in spec), None)
            if strange is not None:
                place = f"{self.suite.where}: method {label!r}, constraint {use.name!r}, where"
                raise unknown("property of this architecture", strange, spec, place)
        fitting = [u for u in method.constraints if all(spec[key] == value for key, value in u.where.items())]
        both = method.optimizer or Use(DEFAULTS["optimizer"])
        return Recipe(
            loss=self.part("losses", method.loss),
            constraints=tuple(self.part("constraints", use, term=True) for use in fitting),
            inputs=tuple(self.part("inputs", use, term=True) for use in method.inputs),
            dynamics=self.part("dynamics", method.dynamics or Use(DEFAULTS["dynamics"])),
            critic_optimizer=self.part("optimizers", method.critic_optimizer or both),
            generator_optimizer=self.part("optimizers", method.generator_optimizer or both),
            critic_steps=schedules.plain_critic_steps(method.critic_steps),
            order=method.order,
            critic_norm=method.critic_norm,
            ema=method.ema,
        )

    # what goes with a trial

    def offers_of(self, recipe: Recipe, architecture: Part) -> list[tuple[str, str]]:
        """Give (kind, name) of everything that shapes the training of a trial."""
        return [
            ("losses", recipe.loss.name),
            *(("constraints", part.name) for part in recipe.constraints),
            *(("inputs", part.name) for part in recipe.inputs),
            ("dynamics", recipe.dynamics.name),
            ("optimizers", recipe.critic_optimizer.name),
            ("optimizers", recipe.generator_optimizer.name),
            ("architectures", architecture.name),
        ]

    def cautions(self, batches: Sequence[Batch]) -> dict[str, list[str]]:
        """Give what the offers in use warn of, with the methods concerned."""
        found: dict[str, list[str]] = {}
        for trial in (batch.trials[0] for batch in batches):
            for kind, name in self.offers_of(trial.recipe, trial.architecture):
                caution = self.registry.get(kind, name).offer.caution
                for sentence in caution(trial.recipe, trial.spec) if caution else ():
                    methods = found.setdefault(sentence, [])
                    if trial.labels["method"] not in methods:
                        methods.append(trial.labels["method"])
        return found

    def code(self, recipe: Recipe, architecture: Part, dataset: Part) -> str:
        """Give the hash of the code that answers a trial: its providers' sources and the engine's numerics."""
        used = sorted({*self.offers_of(recipe, architecture), ("datasets", dataset.name)})
        return digest([ENGINE_NUMERICS, [[kind, name, self.registry.code(kind, name)] for kind, name in used]])

    def stackable(self, recipe: Recipe, architecture: Part) -> bool:
        """Tell whether every offer of a trial can be mapped over seeds."""
        return all(self.registry.get(kind, name).offer.stackable for kind, name in self.offers_of(recipe, architecture))

    def measured(self, table: DatasetTable) -> Measurement:
        """Give the metrics of a dataset: the suite's, or else the dataset's own."""
        asked = self.suite.measurement
        own = self.registry.get("datasets", table.name, where=self.suite.where).offer.metrics
        uses = [each.use() for each in asked.metrics] if asked.metrics else [Use(name) for name in own]
        return Measurement(metrics=tuple(self.part("metrics", use) for use in uses), samples=asked.samples)

    def check_success(self) -> dict[str, Direction]:
        """Check every success rule against what its dataset is measured by; give the direction of every value."""
        directions: dict[str, Direction] = {}
        for table in self.suite.dataset:
            own: dict[str, Direction] = {}
            for part in self.measured(table).metrics:
                metric: Metric = self.registry.build("metrics", part.name, part.options)
                own |= metric.values
            directions |= own
            for rule in self.suite.success:
                if rule.dataset == table.title:
                    self.check_rule(rule, own)
        return directions

    def check_rule(self, rule: SuccessTable, own: Mapping[str, Direction]) -> None:
        """Refuse a metric that the dataset does not yield, and thresholds against the metric's direction."""
        place = f"{self.suite.where}: [[success]] for {rule.dataset!r}"
        if rule.metric not in own:
            raise unknown("metric value", rule.metric, own, place)
        direction = own[rule.metric]
        if direction == "neutral":
            raise GanbenchError(f"{place}: {rule.metric!r} has no better direction, so no threshold can be success.")
        ordered = sorted(rule.thresholds, reverse=direction == "lower")
        if list(rule.thresholds) != ordered:
            raise GanbenchError(
                f"{place}: thresholds {list(rule.thresholds)} must rise in difficulty; for {rule.metric!r} {direction} "
                f"is better, so write {ordered}."
            )


def sample(space: Space, count: int, seed: int, place: str) -> list[Spec]:
    """Draw distinct specs; the first n of a larger sample are the same.

    Raises GanbenchError where the space has fewer.
    """
    rng, seen, fruitless = random.Random(seed), dict[str, Spec](), 0
    while len(seen) < count:
        if fruitless >= FRUITLESS_DRAWS or (space.size is not None and len(seen) >= space.size):
            raise GanbenchError(f"{place}: sample = {count}, but this space has only {len(seen)} architectures.")
        before = len(seen)
        spec = space.sample(rng)
        seen.setdefault(canonical(spec), spec)
        fruitless = 0 if len(seen) > before else fruitless + 1
    return list(seen.values())


def budget(table: BudgetTable, recipe: Recipe, registry: Registry) -> Budget:
    """Turn a budget in any unit into generator steps of one method, the most that fit."""
    dynamics = registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options)
    steps = affordable_steps(
        table.unit, table.amount, table.batch_size, canonical(recipe.critic_steps), dynamics.together
    )
    if steps < 1:
        raise GanbenchError(f"[budget] {table.unit} = {table.amount} is less than one generator step takes.")
    snapshots = {max(1, round(steps * (i + 1) / table.snapshots)) for i in range(table.snapshots)}
    return Budget(generator_steps=steps, batch_size=table.batch_size, snapshots=tuple(sorted(snapshots)))


@cache
def affordable_steps(unit: str, amount: float, batch_size: int, critic_steps: str, together: bool) -> int:
    """Give the most generator steps that a budget pays for; `critic_steps` is canonical JSON, so that this is cached.

    An update is one optimizer step of one player; a sample is one real row shown to the critic.
    """
    if unit == "generator_steps":
        return int(amount)
    course = schedules.critic_steps(1 if together else json.loads(critic_steps))
    spent, steps = 0, 0
    while True:
        turns = course(steps)
        price = turns + 1 if unit == "updates" else turns * batch_size
        if spent + price > amount or price == 0:
            return steps
        spent, steps = spent + price, steps + 1
