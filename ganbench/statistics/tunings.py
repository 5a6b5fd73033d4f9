"""What was tried of each method on each tuned dataset, what was chosen, and what the chosen one is worth elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.results.frames import PER_TRIAL
from ganbench.statistics.best_of import best_of_table, find_sign, leave_one_seed_out
from ganbench.statistics.configurations import choose, find_edges, robustness, score_configurations
from ganbench.statistics.final_scores import WORST, compared_values, rule_scores, successes
from ganbench.statistics.intervals import NO_INTERVAL, mean_interval
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.outcome_table import stored_suite
from ganbench.statistics.success_rates import rate_with_interval
from ganbench.statistics.tuned_trials import Sweep, collect_sweep, find_measurement, find_tuning_rule, options_of
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COUNTED = ("planned", "diverged", "failed", "timed_out")
"""The counts of the trials on which configurations were tuned."""

REPORT_COLUMNS = [
    *("dataset", "swept", "score", "low", "high", "n", "architectures", "seeds", "dead", "worse"),
    *("successes", "rate", "rate_low", "rate_high"),
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuning:
    """What was tried of each method on the dataset of a sweep.

    `frames` are the results. `scores` are the rows of `score_configurations`, with the `label` of each configuration.
    `chosen` has the row of the chosen one of each method, and how many `configurations` it had: those that are
    reported, if `held_out`; else the best of what is recorded, on the very trials that say how good it is.
    """

    suite: Suite
    frames: Frames
    sweep: Sweep
    scores: pd.DataFrame
    chosen: pd.DataFrame
    held_out: bool

    @property
    def methods(self) -> list[str]:
        """The methods that vary something and have a trial here, in the suite's order."""
        return list(dict.fromkeys(self.scores["swept"]))

    @property
    def counts(self) -> dict[str, int]:
        """How many trials were tuned on here, and how many of them diverged, failed or timed out."""
        frames = self.frames.tuning if self.held_out and self.frames.tuning is not None else self.frames
        trials = frames.trials
        here = (trials["dataset"] == self.sweep.dataset) & trials["seed"].isin(list(self.suite.seed_list))
        counts = count_outcomes(frames.take(trials.loc[here & trials["method"].isin(self.suite.configurations), "key"]))
        return {name: int(counts[name].sum()) for name in COUNTED}

    @cached_property
    def edges(self) -> pd.DataFrame:
        """The numeric options of every chosen configuration: `find_edges`."""
        parts = [
            find_edges(self.scores, self.chosen[self.chosen["swept"] == method], options_of(self.sweep, method))
            for method in self.methods
        ]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def robustness(self) -> pd.DataFrame:
        """The success rate of every method over all its configurations: `robustness`."""
        return robustness(self.sweep.trials)

    @cached_property
    def best_of(self) -> pd.DataFrame:
        """The expected best of k configurations of every method: `best_of_table`, or `leave_one_seed_out`.

        It is told on fresh seeds if all configurations were trained on them; else on a seed that was left out, if there
        are several; else on the seeds that picked.
        """
        sweep = self.sweep
        if self.held_out and self.suite.tuning is not None and self.suite.tuning.report == "all":
            told = collect_sweep(name_configurations(self), self.suite, sweep.dataset, self.suite.report_seed_list)
            if told is not None and told.measurement == sweep.measurement:
                return best_of_table(join_told(self.scores, told), sweep.direction)
        trials = sweep.trials.rename(columns={"swept": "method"})
        if trials.groupby("method")["seed"].nunique().min() > 1:
            return leave_one_seed_out(trials, sweep.direction)
        picked = self.scores.rename(columns={"swept": "method", "score": "picked_by"})
        return best_of_table(picked, sweep.direction)

    @cached_property
    def reports(self) -> pd.DataFrame:
        """What the chosen configurations reach on their report: a row for each dataset and method.

        The datasets are the one of the sweep, and those that are reported with its choices. Columns, after dataset and
        swept: score, the mean over architectures of the mean over seeds, the worst infinity if a trial is dead; its 95%
        interval low and high (`mean_interval`; the unit is the architecture, of one alone the seed); n trials on how
        many architectures and seeds, `dead` of them without a finite score; `worse`, by how much the score is worse
        than on the tuning trials, NaN where both were not measured in the same way; successes, and their rate with its
        95% interval rate_low and rate_high. Empty unless `held_out`.
        """
        if not self.held_out:
            return pd.DataFrame(columns=REPORT_COLUMNS)
        tuned = dict(zip(self.chosen["swept"], self.chosen["score"], strict=True))
        datasets = [each for each in self.suite.dataset if self.sweep.dataset in (each.title, each.tuned_on)]
        rows = [row for each in datasets for row in report_dataset(self, each.title, tuned)]
        return pd.DataFrame(rows, columns=REPORT_COLUMNS)


@lru_cache(maxsize=8)
def read_tunings(frames: Frames) -> tuple[Tuning, ...]:
    """Return what was tried on each dataset on which the suite varies options; nothing where it varies none."""
    suite = stored_suite(frames)
    if suite is None or not suite.configurations:
        return ()
    return tuple(filter(None, (read_tuning(frames, suite, dataset) for dataset in suite.tuned_datasets)))


def read_tuning(frames: Frames, suite: Suite, dataset: str) -> Tuning | None:
    """Return what was tried on one dataset; None where nothing can be scored there yet."""
    tried = frames.tuning or frames
    sweep = collect_sweep(tried, suite, dataset, suite.seed_list)
    if sweep is None or sweep.direction == "neutral":
        return None
    scores = score_configurations(sweep.trials, sweep.direction, sweep.options)
    found = zip(scores["swept"], scores["configuration"], strict=True)
    scores = scores.assign(label=[suite.configurations_of(method)[number] for method, number in found])
    best = choose(scores, sweep.direction)
    labels = {each.configuration for each in frames.choices if each.dataset == dataset}
    held_out = frames.tuning is not None
    if held_out:
        counts = scores.groupby("swept")["configuration"].nunique()
        best = scores[scores["label"].isin(labels)].drop_duplicates("swept")
        best = best.assign(configurations=best["swept"].map(counts)).reset_index(drop=True)
    return Tuning(suite=suite, frames=frames, sweep=sweep, scores=scores, chosen=best, held_out=held_out)


def name_configurations(tuning: Tuning) -> Frames:
    """Return all trials of a tuned suite as configurations: those of the report have the label of the chosen one."""
    frames, dataset = tuning.frames, tuning.sweep.dataset
    labels = dict(zip(tuning.chosen["swept"], tuning.chosen["label"], strict=True))
    trials = frames.trials[frames.trials["dataset"] == dataset]
    named = {"trials": trials.assign(method=trials["method"].replace(labels))}
    parts = {
        name: [getattr(frames.tuning, name), named[name] if name in named else getattr(frames, name)]
        for name in PER_TRIAL
    }
    joined = {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}
    return replace(frames, **joined, tuning=None)


def join_told(scores: pd.DataFrame, told: Sweep) -> pd.DataFrame:
    """Return the scores that pick, `picked_by`, beside those on fresh seeds, `told`, of configurations with both."""
    names = ["dataset", "swept", "configuration"]
    fresh = score_configurations(told.trials, told.direction)[[*names, "score"]].rename(columns={"score": "told"})
    both = scores.rename(columns={"score": "picked_by"}).merge(fresh, on=names)
    return both.rename(columns={"swept": "method"})


def report_dataset(tuning: Tuning, dataset: str, tuned: dict[str, float]) -> list[dict[str, Any]]:
    """Return the rows of `Tuning.reports` on one dataset; `tuned` has the score on the tuning trials by method."""
    frames, rule = tuning.frames, find_tuning_rule(tuning.suite, dataset)
    recorded = (frames.trials["dataset"] == dataset) & (frames.trials["status"] != "missing")
    if rule is None or not recorded.any():
        return []
    frames = frames.take(frames.trials.loc[recorded, "key"])
    measurement = find_measurement(frames, rule)
    alike = dataset == tuning.sweep.dataset and measurement == tuning.sweep.measurement
    scores = rule_scores(frames, rule, measurement)
    scores = scores.assign(value=compared_values(scores, rule.at), reached=successes(scores, rule.at, rule.primary))
    rows = []
    for method in tuning.suite.declared_methods:
        own = scores[scores["method"] == method]
        if len(own):
            row = report_method(own)
            said = tuned.get(method, np.nan) if alike else np.nan
            worse = find_sign(tuning.sweep.direction) * (row["score"] - said) + 0.0 if np.isfinite(said) else np.nan
            rows.append({"dataset": dataset, "swept": method, **row, "worse": worse})
    return rows


def report_method(scores: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of `Tuning.reports` that one method's trials give."""
    values = scores["value"].to_numpy(float)
    dead = ~np.isfinite(values)
    mean = scores.groupby(["architecture", "seed"])["value"].mean().groupby("architecture").mean().mean()
    interval = NO_INTERVAL if dead.any() else mean_interval(values, scores["unit"])
    return {
        "score": WORST[str(scores["direction"].iloc[0])] if dead.any() else float(mean),
        "low": interval.low,
        "high": interval.high,
        "n": len(scores),
        "architectures": scores["architecture"].nunique(),
        "seeds": scores["seed"].nunique(),
        "dead": int(dead.sum()),
        "successes": int(scores["reached"].sum()),
        **rate_with_interval(scores["reached"].to_numpy(bool), scores["unit"]),
    }
