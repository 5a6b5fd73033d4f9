"""Do the intervals contain the true value as often as they claim? A marked test prints the table of statistics.md."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest
from ganbench.statistics.bootstrap import bootstrap_median
from ganbench.statistics.intervals import Interval, median_interval

from tests.support import simulated_results as simulation
from tests.support import simulated_trials
from tests.support.simulated_results import Floats

SHORTER = partial(bootstrap_median, resamples=999)


@pytest.mark.parametrize("n", [20, 48, 200])
def test_wilsons_interval_covers_95_percent_on_average_and_at_least_90(n: int) -> None:
    coverage = simulation.wilson_coverage(n)
    assert abs(coverage.mean() - 0.95) < 0.015
    assert coverage.min() >= 0.90


def test_the_interval_of_a_paired_difference_covers_95_percent_on_average_and_at_least_94() -> None:
    """Exact, for 20 pairs; Newcombe (1998) reports the same for his method 10: a little over 95% on average."""
    coverage = simulation.exact_difference_coverage(20)
    assert 0.95 <= coverage.mean() < 0.975
    assert coverage.min() >= 0.94


def test_with_several_seeds_a_paired_difference_is_covered_too() -> None:
    coverage = simulation.difference_coverage(20, seeds=3, runs=60)
    assert abs(coverage.mean() - 0.95) < 0.015
    assert coverage.min() >= 0.85, "of 54 cases with a standard error of .03"


@pytest.mark.parametrize(("skewed", "failed", "seeds"), [(False, 0.0, 1), (True, 0.0, 1), (True, 0.15, 3)])
@pytest.mark.parametrize("n", [20, 48])
@pytest.mark.parametrize("interval", [SHORTER, median_interval], ids=["bootstrap", "woodruff"])
def test_both_intervals_of_a_median_cover_it_for_normal_or_skewed_scores_and_with_failed_trials(
    n: int, seeds: int, skewed: bool, failed: float, interval: Callable[..., Interval]
) -> None:
    coverage = simulation.median_coverage(n, seeds, 250, interval, skewed, failed)
    assert 0.92 <= coverage.mean() <= 0.995


@pytest.mark.parametrize(("n", "seeds"), [(12, 1), (48, 1), (20, 3)])
def test_the_probability_of_outperforming_is_covered(n: int, seeds: int) -> None:
    coverage = simulation.outperformance_coverage(n, seeds, runs=60)
    assert abs(coverage.mean() - 0.95) < 0.025
    assert coverage.min() >= 0.83, "of 18 cases with a standard error of .03"


@pytest.mark.parametrize(("skewed", "failed"), [(False, 0.0), (True, 0.15)])
@pytest.mark.parametrize(("n", "seeds"), [(20, 1), (20, 3), (48, 1)])
def test_the_interquartile_mean_is_covered_with_failed_trials_too(
    n: int, seeds: int, skewed: bool, failed: float
) -> None:
    coverage = simulation.interquartile_coverage(n, seeds, 200, skewed, failed)
    assert 0.90 <= coverage.mean() <= 0.985


@pytest.mark.parametrize(("n", "seeds"), [(20, 1), (48, 1), (20, 3), (48, 3)])
def test_the_band_contains_the_whole_curve_of_success_rates(n: int, seeds: int) -> None:
    coverage = simulation.curve_coverage(n, seeds, runs=200)
    assert 0.93 <= coverage.mean() <= 0.99
    assert coverage.min() >= 0.92


@pytest.mark.parametrize("n", [12, 48])
def test_the_between_seed_share_is_covered(n: int) -> None:
    coverage = simulation.seed_share_coverage(n, seeds=3, runs=150)
    assert 0.93 <= coverage.mean() <= 0.99
    assert coverage.min() >= 0.90


def test_identical_methods_are_called_different_in_at_most_5_percent_of_suites() -> None:
    """Three methods, all pairs, Holm. The exact tests are discrete, so the rate is below 5%, but it is not zero."""
    assert 0.01 < simulation.false_alarm_rate(1000, architectures=24, seeds=3) <= 0.065


def cases() -> list[tuple[str, str, Floats]]:
    """Return the rows of the table of statistics.md: the interval, the sizes, and the coverage of each case."""
    rows = [("Wilson, of a rate, exactly", f"{n} x 1", simulation.wilson_coverage(n)) for n in (20, 48, 200)]
    sizes = [(n, seeds) for n in (20, 48) for seeds in (1, 3)]
    for n, seeds in sizes:
        label, alone = f"{n} x {seeds}", seeds == 1
        differences = simulation.exact_difference_coverage(n) if alone else simulation.difference_coverage(n, 3, 300)
        rows.append((f"Newcombe, of a paired difference{', exactly' * alone}", label, differences))
    for name, interval in (("Woodruff", median_interval), ("bootstrap, BCa", SHORTER)):
        for n, seeds in [(6, 1), (6, 3), (10, 3), *sizes]:
            for failed in (0.0, 0.15):
                coverage = simulation.median_coverage(n, seeds, 1000, interval, skewed=True, failed=failed)
                rows.append((f"{name}, of a median{', 15% failed' * (failed > 0)}", f"{n} x {seeds}", coverage))
    for n, seeds in [(6, 1), (6, 3), (10, 3), *sizes]:
        rows.append(("Wilson, of outperforming", f"{n} x {seeds}", simulation.outperformance_coverage(n, seeds, 300)))
        for failed in (0.0, 0.15):
            coverage = simulation.interquartile_coverage(n, seeds, 1000, skewed=True, failed=failed)
            name = f"bootstrap, of an interquartile mean{', 15% failed' * (failed > 0)}"
            rows.append((name, f"{n} x {seeds}", coverage))
    rows += [("Kolmogorov, of a whole curve", f"{n} x {s}", simulation.curve_coverage(n, s, 1000)) for n, s in sizes]
    rows += [
        ("jackknife, of the between-seed share", f"{n} x 3", simulation.seed_share_coverage(n, 3, 300))
        for n in (12, 20, 48)
    ]
    for what, coverage in (
        ("Rothman, of a share without an outcome", simulated_trials.survival_coverage),
        ("profile likelihood, of an odds ratio", simulated_trials.odds_coverage),
    ):
        rows += [(what, f"{n} x {seeds}", coverage(n, seeds, 300)) for n, seeds in sizes]
    return rows


@pytest.mark.simulation
def test_every_interval_covers_as_often_as_the_documentation_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Print the table. Only the bootstrap, with ten architectures or fewer, covers less than 92% on average."""
    lines = ["| interval | architectures x seeds | cases | mean coverage | least |", "|---|---|---|---|---|"]
    weak = []
    for what, size, coverage in cases():
        row = (what, size, str(len(coverage)), f"{coverage.mean():.3f}", f"{coverage.min():.3f}")
        lines.append(f"| {' | '.join(row)} |")
        if coverage.mean() < 0.92 and not (what.startswith("bootstrap") and int(size.split()[0]) <= 10):
            weak.append(lines[-1])
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, ""]))
    assert not weak, "\n".join(weak)
    assert len(lines) > 2
