"""The choice of a configuration for each method, from the trials that the suite tunes on, and from no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench.plan.stages import Choices
from ganbench.results.choices import Choice
from ganbench.runner.remaining import find_remaining
from ganbench.runner.settings import Settings
from ganbench.statistics.configurations import choose, score_configurations
from ganbench.statistics.tuned_trials import collect_sweep
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.api.trials import Trial
    from ganbench.plan.plan import Plan
    from ganbench.results.frames import Frames
    from ganbench.results.store import Store


def choose_configurations(suite: Suite, plan: Plan, store: Store, settings: Settings) -> Choices:
    """Return the label of the best configuration of each method, by the labels of dataset and method.

    It is read from the trials of the undecided `plan`, by their keys, whatever else is stored. Empty where one of them
    has no record yet or is to be trained again, and where nothing is to be chosen. With `keep_stale`, a record of
    changed code counts.
    """
    if not plan.undecided:
        return {}
    if find_remaining(plan, store.known(), settings).batches:
        return {}
    tuned = {trial.key: trial for trial in plan.trials}
    frames = name_trials(store.frames(everything=True, apart=False).take(tuned), tuned)
    chosen: dict[tuple[str, str], str] = {}
    for dataset in suite.tuned_datasets:
        sweep = collect_sweep(frames, suite, dataset, suite.seed_list)
        if sweep is None or sweep.rule.metric is None:
            return {}
        scores = score_configurations(sweep.trials, plan.directions[sweep.rule.metric])
        for row in choose(scores, plan.directions[sweep.rule.metric]).to_dict("records"):
            label = suite.configurations_of(row["swept"])[row["configuration"]]
            chosen[dataset, row["swept"]] = label
    return chosen


def name_trials(frames: Frames, trials: Mapping[str, Trial]) -> Frames:
    """Return frames whose trials have the labels of this plan, not those of an older run that trained them."""
    names = ("dataset", "architecture", "method")
    labels = {name: [trials[key].labels[name] for key in frames.trials["key"]] for name in names}
    return replace(frames, trials=frames.trials.assign(**labels))


def list_choices(choices: Choices) -> list[Choice]:
    """Return choices as the facts of a run have them."""
    return [Choice(dataset, method, label) for (dataset, method), label in choices.items()]
