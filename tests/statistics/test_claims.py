"""Verdicts on claims: each test on trials made by hand, the family, and what is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ganbench.api.trials import Trial
from ganbench.results.frames import Frames
from ganbench.statistics.claims import ClaimResult, exact_median_interval, exact_share, judge_claims
from ganbench.suite.claims import ClaimTable

from tests.support.trials_by_hand import record, results, scores, trial

SEEDS = 10


def claim(test: str, **fields: Any) -> ClaimTable:
    return ClaimTable.model_validate({"text": "so it is", "source": "a paper", "test": test, **fields})


def seeds_of(
    folder: Path, finals: Mapping[str, Sequence[float]], name: str = "fid", direction: str = "lower"
) -> Frames:
    """Return the results of one architecture: the final score of each seed, by method."""
    records = [
        record(trial(method, seed=seed), scores=tuple(scores(name, [9.0, value], direction)))
        for method, values in finals.items()
        for seed, value in enumerate(values)
    ]
    return results(folder, records)


def series_of(folder: Path, series: Sequence[Sequence[float]]) -> Frames:
    """Return the results of method a: the scores of each seed along its training."""
    return results(
        folder,
        [record(trial(seed=seed), scores=tuple(scores("radius", row, "neutral"))) for seed, row in enumerate(series)],
    )


def only(frames: Frames, one: ClaimTable) -> ClaimResult:
    (result,) = judge_claims(frames, [one])
    return result


def test_less_is_reproduced_where_it_holds_for_ten_of_ten_pairs(tmp_path: Path) -> None:
    """P = 2 x 2^-10 by the sign test; the exact share [.69, 1] by Clopper and Pearson."""
    frames = seeds_of(tmp_path, {"a": [1.0] * SEEDS, "b": [2.0] * SEEDS})
    result = only(frames, claim("less", dataset="ring", method="a", value="fid", than={"method": "b"}))
    assert result.verdict == "reproduced"
    assert (result.holds, result.units) == (10, 10)
    assert result.p == pytest.approx(2 * 2**-10)
    assert result.share.low == pytest.approx(0.025 ** (1 / 10))
    assert result.median == -1.0


def test_the_reverse_is_contradicted_and_a_mixture_undecided(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0] * SEEDS, "b": [2.0] * SEEDS, "c": [0.0, 3.0] * 5})
    assert only(frames, claim("greater", dataset="ring", method="a", value="fid", than={"method": "b"})).verdict == (
        "contradicted"
    )
    undecided = only(frames, claim("less", dataset="ring", method="a", value="fid", than={"method": "c"}))
    assert undecided.verdict == "undecided"
    assert "p = 1 after Holm's correction" in undecided.reason


def test_a_factor_asks_for_more_than_less(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0] * SEEDS, "b": [10.0] * SEEDS})
    asks = {"dataset": "ring", "method": "a", "value": "fid", "than": {"method": "b"}}
    by_nine = only(frames, claim("less", factor=9, **asks))
    assert by_nine.verdict == "reproduced"
    assert by_nine.median == pytest.approx(-1.0)  # decades
    assert only(frames, claim("less", factor=11, **asks)).verdict == "contradicted"


def test_snapshots_and_numbers_are_compared_too(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0] * SEEDS})
    assert only(frames, claim("less", value="fid", than={"at": "first"})).verdict == "reproduced"
    assert only(frames, claim("less", value="fid", target=0.5)).verdict == "contradicted"
    assert only(frames, claim("within", value="fid", at=50, target=9.0, tolerance=0.1)).verdict == "reproduced"


def test_within_reads_a_tolerance_or_a_share_of_what_is_compared_with(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [104.0] * SEEDS, "b": [100.0] * SEEDS})
    asks = {"dataset": "ring", "method": "a", "value": "fid", "than": {"method": "b"}}
    assert only(frames, claim("within", tolerance=3, **asks)).verdict == "contradicted"
    assert only(frames, claim("within", tolerance=0.05, relative=True, **asks)).verdict == "reproduced"


def test_a_trial_that_diverged_is_worse_than_any_other(tmp_path: Path) -> None:
    lost = [record(trial("b", seed=seed), diverged_at=7) for seed in range(SEEDS)]
    kept = [record(trial("a", seed=seed), scores=tuple(scores("fid", [500.0]))) for seed in range(SEEDS)]
    frames = results(tmp_path, [*kept, *lost])
    asks = claim("less", dataset="ring", method="a", value="fid", than={"method": "b"})
    assert only(frames, asks).holds == SEEDS


def test_an_unknown_value_speaks_for_neither_verdict(tmp_path: Path) -> None:
    """Six of ten hold and four are unknown: the share may be .26 or 1."""
    frames = seeds_of(tmp_path, {"a": [1.0] * 6 + [math.nan] * 4}, direction="neutral")
    result = only(frames, claim("less", value="fid", target=5))
    assert (result.holds, result.units, result.unknown) == (6, 10, 4)
    assert result.p_for > 0.3
    assert result.p_against == 1.0
    assert result.share == pytest.approx((exact_share(6, 6, 10).low, 1.0))
    assert "4 of 10 units is unknown" in result.reason


def test_an_undefined_score_is_the_worst_as_in_the_tables(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0] * SEEDS, "b": [2.0] * 9 + [math.nan]})
    result = only(frames, claim("less", method="a", value="fid", than={"method": "b"}))
    assert (result.holds, result.unknown, result.median) == (10, 0, -1.0)
    assert only(frames, claim("greater", method="b", value="fid", target=1.5)).holds == 10


def test_always_and_absent_read_a_condition_against_the_claims_rate(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0] * SEEDS})
    assert only(frames, claim("always", condition="fid < 2", rate=0.6)).verdict == "reproduced"
    assert only(frames, claim("absent", condition="fid > 2", rate=0.4)).verdict == "reproduced"
    assert only(frames, claim("absent", condition="fid < 2")).verdict == "contradicted"
    assert only(frames, claim("always", condition="fid < 2", rate=0.9)).verdict == "undecided"  # .9^10 = .35


def test_outcomes_are_counted(tmp_path: Path) -> None:
    records = [record(trial(seed=seed), diverged_at=7, scores=()) for seed in range(SEEDS)]
    frames = results(tmp_path, records)
    assert only(frames, claim("always", outcome="diverged")).verdict == "reproduced"
    assert only(frames, claim("absent", outcome="non-finite")).verdict == "contradicted"


def test_series_converge_diverge_and_cycle(tmp_path: Path) -> None:
    decay = [0.5**step for step in range(40)]
    circle = [math.cos(step) for step in range(40)]
    growth = [1.1**step for step in range(40)]
    for name, row in {"converges": decay, "cycles": circle, "diverges": growth}.items():
        frames = series_of(tmp_path / name, [row] * SEEDS)
        for test in ("converges", "cycles", "diverges"):
            extra = {} if test == "diverges" else {"tolerance": 0.01}
            verdict = only(frames, claim(test, value="radius", **extra)).verdict
            assert verdict == ("reproduced" if test == name else "contradicted"), (name, test)


def test_ranks_along_steps_and_along_methods(tmp_path: Path) -> None:
    rising = series_of(tmp_path / "steps", [[1.0, 2.0, 4.0, 3.0, 5.0, 6.0]] * SEEDS)
    assert only(rising, claim("monotone", value="radius", direction="rises")).verdict == "reproduced"
    assert only(rising, claim("monotone", value="radius", direction="falls")).verdict == "contradicted"
    methods = {"a": [4.0] * SEEDS, "b": [3.0] * SEEDS, "c": [2.0] * SEEDS, "d": [1.0] * SEEDS}
    ladder = seeds_of(tmp_path / "methods", methods)
    falls = claim("monotone", value="fid", along="methods", order=["a", "b", "c", "d"], direction="falls")
    assert only(ladder, falls).median == -1.0


def test_two_values_correlate_along_steps_or_over_trials(tmp_path: Path) -> None:
    records = []
    for seed in range(20):
        own = [float(seed + step) for step in range(6)]
        both = [*scores("loss", own, "neutral"), *scores("w1", [2 * value for value in own])]
        records.append(record(trial(seed=seed), scores=tuple(both)))
    frames = results(tmp_path, records)
    along = claim("correlates", value="loss", than={"value": "w1"}, direction="rises")
    over = claim("correlates", value="loss", than={"value": "w1"}, direction="rises", along="trials")
    opposite = claim("correlates", value="loss", than={"value": "w1"}, direction="falls", along="trials")
    assert [each.verdict for each in judge_claims(frames, [along, over, opposite])] == [
        *("reproduced", "reproduced", "contradicted")
    ]


def test_a_signal_is_paired_with_a_score_by_its_last_value_up_to_the_snapshot(tmp_path: Path) -> None:
    steps = [1, *range(15, 301, 15)]
    last = {45: 3.0, 90: 1.0, 150: 2.0, 195: 5.0, 240: 4.0, 300: 6.0}  # up to the snapshots at 50, 100 ... 300
    signals = {"loss.critic": (steps, [last.get(step, 9.0) for step in steps])}
    w1 = tuple(scores("w1", last.values()))
    records = [record(trial(seed=seed), scores=w1, signals=signals) for seed in range(SEEDS)]
    one = only(
        results(tmp_path, records), claim("correlates", value="w1", than={"value": "loss.critic"}, direction="rises")
    )
    assert (one.verdict, one.median) == ("reproduced", 1.0)


def test_several_seeds_of_an_architecture_are_one_unit(tmp_path: Path) -> None:
    """Six architectures of three seeds each, of which two hold: six units, each by its majority."""
    records = [
        record(trial("a", architecture, seed), scores=tuple(scores("fid", [[1.0, 1.0, 9.0][seed]])))
        for architecture in range(6)
        for seed in range(3)
    ]
    result = only(results(tmp_path, records), claim("less", value="fid", target=5))
    assert (result.holds, result.units) == (6, 6)
    assert result.p == pytest.approx(2 * 2**-6)


def test_architectures_are_paired_by_the_factors_that_a_claim_leaves_open(tmp_path: Path) -> None:
    """Depth 2 and 4 with width 8 have an FID of 1, with width 16 of 2."""
    ask = {"dataset": "ring", "method": "a", "value": "fid", "where": {"width": 8}, "than": {"where": {"width": 16}}}
    for depths, units in (((2, 4), 2), ((2,), SEEDS)):
        made = [
            record(spec_trial(seed, depth=depth, width=width), scores=tuple(scores("fid", [width / 8])))
            for seed in range(SEEDS)
            for depth in depths
            for width in (8, 16)
        ]
        result = only(results(tmp_path / str(units), made), claim("less", **ask))
        assert (result.holds, result.units, result.median) == (units, units, -1.0)


def test_costs_are_compared_too(tmp_path: Path) -> None:
    made = [
        record(trial(method, seed=seed), updates={"critic": updates, "generator": 100})
        for method, updates in (("a", 100), ("b", 300))
        for seed in range(SEEDS)
    ]
    ask = {"dataset": "ring", "method": "a", "value": "cost.critic-updates", "than": {"method": "b"}}
    frames = results(tmp_path, made)
    assert only(frames, claim("less", factor=2.9, **ask)).verdict == "reproduced"
    assert only(frames, claim("less", factor=3.1, **ask)).verdict == "contradicted"


def spec_trial(seed: int, **spec: int) -> Trial:
    """Make a trial of method a on an architecture of its own."""
    made = trial(seed=seed)
    return replace(made, spec=spec, labels={**made.labels, "architecture": f"mlp-{spec}"})


def test_the_claims_of_a_suite_are_one_family(tmp_path: Path) -> None:
    """Eight of ten: p = 2 x 56 / 1024 = .109; six of six: .031 alone, and .16 with four more tests beside it."""
    frames = seeds_of(tmp_path, {"a": [1.0] * 6})
    asks = claim("less", value="fid", target=5)
    assert only(frames, asks).verdict == "reproduced"
    five = judge_claims(frames, [asks] * 5)
    assert [each.verdict for each in five] == ["undecided"] * 5
    assert five[0].p_holm == pytest.approx(5 * 2 * 2**-6)


def test_without_inference_every_trial_must_hold(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0, 1.0], "b": [1.0, 9.0]})
    asks = {"dataset": "ring", "value": "fid", "target": 5, "inference": False}
    assert [only(frames, claim("less", method=name, **asks)).verdict for name in "ab"] == ["reproduced", "contradicted"]
    assert math.isnan(only(frames, claim("less", method="a", **asks)).p_holm)


def test_nothing_recorded_is_undecided(tmp_path: Path) -> None:
    frames = seeds_of(tmp_path, {"a": [1.0]})
    result = only(frames, claim("less", dataset="ring", method="b", value="fid", target=5))
    assert (result.verdict, result.reason) == ("undecided", "no trial of it is recorded yet")


def test_the_interval_of_a_median_is_that_of_the_sign_test() -> None:
    """Of six values the whole range covers with 1 - 2/64 = 96.9%; of ten, the second and the ninth with 97.9%."""
    assert exact_median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (1.0, 6.0)
    assert exact_median_interval(list(map(float, range(1, 11)))) == (2.0, 9.0)
    assert math.isnan(exact_median_interval([1.0] * 5).low)
