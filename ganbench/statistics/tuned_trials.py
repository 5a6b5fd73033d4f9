"""The trials of configurations as the statistics of tuning take them: a score each, and the varied options."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.api.metrics import Direction
from ganbench.statistics.configurations import SWEEP
from ganbench.statistics.final_scores import (
    compared_values,
    headline,
    measurements,
    rule_scores,
    shared_measurement,
    split_by_measurement,
    successes,
)
from ganbench.suite.success import SuccessTable
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The trials of all configurations on one dataset, and the rule whose metric scores them.

    `trials` has the columns of `score_configurations`: dataset, swept, configuration, architecture, seed, score and
    reached, and a column for each of `options`; and `label`, that of the configuration. `measurement` is how the metric
    was measured.
    """

    dataset: str
    rule: SuccessTable
    measurement: str | None
    direction: Direction
    options: tuple[str, ...]
    trials: pd.DataFrame


def find_tuning_rule(suite: Suite, dataset: str) -> SuccessTable | None:
    """Return the rule by whose metric configurations are chosen on a dataset: its first one with a metric."""
    return next((rule for rule in suite.success if rule.dataset == dataset and rule.metric is not None), None)


def collect_sweep(frames: Frames, suite: Suite, dataset: str, seeds: Collection[int]) -> Sweep | None:
    """Return the recorded trials of all configurations on a dataset with these seeds; None without a rule or a trial.

    `frames` has the trials under the labels of configurations. A value that was measured in several ways counts in the
    way that all trials have.
    """
    rule = find_tuning_rule(suite, dataset)
    here = frames.trials[(frames.trials["dataset"] == dataset) & frames.trials["seed"].isin(list(seeds))]
    here = here[here["method"].isin(suite.configurations) & (here["status"] != "missing")]
    if rule is None or here.empty:
        return None
    frames = frames.take(here["key"])
    measurement = find_measurement(frames, rule)
    scores = rule_scores(frames, rule, measurement)
    direction: Direction = next((each for each in scores["direction"] if each != "neutral"), "neutral")
    known = [suite.configurations[label] for label in scores["method"]]
    rows = scores[["dataset", "architecture", "seed"]].assign(
        label=scores["method"],
        swept=[each.method for each in known],
        configuration=[each.number for each in known],
        score=compared_values(scores, rule.at),
        reached=successes(scores, rule.at, rule.primary),
    )
    options = tuple(dict.fromkeys(option for each in suite.configurations.values() for option in each.settings))
    columns = {option: [as_cell(each.settings.get(option)) for each in known] for option in options}
    trials = pd.concat([rows.reset_index(drop=True), pd.DataFrame(columns, dtype=object)], axis=1)
    order = {name: place for place, name in enumerate(suite.declared_methods)}
    trials = trials.assign(place=trials["swept"].map(order)).sort_values(["place", "configuration"], kind="stable")
    trials = trials.drop(columns="place").reset_index(drop=True)
    return Sweep(
        dataset=dataset, rule=rule, measurement=measurement, direction=direction, options=options, trials=trials
    )


def find_measurement(frames: Frames, rule: SuccessTable) -> str | None:
    """Return the measurement of a rule's metric that all trials of `frames` have; None without one.

    All these trials are recorded, and on the dataset of the rule.
    """
    ways, keys = measurements(frames, rule), frames.trials["key"]
    if len(ways) == 1:
        return ways[0]
    return shared_measurement(split_by_measurement(frames, headline(frames, rule), keys), len(keys))


def as_cell(value: Any) -> Any:
    """Return the value of an option as a cell of a frame: a list as a tuple, a table as its text."""
    return tuple(value) if isinstance(value, list) else str(value) if isinstance(value, dict) else value


def options_of(sweep: Sweep, method: str) -> tuple[str, ...]:
    """Return the options that a method of a sweep varies."""
    rows = sweep.trials[sweep.trials[SWEEP[1]] == method]
    return tuple(option for option in sweep.options if rows[option].notna().any())
