"""The check of a machine: trainings repeated there come from the distribution of the recorded ones, or it says so."""

from __future__ import annotations

from pathlib import Path

import ganbench
import numpy as np
import pytest
from ganbench.errors import GanbenchError
from ganbench.statistics.reproduction import (
    Reproduction,
    adjust_checks,
    check_reproduction,
    paired_rank_test,
    rank_sum_test,
)
from ganbench.suite import restore

from tests.support.two_sides import RULE, SUITE, make_folder


def find_alarms(shift: float, runs: int) -> float:
    """Return how often two datasets with 5 scores against 20, and one with 8 pairs, raise an alarm.

    The scores of a machine that differs are `shift` standard deviations from the recorded ones.
    """
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(runs):
        ps = [rank_sum_test(rng.normal(shift, 1, 5), rng.normal(size=20)) for _ in range(2)]
        cells = rng.normal(0, 3, 8)  # architectures differ more than trainings
        ps.append(paired_rank_test(cells + rng.normal(shift, 1, 8), cells + rng.normal(size=8)))
        checks = [
            Reproduction(
                dataset="d", trained=5, recorded=20, successes=(0, 0), medians=(0, 0), equal=0, paired=False, p=p
            )
            for p in ps
        ]
        alarms += any(not each.holds for each in adjust_checks(checks))
    return alarms / runs


def test_a_machine_that_differs_in_rounding_alone_raises_an_alarm_in_one_of_twenty_checks_at_most() -> None:
    """Of 400 checks, 5% are 20, with a standard deviation of 4.4."""
    assert find_alarms(0.0, 400) <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_a_shift_of_two_standard_deviations_is_found_in_nine_of_ten_checks() -> None:
    assert find_alarms(2.0, 100) >= 0.9


def test_the_rank_sum_test_has_the_p_of_the_counted_divisions() -> None:
    """5 scores below 20 others: one of the 53,130 divisions, and as many above. With ties, ranks are means."""
    assert rank_sum_test(range(5), range(10, 30)) == pytest.approx(2 / 53130)
    assert rank_sum_test([1, 1], [2, 2, 2]) == pytest.approx(2 / 10)
    assert rank_sum_test([np.inf, np.inf], [1, 2, np.inf]) == pytest.approx(2 * 3 / 10)


def test_the_paired_test_has_the_p_of_the_flipped_signs() -> None:
    assert paired_rank_test(range(8), range(10, 18)) == pytest.approx(2 / 2**8)
    assert paired_rank_test([1.0, 2.0], [1.0, 2.0]) == 1


def check(tmp_path: Path, here: list[float], there: list[float], seeds: tuple[int, ...] = (0,)) -> Reproduction:
    """Return the check of method "a" whose final FIDs are these, by architecture."""
    folders = [make_folder(tmp_path / name, {"a": fids}, seeds=seeds) for name, fids in (("H", here), ("T", there))]
    rule = restore(SUITE + RULE).success[0]
    return check_reproduction(*map(ganbench.read, folders), rule, "a")


def test_equal_scores_reproduce_whatever_the_other_records_are(tmp_path: Path) -> None:
    found = check(tmp_path, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 90.0, 91.0, 92.0])
    assert (found.equal, found.trained, found.recorded, found.p) == (3, 3, 3, 1.0)
    assert found.paired
    assert found.successes == (3, 3)


def test_a_trial_that_diverged_counts_as_the_worst(tmp_path: Path) -> None:
    found = check(tmp_path, [float("nan")] * 7, [5.0 + i for i in range(7)])
    assert found.p == pytest.approx(2 / 2**7)
    assert found.medians[0] == np.inf


def test_only_cells_that_have_a_record_are_compared_and_without_any_the_way_out_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "H", {"a": [1.0]}, seeds=(9,))
    other = make_folder(tmp_path / "T", {"a": [1.0]}, seeds=(0,))
    with pytest.raises(GanbenchError, match="--retrain"):
        check_reproduction(*map(ganbench.read, (folder, other)), restore(SUITE + RULE).success[0], "a")


def test_scores_that_were_measured_in_another_way_are_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "H", {"a": [1.0]}, measurement="n" * 64)
    other = make_folder(tmp_path / "T", {"a": [1.0]})
    with pytest.raises(GanbenchError, match=r"measured in another way.*--retrain"):
        check_reproduction(*map(ganbench.read, (folder, other)), restore(SUITE + RULE).success[0], "a")
