"""Claims that could not be tested are refused when a suite is planned: no data, or one verdict only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganbench.api.metrics import Metric
from ganbench.api.trials import Batch, Recipe, Trial
from ganbench.errors import GanbenchError, shorten, unknown_name
from ganbench.evaluation.outcomes import OUTCOMES, SPREAD
from ganbench.results.contents import ARCHITECTURE, spread_architecture
from ganbench.results.frames import COSTS
from ganbench.suite import conditions, locations
from ganbench.suite.claims import SERIES_TESTS, ClaimTable, least_p
from ganbench.suite.suite import Suite

LEVEL = 0.05
SIGNALS = (
    *("loss.critic", "loss.generator", "scores.real", "scores.fake"),
    *("weights.critic", "weights.generator", "gradient.generator"),
)
"""The signals of every training; terms and plugins with a state add their own."""

LEAST_SERIES = {"converges": 10, "diverges": 10, "cycles": 40}
"""The fewest snapshots of a score whose series is judged: the last tenth, or a cycle, must have a value."""

LEAST_RANKS = 6
"""The fewest snapshots that ranks are correlated over."""


Factors = tuple[tuple[str, Any], ...]
"""Factors of architectures with their values, sorted."""


@dataclass(frozen=True)
class Side:
    """One side of a claim: what it reads, of which method on which dataset."""

    dataset: str
    method: str
    value: str
    at: str | int
    position: float | None
    where: Factors


def refuse_undecidable(suite: Suite, metrics: Mapping[str, Sequence[Metric]], batches: Sequence[Batch]) -> None:
    """Raise GanbenchError for the first claim that the suite cannot test.

    `metrics` has the metrics of each dataset by its label. Refused are: an unknown value, outcome or method; a dataset
    or a method that is left open; two sides that are equal; too few snapshots for a series; and, with inference, so
    few units that not even all of them could speak for the claim, or against it.
    """
    inferred = sum(claim.inference for claim in suite.claim)
    for i, claim in enumerate(suite.claim):
        place = locations.locate(suite, "claim", i)
        own = open_side(suite, claim, place)
        if own.dataset not in metrics:  # of a dataset whose fallback is used, or the reverse
            continue
        sides = [own, *list_others(claim, own)]
        if len(set(sides)) < len(sides):
            raise GanbenchError(f"{place}: both sides are equal, so it cannot be otherwise. Change `than`.")
        for side in sides:
            check_architectures(side.where, [side.dataset], batches, place)
            check_value(claim, side, metrics, batches, place)
        check_outcome(claim, place)
        check_snapshots(suite, claim, sides, metrics, place)
        if claim.inference and not (claim.test == "correlates" and claim.along == "trials"):
            check_units(claim, count_units(batches, own), inferred, place)


def refuse_undrawable(suite: Suite, metrics: Mapping[str, Sequence[Metric]], batches: Sequence[Batch]) -> None:
    """Raise GanbenchError for the first figure with a value, or architectures, that none of its datasets has."""
    recipes = {trial.labels["method"]: trial.recipe for batch in batches for trial in batch.firsts}
    prefixes = tuple({prefix for recipe in recipes.values() for prefix in list_prefixes(recipe)})
    for i, figure in enumerate(suite.figure):
        place = locations.locate(suite, "figure", i)
        check_architectures(sort_factors(figure.where), figure.datasets or metrics.keys(), batches, place)
        measured = [each for name in figure.datasets or metrics for each in metrics.get(name, ())]
        profiles = {name for metric in measured for name in metric.profiles}
        plain = {SPREAD, *SIGNALS, *COSTS, *(name for metric in measured for name in metric.values)}
        for name in figure.values:
            if name not in plain | profiles and not name.startswith(prefixes):
                raise unknown_name("value called", name, plain | profiles, place)
            if (name in profiles) != (figure.x == "position"):
                is_profile = "a profile, drawn over its positions" if name in profiles else "no profile"
                raise GanbenchError(f"{place}: {name!r} is {is_profile}, and x = {figure.x!r}. Change one of them.")


def count_units(batches: Sequence[Batch], side: Side) -> int:
    """Return the number of units of a side's dataset: its architectures, or the seeds where there is only one."""
    here = [batch for batch in batches if batch.trials[0].labels["dataset"] == side.dataset]
    here = [batch for batch in here if fits(batch.trials[0], side.where)]
    architectures = {batch.trials[0].labels["architecture"] for batch in here}
    seeds = {trial.seed for batch in here for trial in batch.trials}
    return len(architectures) if len(architectures) > 1 else len(seeds)


def list_factors(trial: Trial) -> dict[str, Any]:
    """Return the factors of a trial's architecture by name, as the results will have them."""
    part = trial.architecture.plain | {"spec": dict(trial.spec)}
    return {key: value for key, value in spread_architecture(part).items() if key not in ARCHITECTURE}


def sort_factors(where: Mapping[str, Any] | None) -> Factors:
    """Return the factors of a table `where`, none without it."""
    return tuple(sorted((where or {}).items()))


def fits(trial: Trial, where: Factors) -> bool:
    """Return whether the architecture of a trial has these factors."""
    return not where or all(list_factors(trial).get(key) == value for key, value in where)


def check_architectures(where: Factors, datasets: Collection[str], batches: Sequence[Batch], place: str) -> None:
    """Raise GanbenchError if no architecture on these datasets has these factors."""
    firsts = [batch.trials[0] for batch in batches if batch.trials[0].labels["dataset"] in datasets]
    if not where or any(fits(trial, where) for trial in firsts):
        return
    factors = [list_factors(trial) for trial in firsts]
    for key, value in where:
        if all(key not in each for each in factors):
            raise unknown_name(
                "factor of architectures called", key, {name for each in factors for name in each}, place
            )
        values = sorted({shorten(each[key]) for each in factors if key in each})
        if shorten(value) not in values:
            raise GanbenchError(
                f"{place}: no architecture has {key} = {shorten(value)}. They have {', '.join(values)}."
            )
    words = ", ".join(f"{key} = {shorten(value)}" for key, value in where)
    raise GanbenchError(f"{place}: no architecture has {words} together. Leave one of them out.")


def open_side(suite: Suite, claim: ClaimTable, place: str) -> Side:
    """Return what a claim reads; raise GanbenchError if it leaves open which dataset or method it is about."""
    datasets = [table.title for table in suite.dataset]
    if claim.dataset is None and len(datasets) > 1 and claim.along != "datasets":
        raise GanbenchError(f"{place}: the suite has {len(datasets)} datasets. Name one: dataset = {datasets[0]!r}.")
    if claim.method is None and len(suite.method_names) > 1 and claim.along != "methods":
        names = suite.method_names
        raise GanbenchError(f"{place}: the suite has {len(names)} methods. Name one: method = {names[0]!r}.")
    dataset, method = claim.dataset or datasets[0], claim.method or suite.method_names[0]
    return Side(dataset, method, claim.value or "", claim.at, claim.position, sort_factors(claim.where))


def list_others(claim: ClaimTable, own: Side) -> Iterator[Side]:
    """Yield the side that a claim compares with, or those that it runs along, beside its own."""
    if claim.than is not None:
        given = claim.than.model_dump(exclude_none=True)
        if claim.than.where is not None:
            given["where"] = sort_factors(claim.than.where)
        yield Side(**{**vars(own), **given})
    for name in claim.order:
        other = Side(**{**vars(own), "dataset" if claim.along == "datasets" else "method": name})
        if other != own:
            yield other


def check_value(
    claim: ClaimTable,
    side: Side,
    metrics: Mapping[str, Sequence[Metric]],
    batches: Sequence[Batch],
    place: str,
) -> None:
    """Raise GanbenchError if a value is not measured on a side's dataset, or needs a position and has none."""
    names = [side.value] if claim.condition is None else list(conditions.parse(claim.condition).names)
    measured = metrics.get(side.dataset, ())
    scores = {SPREAD, *(name for metric in measured for name in metric.values)}
    profiles = {name for metric in measured for name in metric.profiles}
    plain = {*scores, *profiles, *SIGNALS, *COSTS}
    trials = (trial for batch in batches for trial in batch.firsts)
    recipes = (trial.recipe for trial in trials if trial.labels["method"] == side.method)
    prefixes = {prefix for recipe in recipes for prefix in list_prefixes(recipe)}
    for name in names if claim.outcome is None else ():
        if name not in plain and not name.startswith(tuple(prefixes)):
            kind = f"value of {side.method!r} on {side.dataset!r} called"
            raise unknown_name(kind, name, plain, place)
        needs = name in profiles and claim.along != "position"
        if needs and side.position is None:
            raise GanbenchError(f"{place}: {name!r} is a profile: say which place in it, as in position = 1.")
        if name not in profiles and (side.position is not None or claim.along == "position"):
            raise GanbenchError(f"{place}: {name!r} is no profile, so it has no position. Leave that out.")


def list_prefixes(recipe: Recipe) -> Iterator[str]:
    """Yield how the names of the signals begin that a method's terms and plugins add."""
    yield "objective."
    for part in (*recipe.constraints, *recipe.inputs):
        yield from (f"{part.name}.", f"term.{part.name}")


def check_outcome(claim: ClaimTable, place: str) -> None:
    """Raise GanbenchError for an outcome that there is not."""
    known = ("diverged", *OUTCOMES)
    if claim.outcome is not None and claim.outcome not in known:
        raise unknown_name("outcome", claim.outcome, known, place)


def check_snapshots(
    suite: Suite, claim: ClaimTable, sides: Sequence[Side], metrics: Mapping[str, Sequence[Metric]], place: str
) -> None:
    """Raise GanbenchError if scores are measured too rarely for a claim on their series."""
    rank = claim.test in ("monotone", "correlates") and claim.runs_along == "step"
    if claim.test not in SERIES_TESTS and not rank:
        return
    least = LEAST_RANKS if rank else LEAST_SERIES[claim.test]
    for side in sides:
        if side.value in COSTS:
            raise GanbenchError(f"{place}: a trial has one {side.value!r}, and this test reads a series. Use less.")
        metric = next((each for each in metrics[side.dataset] if side.value in {*each.values, *each.profiles}), None)
        points = 1 if metric is not None and metric.final else suite.budget.snapshots
        if metric is not None and points < least:
            raise GanbenchError(
                f"{place}: {side.value!r} is measured at {points} snapshot{'s' * (points != 1)} of a trial, and this "
                f"test reads a series of at least {least}. Raise snapshots in [budget]."
            )


def check_units(claim: ClaimTable, units: int, family: int, place: str) -> None:
    """Raise GanbenchError if so few units leave one verdict only, or none, whatever they show."""
    for verdict, p in zip(("reproduced", "contradicted"), least_p(claim, units), strict=True):
        if p * family > LEVEL:
            enough = next((n for n in range(units, 10_000) if max(least_p(claim, n)) * family <= LEVEL), None)
            way_out = f"Use {enough} seeds, or architectures" if enough else "Choose another rate"
            raise GanbenchError(
                f"{place}: with {units} unit{'s' * (units != 1)} (architectures, or seeds of the only one) it could "
                f"never be {verdict}: of {family} claims with inference, p would be {min(1.0, p * family):.2g} at "
                f"best. {way_out}, or write inference = false for a verdict about these trials alone."
            )
