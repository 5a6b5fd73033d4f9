"""Do the intervals hold the truth as often as they say? The marked test prints the table of docs/statistics.md."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest
from ganbench.statistics.bootstrap import bootstrap_median
from ganbench.statistics.intervals import Interval, median_interval

from tests.support import simulated_results as simulating
from tests.support.simulated_results import Floats

SHORTER = partial(bootstrap_median, resamples=999)


@pytest.mark.parametrize("n", [20, 48, 200])
def test_wilson_covers_95_percent_on_average_and_never_under_90(n: int) -> None:
    coverage = simulating.wilson_coverage(n)
    assert abs(coverage.mean() - 0.95) < 0.015
    assert coverage.min() >= 0.90


def test_the_interval_of_a_paired_difference_covers_95_percent_on_average_and_never_under_94() -> None:
    """Exactly, at 20 pairs; Newcombe (1998) says as much of his method 10: a little over on average."""
    coverage = simulating.exact_difference_coverage(20)
    assert 0.95 <= coverage.mean() < 0.975
    assert coverage.min() >= 0.94


def test_with_several_seeds_a_paired_difference_is_covered_too() -> None:
    coverage = simulating.difference_coverage(20, seeds=3, runs=60)
    assert abs(coverage.mean() - 0.95) < 0.015
    assert coverage.min() >= 0.85, "of 54 cases with a standard error of .03"


@pytest.mark.parametrize(("skewed", "dead", "seeds"), [(False, 0.0, 1), (True, 0.0, 1), (True, 0.15, 3)])
@pytest.mark.parametrize("n", [20, 48])
@pytest.mark.parametrize("interval", [SHORTER, median_interval], ids=["bootstrap", "woodruff"])
def test_both_intervals_of_a_median_cover_it_normal_or_skewed_and_with_the_dead(
    n: int, seeds: int, skewed: bool, dead: float, interval: Callable[..., Interval]
) -> None:
    coverage = simulating.median_coverage(n, seeds, 250, interval, skewed, dead)
    assert 0.92 <= coverage.mean() <= 0.995


@pytest.mark.parametrize(("n", "seeds"), [(20, 1), (48, 1), (20, 3), (48, 3)])
def test_the_band_holds_the_whole_curve_of_success_rates(n: int, seeds: int) -> None:
    coverage = simulating.curve_coverage(n, seeds, runs=200)
    assert 0.93 <= coverage.mean() <= 0.99
    assert coverage.min() >= 0.92


@pytest.mark.parametrize("n", [12, 48])
def test_the_luck_of_the_seed_is_covered(n: int) -> None:
    coverage = simulating.luck_coverage(n, seeds=3, runs=150)
    assert 0.93 <= coverage.mean() <= 0.99
    assert coverage.min() >= 0.90


def test_identical_methods_are_called_different_in_5_percent_of_suites_at_most() -> None:
    """Three methods, all pairs, Holm; the test is exact, so less is as right as 5%, but not nothing."""
    assert 0.01 < simulating.false_alarms(1000, architectures=24, seeds=3) <= 0.065


def cases() -> list[tuple[str, str, Floats]]:
    """Everything in docs/statistics.md's table: what, for how many, and the coverages."""
    found = [("Wilson, of a rate, exactly", f"{n} x 1", simulating.wilson_coverage(n)) for n in (20, 48, 200)]
    sizes = [(n, seeds) for n in (20, 48) for seeds in (1, 3)]
    for n, seeds in sizes:
        label, alone = f"{n} x {seeds}", seeds == 1
        differences = simulating.exact_difference_coverage(n) if alone else simulating.difference_coverage(n, 3, 300)
        found.append((f"Newcombe, of a paired difference{', exactly' * alone}", label, differences))
    for name, interval in (("Woodruff", median_interval), ("bootstrap, BCa", SHORTER)):
        for n, seeds in [(6, 1), (6, 3), (10, 3), *sizes]:
            for dead in (0.0, 0.15):
                coverage = simulating.median_coverage(n, seeds, 1000, interval, skewed=True, dead=dead)
                found.append((f"{name}, of a median{', 15% dead' * (dead > 0)}", f"{n} x {seeds}", coverage))
    found += [("Kolmogorov, of a whole curve", f"{n} x {s}", simulating.curve_coverage(n, s, 1000)) for n, s in sizes]
    found += [("jackknife, of luck", f"{n} x 3", simulating.luck_coverage(n, 3, 300)) for n in (12, 20, 48)]
    return found


@pytest.mark.simulation
def test_every_interval_covers_as_often_as_the_documentation_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the table; nothing but the bootstrap at ten architectures or fewer covers less than 92% on average."""
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
