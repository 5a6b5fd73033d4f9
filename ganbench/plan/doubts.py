"""Cautions: the warnings of the offers in use, and settings that have no effect in a suite, or not the one it seems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ganbench.api.offers import Method, Use
from ganbench.api.schedules import CriticSteps, parse_critic_steps, parse_scalar
from ganbench.api.training import Term
from ganbench.api.trials import Batch, Part, Recipe, Trial, canonical_json, list_offers
from ganbench.errors import fold_look_alikes, shorten, tell_apart
from ganbench.registry.exits import blaming
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

Cautions = dict[str, list[str]]
"""The methods, or datasets, that each caution concerns."""


def find_cautions(batches: Sequence[Batch], registry: Registry) -> Cautions:
    """Return the warnings of the offers in use, each with the methods that it concerns."""
    cautions: Cautions = {}
    for trial in (first for batch in batches for first in batch.firsts):
        for kind, name in list_offers(trial.recipe, trial.architecture):
            offered = registry.get(kind, name)
            with blaming(f"{offered} of {offered.provider}", "`caution`"):
                caution = offered.offer.caution
                sentences = list(caution(trial.recipe, trial.spec)) if caution else []
            for sentence in sentences:
                add(cautions, sentence, trial)
    return cautions


def find_unruled(suite: Suite) -> tuple[str, ...]:
    """Return the datasets without a success rule; none if the suite has no rules but claims, which are its verdict."""
    if suite.claim and not suite.success:
        return ()
    with_rule = {rule.dataset for rule in suite.success}
    return tuple(table.title for table in suite.dataset if table.title not in with_rule)


def add(cautions: Cautions, sentence: str, trial: Trial) -> None:
    """Add a trial's method to those that a caution concerns, once."""
    methods = cautions.setdefault(sentence, [])
    if trial.labels["method"] not in methods:
        methods.append(trial.labels["method"])


def find_large_members(largest: Mapping[str, float], memory: str) -> Cautions:
    """Return the cautions on methods of which one seed takes more than the memory; `largest` are its bytes."""
    cautions: Cautions = {}
    for method, size in largest.items():
        sentence = (
            f"one seed takes about {size / 2**30:.2g} GiB, more than [engine] memory = {memory!r}: it trains alone, "
            "and may take more than the machine has. Use smaller networks or a smaller batch_size, or allow more."
        )
        cautions.setdefault(sentence, []).append(method)
    return cautions


def find_doubts(suite: Suite, batches: Sequence[Batch], registry: Registry) -> Cautions:
    """Return the cautions on the methods and the datasets of a plan, each with what it concerns."""
    trials = {
        (trial.labels["method"], id(trial.recipe), trial.budget): trial
        for trial in (first for batch in batches for first in batch.firsts)
    }
    cautions: Cautions = {}
    for trial in trials.values():
        for sentence in (*judge_recipe(trial, registry), *judge_snapshots(trial, suite.budget.snapshots)):
            add(cautions, sentence, trial)
    titles = [table.title for table in suite.dataset]
    return cautions | find_equal_datasets(batches) | find_twins(suite.method_names) | find_twins(titles)


def judge_recipe(trial: Trial, registry: Registry) -> Iterator[str]:
    """Yield the cautions on a recipe within a trial's budget: its critic steps, the order, its terms and schedules."""
    recipe, steps = trial.recipe, trial.budget.generator_steps
    together = registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options).together
    critic_steps = parse_critic_steps(1 if together else recipe.critic_steps)
    if together:
        yield from judge_together(recipe)
    else:
        yield from judge_critic_steps(critic_steps, steps)
        objective = registry.build("losses", recipe.loss.name, recipe.loss.options)
        if getattr(objective, "head", None) is not None and critic_steps.total(steps) == 0:
            yield "the critic takes no step in this budget, so the generator trains against initial weights."
    updates = {"critic": critic_steps.total(steps), "generator": steps}
    for kind in ("constraints", "inputs"):
        for part in getattr(recipe, kind):
            yield from judge_period(part, registry.build(kind, part.name, part.options), updates)
            yield from judge_schedule(f"{part.name!r}, weight", part.weight, steps)
            if lowest(part.weight) < 0:
                yield f"{part.name!r} with a weight below 0 rewards what it should punish."
    for kind, part in list_parts(recipe):
        for key in registry.get(kind, part.name).options.scalars & part.options.keys():
            yield from judge_schedule(f"{part.name!r}, {key}", part.options[key], steps)


def list_parts(recipe: Recipe) -> Iterator[tuple[str, Part]]:
    """Yield the kind and the part of each offer in a recipe."""
    yield from (("constraints", part) for part in recipe.constraints)
    yield from (("inputs", part) for part in recipe.inputs)
    yield "losses", recipe.loss
    yield "dynamics", recipe.dynamics
    yield "optimizers", recipe.critic_optimizer
    yield "optimizers", recipe.generator_optimizer


def judge_together(recipe: Recipe) -> Iterator[str]:
    """Yield a caution for what has no effect where both players step together."""
    idle = [f"critic_steps = {canonical_json(recipe.critic_steps)}"] * (recipe.critic_steps != 1)
    idle += [f"order = {recipe.order!r}"] * (recipe.order != "critic-first")
    if idle:
        yield (
            f"{' and '.join(idle)} without effect: with dynamics {recipe.dynamics.name!r} both players take one step, "
            "together. Write critic_steps = 1, and no order."
        )


def judge_critic_steps(critic_steps: CriticSteps, steps: int) -> Iterator[str]:
    """Yield a caution for phases and periodic steps that never come in so many generator steps."""
    late = [int(end) for (end, before), (_, after) in pairwise(critic_steps.phases) if end >= steps and before != after]
    if late and critic_steps.period != 1:
        yield f"critic_steps: its phase from step {late[0]} on never begins; the run has {write_steps(steps)}."
    if steps <= critic_steps.period and critic_steps.period > 1:
        yield (
            f"critic_steps: every = [{critic_steps.period}, {critic_steps.periodic}] counts at the first of "
            f"{write_steps(steps)} only."
        )


def judge_period(part: Part, built: Term, updates: Mapping[str, int]) -> Iterator[str]:
    """Yield a caution for a term that counts once only, because its period is as long as the training."""
    every = built.every if part.every is None else part.every
    most = max((count for player, count in updates.items() if getattr(built, player) is not None), default=0)
    if every > 1 and 0 < most <= every:
        yield (
            f"{part.name!r} with every = {every} counts at the first of {most} updates only, {every}-fold. "
            "Use a shorter period, or train longer."
        )


def judge_schedule(name: str, value: Any, steps: int) -> Iterator[str]:
    """Yield a caution for a schedule that ends within the first step, and for one that changes its sign."""
    if not isinstance(value, Mapping):
        return
    start, end = (parse_scalar(value)(progress) for progress in (0.0, 1.0))
    if float(value.get("over", 1.0)) * steps <= 1 < steps:
        yield f"{name}: the schedule is at its end after one of {write_steps(steps)}. Use a larger `over`."
    if start * end < 0:
        yield f"{name}: the schedule changes its sign, from {start:g} to {end:g}."


def judge_snapshots(trial: Trial, snapshots: int) -> Iterator[str]:
    """Yield a caution if a trial has fewer steps than snapshots."""
    if (count := len(trial.budget.snapshots)) < snapshots:
        yield (
            f"snapshots = {snapshots}, but the budget is {write_steps(trial.budget.generator_steps)}: each model is "
            f"evaluated {count} time{'s' * (count != 1)}."
        )


def find_unused_constraints(
    fitted: Mapping[str, Sequence[tuple[Sequence[Use], Recipe]]], resolve: Callable[[str], Method]
) -> Cautions:
    """Return a caution for each constraint whose `where` fits no architecture of the sample, with its methods.

    `fitted` has the constraints that fit, with the recipe that they make, by method; `resolve` returns a method.
    """
    cautions: Cautions = {}
    for label, recipes in fitted.items():
        used = [use for constraints, _ in recipes for use in constraints]
        for use in resolve(label).constraints:
            if use not in used:
                where = ", ".join(f"{key} = {shorten(value)}" for key, value in use.where.items())
                sentence = f"{use.name!r} is never used: no architecture of the sample has {where}."
                cautions.setdefault(sentence, []).append(label)
    return cautions


def find_equal_datasets(batches: Sequence[Batch]) -> Cautions:
    """Return a caution for datasets that are the same data under several labels, with these labels."""
    groups: dict[str, dict[str, None]] = {}
    for trial in (batch.trials[0] for batch in batches):
        groups.setdefault(canonical_json(trial.dataset.plain), {})[trial.labels["dataset"]] = None
    sentence = "the same dataset with the same options, under several labels: its trials are the same."
    equal = [label for labels in groups.values() if len(labels) > 1 for label in labels]
    return {sentence: equal} if equal else {}


def find_twins(names: Sequence[str]) -> Cautions:
    """Return a caution for names that differ only in case, or in letters that look alike, with these names."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(fold_look_alikes(name).casefold(), []).append(name)
    cautions: Cautions = {}
    for first, *others in groups.values():
        if others:
            difference = tell_apart(first, others[0]) or " They differ in capitals."
            pair = f"{first!r} and {others[0]!r}"
            cautions[f"{pair} are easily taken for each other.{difference}"] = [first, *others]
    return cautions


def lowest(value: Any) -> float:
    """Return the smallest value of a weight, over the run."""
    scalar: Callable[[float], float] = parse_scalar(1.0 if value is None else value)
    return min(scalar(0.0), scalar(1.0))


def write_steps(steps: int) -> str:
    """Return a number of generator steps in words."""
    return f"{steps} generator step{'s' * (steps != 1)}"
