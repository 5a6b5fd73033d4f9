"""Survival curves of outcomes: Kaplan and Meier's, with Rothman's interval, and which trials they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganbench.api.records import Record, Score
from ganbench.evaluation.outcomes import spread_measurement
from ganbench.statistics.intervals import effective_size, wilson
from ganbench.statistics.survival import MOST_STEPS, survival_curve, survival_table
from statsmodels.duration.survfunc import SurvfuncRight

from tests.support import simulated_trials as simulation
from tests.support.trials_by_hand import record, results, scores, trial

CALM = ([1, 50, 100], [1.0, 1.0, 1.0])


def spreads(*values: float) -> list[Score]:
    """Return spreads as the evaluation measures them, at the steps 50, 100, ..."""
    return [Score(50 * (i + 1), "spread", v, "neutral", spread_measurement(256), 256) for i, v in enumerate(values)]


def trial_record(
    seed: int, spread: tuple[float, ...] = (1.0, 1.0), fid: tuple[float, ...] = (9, 9), **fields: Any
) -> Record:
    """Return a record with these scores at the steps 50 and 100, and a calm loss."""
    series = (*scores("fid", fid), *spreads(*spread))
    return record(trial(seed=seed), **{"scores": series, "signals": {"loss.critic": CALM}, **fields})


def censored_times(n: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(n)
    return rng.integers(1, 30, n), rng.random(n) < 0.6


@pytest.mark.parametrize("n", [7, 60, 300])
def test_the_share_is_that_of_statsmodels_and_so_is_the_effective_size_behind_its_interval(n: int) -> None:
    """Rothman's interval is Wilson's at the size share * (1 - share) / Greenwood's variance, as statsmodels has it."""
    until, begun = censored_times(n)
    curve = survival_curve(until, begun, np.arange(n)).set_index("step")
    known = SurvfuncRight(until, begun)
    shares = dict(zip(known.surv_times, known.surv_prob, strict=True))
    inner = 0
    for step, share, error, at_risk in zip(
        known.surv_times, known.surv_prob, known.surv_prob_se, known.n_risk, strict=True
    ):
        row = curve.loc[step]
        assert (row["share"], row["at_risk"]) == (pytest.approx(share, abs=1e-12), at_risk)
        if 0 < share < 1:
            inner += 1
            size = share * (1 - share) / error**2
            assert (row["low"], row["high"]) == pytest.approx(wilson(share * size, size), abs=1e-9)
    assert inner >= 3
    assert set(shares) <= set(curve.index)


@pytest.mark.parametrize("seeds", [1, 4])
def test_without_censoring_the_interval_is_that_of_a_success_rate(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    units = np.repeat(np.arange(20), seeds)
    until = np.minimum(40, np.repeat(rng.integers(1, 60, 20), seeds) + rng.integers(0, 9, 20 * seeds))
    curve = survival_curve(until, until < 40, units)
    for row in curve[curve["step"] < 40].to_dict("records"):
        left = until > row["step"]
        size = effective_size(left, units)
        assert row["share"] == pytest.approx(left.mean())
        assert (row["low"], row["high"]) == pytest.approx(wilson(left.mean() * size, size))


def test_seeds_that_repeat_their_architecture_add_nothing_to_the_precision() -> None:
    until, begun = censored_times(30)
    alone = survival_curve(until, begun, np.arange(30))
    thrice = survival_curve(np.repeat(until, 3), np.repeat(begun, 3), np.repeat(np.arange(30), 3))
    assert thrice["share"].tolist() == pytest.approx(alone["share"].tolist())
    widths = [(each["high"] - each["low"]).to_numpy() for each in (alone, thrice)]
    assert np.abs(widths[1] / widths[0] - 1).max() < 0.1


def test_a_share_of_one_or_none_has_an_interval_too() -> None:
    curve = survival_curve([10, 10, 20, 20, 20], [True] * 5, np.arange(5))
    assert curve["step"].tolist() == [0, 10, 20]
    assert curve["share"].tolist() == [1.0, 0.6, 0.0]
    assert (curve["low"].iloc[0], curve["high"].iloc[0]) == wilson(5, 5)
    assert (curve["low"].iloc[2], curve["high"].iloc[2]) == wilson(0, 5)
    (_, last) = survival_curve([10, 20], [False, False], [0, 1])[["low", "high"]].to_numpy()
    assert tuple(last) == wilson(1, 1), "at the last step one unit is at risk"


def test_a_long_curve_has_at_most_so_many_steps_and_their_shares_are_those_of_the_whole() -> None:
    until = np.arange(1, 1001)
    curve = survival_curve(until, np.ones(1000, bool), np.repeat(np.arange(500), 2))
    assert len(curve) == 1 + MOST_STEPS
    assert curve["share"].to_numpy() == pytest.approx(1 - curve["step"].to_numpy() / 1000)


def test_every_outcome_has_a_curve_and_a_trial_that_diverged_stays_in_the_others(tmp_path: Path) -> None:
    records = [
        trial_record(0),
        trial_record(1, spread=(0.0, 0.0)),
        trial_record(2, fid=(1, 9)),
        trial_record(3, diverged_at=12),  # of 600 updates in 100 steps: in step 2
    ]
    table = survival_table(results(tmp_path, records)).set_index(["outcome", "step"])
    assert table["n"].tolist() == [4] * len(table)
    assert table.loc["diverged", "share"].to_dict() == {0: 1.0, 2: 0.75, 100: 0.75}
    assert table.loc["collapsed", "share"].to_dict() == {0: 1.0, 50: 0.75, 100: 0.75}
    assert table.loc["degraded", "share"].to_dict() == {0: 1.0, 100: 0.75}
    assert table.loc[("diverged", 100), "at_risk"] == 3
    assert table.loc[("collapsed", 100), "at_risk"] == 3


def test_a_failed_trial_is_censored_where_it_was_last_seen_and_left_out_if_it_never_was(tmp_path: Path) -> None:
    """It cannot show collapse, which lasts to the end; but it is known until the step at which collapse may begin."""
    records = [
        trial_record(0, fid=(1, 9)),
        trial_record(1, spread=(1.0,), fid=(9,), status="failed", signals={}),
        trial_record(2, spread=(0.0,), fid=(9,), status="timed-out", signals={}),
        record(trial(seed=3), status="failed"),
    ]
    table = survival_table(results(tmp_path, records)).set_index(["outcome", "step"])
    assert set(table["n"]) == {3}
    assert table.loc["collapsed", "share"].to_dict() == {0: 1.0, 100: 1.0}
    assert table.loc[("degraded", 100), ["share", "at_risk"]].tolist() == [0.0, 1.0]


def test_an_outcome_of_which_nothing_is_known_has_no_curve(tmp_path: Path) -> None:
    table = survival_table(results(tmp_path, [record(trial(), [1.0, 1.0])]))
    assert set(table["outcome"]) == {"diverged", "degraded"}
    assert survival_table(results(tmp_path / "none", [], [trial()])).empty


@pytest.mark.parametrize(("n", "seeds"), [(20, 1), (48, 3)])
def test_the_interval_of_a_share_covers_it(n: int, seeds: int) -> None:
    coverage = simulation.survival_coverage(n, seeds, runs=60)
    assert 0.92 <= coverage.mean() <= 0.99
    assert coverage.min() >= 0.85, "of cases with a standard error of .03"


def test_without_a_record_there_is_an_empty_table_with_all_its_columns(tmp_path: Path) -> None:
    planned = results(tmp_path / "r", [], plan=[trial("a"), trial("b")])
    trained = results(tmp_path / "s", [trial_record(0)])
    table = survival_table(planned)
    assert table.empty
    assert list(table) == list(survival_table(trained))
