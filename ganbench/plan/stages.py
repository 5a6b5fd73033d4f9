"""The stages of a plan: all trials at once, or the tuning of configurations, and the report of the chosen ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganbench.api.models import Spec
from ganbench.api.trials import Trial
from ganbench.suite.suite import Suite
from ganbench.suite.tables import DatasetTable

TUNING, REPORT = "tuning", "report"

Choices = Mapping[tuple[str, str], str]
"""The label of the configuration that was chosen, by the labels of a tuned dataset and of a method."""


def is_tuning(trial: Trial) -> bool:
    """Return whether a trial is one that a configuration is chosen by."""
    return trial.labels.get("stage") == TUNING


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a plan: every dataset x architecture x method x seed.

    `methods` has, for each dataset, the label of each method in tables, and that of the configuration, or the method,
    whose recipe it trains with. `name` is "tuning", "report", or "" where nothing is tuned.
    """

    name: str
    datasets: tuple[DatasetTable, ...]
    specs: tuple[Spec, ...]
    seeds: tuple[int, ...]
    methods: Mapping[str, Mapping[str, str]]

    @property
    def groups(self) -> int:
        """The number of datasets x architectures x methods."""
        return len(self.specs) * sum(map(len, self.methods.values()))


def count_architectures(suite: Suite) -> int:
    """Return how many architectures a suite draws: those that are tuned on, and fresh ones to report on."""
    fresh = suite.tuning.report_architectures if suite.tuning is not None else None
    return suite.architectures.sample + (fresh or 0)


def list_stages(suite: Suite, specs: Sequence[Spec], choices: Choices) -> tuple[Stage, ...]:
    """Return the stages of a suite: without `choices`, what is tuned has no report yet.

    `specs` are the architectures of `count_architectures`.
    """
    first, fresh = tuple(specs[: suite.architectures.sample]), tuple(specs[suite.architectures.sample :])
    if not suite.tunes:
        names = {label: label for label in suite.method_names}
        methods = {table.title: names for table in suite.dataset}
        return (Stage(name="", datasets=suite.dataset, specs=first, seeds=suite.seed_list, methods=methods),)
    labels = {label: label for label in suite.configurations}
    tuned = tuple(table for table in suite.dataset if table.tuned_on is None)
    tuning = Stage(
        name=TUNING,
        datasets=tuned,
        specs=first,
        seeds=suite.seed_list,
        methods={table.title: labels for table in tuned},
    )
    if not choices:
        return (tuning,)
    report = Stage(
        name=REPORT,
        datasets=suite.dataset,
        specs=fresh or first,
        seeds=suite.report_seed_list,
        methods={table.title: list_reported(suite, table, choices) for table in suite.dataset},
    )
    return tuning, report


def list_reported(suite: Suite, table: DatasetTable, choices: Choices) -> dict[str, str]:
    """Return what is reported on a dataset: each method in its chosen configuration, and the others if all are.

    Where nothing was tuned, the others would say nothing of the choice.
    """
    chosen = {name: choices.get((table.tuned_on or table.title, name), name) for name in suite.declared_methods}
    everything = suite.tuning is not None and suite.tuning.report == "all" and table.tuned_on is None
    others = {label: label for label in suite.configurations if everything and label not in chosen.values()}
    return chosen | others


def choose_first(suite: Suite) -> Choices:
    """Return the first configuration of each method: a stand-in, to count what the report will cost."""
    return {
        (title, name): labels[0]
        for title in suite.tuned_datasets
        for name in suite.declared_methods
        if (labels := suite.configurations_of(name))
    }
