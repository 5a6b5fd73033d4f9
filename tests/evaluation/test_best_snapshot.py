"""The best snapshot is kept as it was, and reported on samples that had no part in choosing it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ganbench import Metric, Networks, Source
from ganbench.api.records import Score
from ganbench.api.trials import Part
from ganbench.engine.ensemble import Ensemble
from ganbench.engine.snapshot import Snapshot
from ganbench.evaluation.best_snapshot import FRESH, BestSnapshots
from ganbench.evaluation.scoring import Reference
from ganbench.statistics.final_scores import final_scores
from torch import nn

from tests.support.small_games import mlp, ns_gan, ring, training
from tests.support.trials_by_hand import record, results, trial

NETWORKS = Networks(generator=nn.Identity(), critic=None, latent=1)
LINE = Source(shape=(1,), reference=lambda n: torch.linspace(0, 1, n)[:, None])
MEAN = Metric(measure=lambda seen: {"mean": float(seen.samples.mean())}, values={"mean": "lower"})


def scripted(values: Sequence[float], direction: Any = "higher", **more: Any) -> Metric:
    """A metric that gives these values, one at each call."""
    told: Iterator[float] = iter(values)
    return Metric(measure=lambda seen: {"told": next(told)}, values={"told": direction}, **more)


def snapshot(step: int, members: int = 1, final: bool = False) -> Snapshot:
    own = {"w": torch.full((members, 1), float(step))}
    ensemble = Ensemble(NETWORKS, {"generator": own, "critic": {}}, {"generator": {}, "critic": {}})
    state = {"average": None, "diverged_at": [-1] * members, "signals": {}, "updates": {}}
    return Snapshot(step=step, final=final, members=tuple(range(members)), ensemble=ensemble, generators=own, **state)


def noisy(members: int, seed: int = 0) -> SimpleNamespace:
    """A training of which every sampling, of any snapshot, is fresh noise: nothing ever gets better."""
    chance = torch.Generator().manual_seed(seed)

    def samples(seen: Snapshot, count: int, stream: str = "evaluation") -> torch.Tensor:
        return torch.randn(len(seen.members), count, 1, generator=chance)

    return SimpleNamespace(members=range(members), draw_samples=samples)


def judge(metrics: Sequence[Metric], members: int = 1, samples: int = 4, run: Any = None) -> BestSnapshots:
    named = [(Part(next(iter(metric.values))), metric) for metric in metrics]
    return BestSnapshots(run or noisy(members), samples, named, Reference(LINE, samples))


def judged(by: BestSnapshots, steps: Sequence[int]) -> list[list[Score]]:
    """Every member's scores after snapshots at these steps, the fresh ones last."""
    found: list[list[Score]] = [[] for _ in by.best]
    for step in steps:
        for own, new in zip(found, by.score_snapshot(snapshot(step, len(found), step == steps[-1])), strict=True):
            own += new
    for member, again in by.fresh_scores():
        found[member] += again
    return found


def named(scores: Sequence[Score], name: str, fresh: bool) -> dict[int, float]:
    return {score.step: score.value for score in scores if score.name == name and score.fresh == fresh}


def test_best_of_pure_noise_is_biased_where_it_was_chosen_and_not_on_fresh_samples(tmp_path: Path) -> None:
    """The least of five standard normals is -1.16296 on average (Harter 1961); a fresh one is 0."""
    members, count = 500, 2
    steps = (10, 20, 30, 40, 50)
    found = judged(judge([MEAN], members, count), steps)
    chosen = torch.tensor([min(named(own, "mean", fresh=False).values()) for own in found]) * math.sqrt(count)
    assert chosen.mean().item() == pytest.approx(-1.16296, abs=4 * 0.669 / math.sqrt(members))
    made = [record(trial(seed=seed), scores=tuple(own)) for seed, own in enumerate(found)]
    best = final_scores(results(tmp_path, made), "ring", "mean")["best"].to_numpy() * math.sqrt(count)
    assert best.mean() == pytest.approx(0, abs=4 / math.sqrt(members))
    assert best.std() == pytest.approx(1, abs=4 / math.sqrt(2 * members))


def test_only_the_snapshots_that_are_best_so_far_are_kept() -> None:
    by = judge([scripted([1, 5, 3, 2, 4, 9])], members=2)
    kept = []
    for step in (10, 20, 30):
        by.score_snapshot(snapshot(step, 2))
        kept.append({at: one.members for at, one in by.kept.items()})
    assert kept == [{10: (0, 1)}, {10: (1,), 20: (0,)}, {30: (0, 1)}]


def test_each_value_has_a_best_of_its_own_and_of_equals_the_first() -> None:
    falls = iter([5.0, math.nan, 4.0, 4.0, 0.0, 0.0])
    down = Metric(measure=lambda seen: {"down": next(falls)}, values={"down": "lower"})
    (own,) = judged(judge([scripted([1, 7, 7, 2, 0, 0]), down]), (1, 2, 3, 4))
    assert sorted(named(own, "told", fresh=True)) == [2, 3], (
        "2 by the first value, 3 by the second, both judged on both"
    )
    assert sorted(named(own, "down", fresh=True)) == sorted(named(own, "spread", fresh=True)) == [2, 3]


def test_a_final_best_is_judged_again_too_and_a_single_snapshot_never() -> None:
    (own,) = judged(judge([scripted([1, 2, 5])]), (1, 2))
    assert named(own, "told", fresh=True) == {2: 5}
    (own,) = judged(judge([scripted([1, 5])]), (1,))
    assert not any(score.fresh for score in own)


def test_what_hangs_on_no_sample_is_told_again_as_it_was_and_final_metrics_choose_nothing() -> None:
    exact = scripted([3, 9, 4], needs="networks")
    late = Metric(measure=lambda seen: {"late": 1.0}, values={"late": "higher"}, final=True)
    (own,) = judged(judge([exact, late]), (1, 2, 3))
    assert named(own, "told", fresh=True) == {2: 9}
    assert named(own, "late", fresh=False) == {3: 1}
    assert named(own, "late", fresh=True) == {}


def test_a_member_without_a_finite_value_has_nothing_fresh() -> None:
    (own,) = judged(judge([scripted([math.nan, math.inf])]), (1, 2))
    assert not any(score.fresh for score in own)


def test_the_kept_generator_is_that_of_a_run_that_ends_there_and_its_fresh_samples_are_others() -> None:
    long = training(ns_gan(), mlp(), ring(), steps=4, dtype=torch.float32)
    long.budget = replace(long.budget, snapshots=(2, 4))
    by = BestSnapshots(long, 50, [(Part("told"), scripted([1, 9, 1, 5, 5, 5, *[0] * 3]))], Reference(ring(), 50))
    for one in long.run():
        by.score_snapshot(one)
    *_, end = training(ns_gan(), mlp(), ring(), steps=2, dtype=torch.float32).run()
    kept = by.kept[2]
    assert kept.members == (1,)
    assert all(torch.equal(kept.generators[name][0], end.generators[name][1]) for name in end.generators)
    fresh, before = long.draw_samples(kept, 50, FRESH), long.draw_samples(kept, 50)
    assert torch.allclose(before[0], long.draw_samples(end, 50)[1], atol=1e-6)
    assert not torch.isin(fresh, before).any()
    spread = {member: named(own, "spread", fresh=True) for member, own in by.fresh_scores()}
    assert spread.keys() == {0, 1, 2}
    assert (list(spread[1]), list(spread[0])) == ([2], [4])
