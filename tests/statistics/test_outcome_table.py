"""Outcomes of stored trials: by the suite's thresholds, the same in every table, NaN where no series was stored."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.api.records import Score
from ganbench.evaluation.outcomes import Thresholds, spread_measurement
from ganbench.report import make_tables, render
from ganbench.results.store import Store
from ganbench.statistics.final_scores import trial_scores
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.statistics.score_summary import summary_table
from ganbench.suite.loading import parse
from ganbench.suite.success import OutcomesTable

from tests.support.tiny_suite import suite as small
from tests.support.trials_by_hand import SUITE, record, results, scores, trial

INF = math.inf
CALM = ([1, 50, 100], [1.0, 1.0, 1.0])
WILD = ([1, 50, 100], [1.0, 3e4, 1.0])


def spreads(*values: float) -> list[Score]:
    """Return spreads as the evaluation measures them, at the steps 50, 100, ..."""
    return [Score(50 * (i + 1), "spread", v, "neutral", spread_measurement(256), 256) for i, v in enumerate(values)]


def fields(fid: list[float], *more_scores: Score, **others: Any) -> dict[str, Any]:
    """Return the fields of a record with these FIDs and these other scores."""
    return {"scores": (*scores("fid", fid), *more_scores), **others}


def test_diverged_is_non_finite_or_exploded_in_every_table(tmp_path: Path) -> None:
    records = [
        record(trial(seed=0), [1, 1], signals={"loss.critic": CALM}),
        record(trial(seed=1), [1, 1], signals={"loss.critic": WILD}),
        record(trial(seed=2), [1, 1], signals={"loss.critic": CALM}, diverged_at=7),
        record(trial(seed=3), signals={"loss.critic": WILD}),
    ]
    frames = results(tmp_path, records)
    assert trial_outcomes(frames)["diverged"].tolist() == [False, True, True, True]
    assert trial_scores(frames, "ring", "fid")["diverged"].tolist() == [False, True, True, True]
    (row,) = summary_table(frames).to_dict("records")
    assert (row["diverged"], row["finite"], row["n"], row["final"]) == (3, 1, 4, INF)
    (row,) = count_outcomes(frames).to_dict("records")
    assert (row["planned"], row["completed"], row["diverged"]) == (4, 1, 3)
    assert (row["non-finite"], row["non-finite_of"], row["non-finite_step"]) == (1, 4, 2)  # 600 updates in 100 steps
    assert (row["exploded"], row["exploded_of"], row["exploded_step"]) == (2, 4, 50)


def test_series_too_short_to_show_an_oscillation_say_nothing_of_it(tmp_path: Path) -> None:
    """Of 40 values on it is known; the critic's loss of the second trial rises and falls every 10 steps."""
    steps = list(range(40))
    wave = [math.sin(2 * math.pi * step / 10) for step in steps]
    records = [
        record(trial(seed=0), [1, 1], signals={"loss.critic": (steps[:39], wave[:39])}),
        record(trial(seed=1), [1, 1], signals={"loss.critic": (steps, wave)}),
        record(trial(seed=2), [1, 1], signals={"loss.critic": (steps, [1.0] * 40)}),
    ]
    short, waving, flat = trial_outcomes(results(tmp_path, records))["oscillating"]
    assert math.isnan(short)
    assert math.isfinite(waving)
    assert flat == INF


def test_outcomes_are_counted_where_they_are_known_with_their_median_step(tmp_path: Path) -> None:
    records = [
        record(trial(seed=0), **fields([1, 1], *spreads(0.0, 0.0))),
        record(trial(seed=1), **fields([1, 9], *spreads(1.0, 0.0))),
        record(trial(seed=2), **fields([1, 1], *spreads(0.0, 1.0))),
        record(trial(seed=3), **fields([1, 9])),
        record(trial(seed=4), **fields([1, 9], *spreads(0.0, 0.0), status="failed")),
        record(trial("old"), **fields([1, 1])),
    ]
    a, old = count_outcomes(results(tmp_path, records)).to_dict("records")
    assert (a["collapsed"], a["collapsed_of"], a["collapsed_step"]) == (2, 3, 75)
    assert (a["degraded"], a["degraded_of"], a["degraded_step"]) == (2, 4, 100)
    assert math.isnan(old["collapsed"])
    assert (old["collapsed_of"], old["degraded"], old["degraded_of"]) == (0, 0, 1)


def test_a_third_party_metric_named_spread_does_not_show_collapse(tmp_path: Path) -> None:
    records = [record(trial(), scores=tuple(scores("spread", [0.0, 0.0], "neutral")))]
    assert trial_outcomes(results(tmp_path, records))["collapsed"].isna().all()


def test_a_suite_sets_thresholds_and_the_headline_is_its_success_rules_metric(tmp_path: Path) -> None:
    two_metrics = (*scores("fid", [1.0, 1.9]), *scores("modes", [8.0, 7.0], "higher"))
    with Store(tmp_path) as store:
        store.begin_run(SUITE, [trial()], {})
        store.append([record(trial(), scores=two_metrics, signals={"loss.critic": ([1, 2], [1.0, 50.0])})])
        plain = store.frames()
    rule = {"dataset": "ring", "metric": "modes"}
    variants = {
        "plain": plain,
        "lenient": replace(plain, suite=SUITE + "[outcomes]\ndegraded = 2\nexploded = 10"),
        "other headline": replace(plain, suite=parse(small(success=[rule | {"thresholds": [9]}])).text),
    }
    outcomes = {name: trial_outcomes(frames).iloc[0] for name, frames in variants.items()}
    assert [outcomes[name]["degraded"] for name in variants] == [100, INF, INF]
    assert [outcomes[name]["exploded"] for name in variants] == [INF, 2, INF]


def test_the_table_of_outcomes_shows_counts_where_they_are_known_and_an_empty_cell_elsewhere(tmp_path: Path) -> None:
    records = [record(trial(seed=s), **fields([1, 9 if s else 1])) for s in range(3)]
    table, *_ = make_tables(results(tmp_path, records))
    header, _, row = [line for line in render([table], "md").splitlines() if line.startswith("|")]
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert cells["degraded"] == "2 of 3 (at 100)"
    assert cells["non-finite"] == "0 of 3"
    assert cells["collapsed"] == ""
    assert "exploded: a loss or a player's weights exceed 10000 times their initial value" in " ".join(table.notes)


def test_a_suite_can_set_every_threshold_and_no_other() -> None:
    assert OutcomesTable.model_fields.keys() == asdict(Thresholds()).keys()
    wrong = {"exploded": 1, "degraded": 0.5, "periods": 1, "oscillating": 2, "collapse": 0.1}
    with pytest.raises(GanbenchError) as raised:
        parse(small(outcomes=wrong))
    for name in wrong:
        assert name in str(raised.value)


def test_no_reconstruction_is_counted_where_the_signals_are_and_has_no_column_where_none_is(tmp_path: Path) -> None:
    steps, mean_image = [1, 10, 100], [1.0, 1.0, 1.0]

    def errors(*values: float) -> dict[str, Any]:
        return {"loss.critic": CALM, "objective.error": (steps, values), "objective.mean_image": (steps, mean_image)}

    plain = [record(trial(seed=seed), [1, 1], signals={"loss.critic": CALM}) for seed in range(2)]
    reconstructing = [
        record(trial("b", seed=0), [1, 1], signals=errors(0.5, 2.0, 0.1)),
        record(trial("b", seed=1), [1, 1], signals=errors(2.0, 0.5, 2.0)),
    ]
    frames = results(tmp_path / "with", plain + reconstructing)
    rows = count_outcomes(frames).set_index("method")[[f"no-reconstruction{part}" for part in ("", "_of", "_step")]]
    assert math.isnan(rows.loc["a"].iloc[0])
    assert rows.loc["a"].iloc[1] == 0
    assert rows.loc["b"].tolist() == [1, 2, 10]
    shown = render(make_tables(frames)[:1], "md")
    assert "1 of 2 (at 10)" in shown
    assert "worse than their mean image" in shown
    assert "no-reconstruction" not in render(make_tables(results(tmp_path / "without", plain))[:1], "md")
