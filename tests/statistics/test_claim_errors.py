"""How often a verdict on a claim is wrong: exactly for the test of a share, by simulation for each kind of claim.

`pytest -n 0 -s -m simulation tests/statistics/test_claim_errors.py` prints the table of docs/reference/claims.md.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ganbench.results.frames import Frames
from ganbench.statistics.claims import LEVEL, judge_claims
from ganbench.suite.claims import ClaimTable, share_p_values
from numpy.typing import NDArray
from scipy.stats import binom

Floats = NDArray[np.float64]
UNITS, RUNS, POINTS = 10, 1000, 40
STEPS = np.arange(POINTS)


def claim(test: str, **fields: Any) -> ClaimTable:
    return ClaimTable.model_validate({"text": "so it is", "test": test, "dataset": "ring", "method": "a", **fields})


@pytest.mark.parametrize("units", [6, 8, 10, 20, 48, 200])
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("test", ["always", "absent"])
def test_either_verdict_is_wrong_at_most_one_time_in_forty_where_the_rate_is_the_claims(
    test: str, rate: float, units: int
) -> None:
    """A sum over all counts, at the rate where neither verdict is right: 2.5% on each side."""
    asks = claim(test, condition="fid < 1", rate=rate)
    chances = binom.pmf(np.arange(units + 1), units, rate)
    p_values = np.array([share_p_values(asks, count, 0, units) for count in range(units + 1)])
    wrong = [(chances[2 * side <= LEVEL]).sum() for side in p_values.T]
    assert max(wrong) <= LEVEL / 2 + 1e-12
    if units >= 48 and rate == 0.5:
        assert min(wrong) > 0.005  # and the test is not idle


def make_frames(series: dict[tuple[str, str], Floats]) -> Frames:
    """Return results in memory: `series` maps (method, value) to the numbers of every seed, [seeds, points]."""
    methods = list(dict.fromkeys(method for method, _ in series))
    seeds = len(next(iter(series.values())))
    trials = pd.DataFrame(
        [
            {"key": f"{method}-{seed}", "dataset": "ring", "architecture": "mlp", "method": method, "seed": seed}
            for method in methods
            for seed in range(seeds)
        ]
    ).assign(status="completed", diverged_at=-1, critic_updates=1.0, generator_updates=1.0, generator_steps=POINTS)
    rows = [
        pd.DataFrame(
            {
                "key": np.repeat([f"{method}-{seed}" for seed in range(seeds)], values.shape[1]),
                "step": np.tile(np.arange(1, values.shape[1] + 1), seeds),
                "name": name,
                "value": values.ravel(),
            }
        )
        for (method, name), values in series.items()
    ]
    common = {"direction": "neutral", "measurement": "m", "samples": 10, "fresh": False, "not_scored": False}
    signals = pd.DataFrame({"key": ["none"], "name": ["none"], "step": [1], "value": [0.0]}).iloc[:0]
    return Frames(trials=trials, scores=pd.concat(rows, ignore_index=True).assign(**common), signals=signals)


def draw_pairs(rng: np.random.Generator, units: int = UNITS) -> Frames:
    """Two methods of one law, so either is less in half of the pairs: heavy tails, as scores have."""
    return make_frames({(method, "fid"): np.exp(rng.standard_t(2, (units, 1))) for method in "ab"})


def draw_near(rng: np.random.Generator, units: int = UNITS) -> Frames:
    """Values within 1 of 0 with probability one half: a normal law whose upper quartile is 1."""
    return make_frames({("a", "fid"): rng.normal(0, 1 / 0.6744897501960817, (units, 1))})


def draw_courses(rng: np.random.Generator, units: int = UNITS) -> Frames:
    """Series that converge with probability one half, and else cycle, or diverge."""
    decay, circle, growth = 0.5**STEPS, np.cos(STEPS), 1.2**STEPS
    kinds = rng.integers(0, 2, units)
    rows = {
        name: np.where(kinds[:, None] == 0, yes, no) * (1 + 0.001 * rng.random((units, 1)))
        for name, yes, no in (("still", decay, circle), ("round", circle, decay), ("away", growth, circle))
    }
    return make_frames({("a", name): values for name, values in rows.items()})


def draw_ranks(rng: np.random.Generator, units: int = UNITS) -> Frames:
    """Series of noise of a law symmetric about 0, beside one that is independent of it: correlations of median 0."""
    return make_frames({("a", name): rng.standard_normal((units, POINTS)) for name in ("loss", "w1")})


def draw_correlated(rng: np.random.Generator, units: int = UNITS) -> Frames:
    """Pairs of a normal law whose Spearman correlation over trials is one half: rho = 2 sin(pi / 6 x 1/2)."""
    rho = 2 * math.sin(math.pi / 12)
    first, noise = rng.standard_normal((2, units, 1))
    return make_frames({("a", "loss"): first, ("a", "w1"): rho * first + math.sqrt(1 - rho**2) * noise})


CASES: dict[str, tuple[Callable[..., Frames], dict[str, Any], int]] = {
    "less": (draw_pairs, {"value": "fid", "than": {"method": "b"}}, UNITS),
    "greater": (draw_pairs, {"value": "fid", "than": {"method": "b"}}, UNITS),
    "within": (draw_near, {"value": "fid", "target": 0, "tolerance": 1}, UNITS),
    "always": (draw_near, {"condition": "fid < 0"}, UNITS),
    "absent": (draw_near, {"condition": "fid < 0"}, UNITS),
    "converges": (draw_courses, {"value": "still", "tolerance": 0.01}, UNITS),
    "cycles": (draw_courses, {"value": "round"}, UNITS),
    "diverges": (draw_courses, {"value": "away"}, UNITS),
    "monotone": (draw_ranks, {"value": "loss", "direction": "rises", "strength": 0}, UNITS),
    "correlates": (draw_ranks, {"value": "loss", "than": {"value": "w1"}, "direction": "falls", "strength": 0}, UNITS),
    "correlates over 10 trials": (
        draw_correlated,
        {"value": "loss", "than": {"value": "w1"}, "direction": "rises", "along": "trials"},
        UNITS,
    ),
    "correlates over 48 trials": (
        draw_correlated,
        {"value": "loss", "than": {"value": "w1"}, "direction": "rises", "along": "trials"},
        48,
    ),
}
"""Data at the border of each kind of claim, where neither verdict is right."""


def count_verdicts(case: str, runs: int) -> tuple[float, float]:
    """Return how often a claim at its border is called reproduced, and contradicted."""
    draw, fields, units = CASES[case]
    asks, rng = claim(case.split(" ", maxsplit=1)[0], **fields), np.random.default_rng(1)
    verdicts = [judge_claims(draw(rng, units), [asks])[0].verdict for _ in range(runs)]
    return tuple(verdicts.count(name) / runs for name in ("reproduced", "contradicted"))  # type: ignore[return-value]


@pytest.mark.simulation
@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_claim_keeps_its_error_rates(case: str) -> None:
    """At most 2.5% on each side; three standard errors of the simulation are allowed for."""
    rates = count_verdicts(case, RUNS)
    sys.stdout.write(f"| {case} | {100 * rates[0]:.1f} | {100 * rates[1]:.1f} |" + "\n")
    assert max(rates) <= LEVEL / 2 + 3 * math.sqrt(LEVEL / 2 * (1 - LEVEL / 2) / RUNS)


@pytest.mark.simulation
def test_of_a_family_any_verdict_is_wrong_one_time_in_twenty() -> None:
    """Ten claims on 24 units, each at its border: half of all pairs are less."""
    rng, runs, wrong = np.random.default_rng(2), 300, 0
    for _ in range(runs):
        frames = make_frames({(method, "fid"): rng.standard_normal((24, 1)) for method in "abcdefghijk"})
        asks = [claim("less", value="fid", than={"method": name}) for name in "bcdefghijk"]
        wrong += any(each.verdict != "undecided" for each in judge_claims(frames, asks))
    sys.stdout.write(f"| ten claims of a family | {100 * wrong / runs:.1f} | |" + "\n")
    assert wrong / runs <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / runs)
