"""The best snapshot is stored as it was, and reported on samples that did not choose it."""

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
from ganbench.statistics.final_scores import trial_scores
from torch import nn

from tests.support.small_games import make_training, mlp, ns_gan, ring
from tests.support.trials_by_hand import record, results, trial

NETWORKS = Networks(generator=nn.Identity(), critic=None, latent=1)
LINE = Source(shape=(1,), reference=lambda n: torch.linspace(0, 1, n)[:, None])
MEAN = Metric(measure=lambda evidence: {"mean": float(evidence.samples.mean())}, values={"mean": "lower"})


def scripted(values: Sequence[float], direction: Any = "higher", **options: Any) -> Metric:
    """Return a metric whose value "x" is one of these at each call, in order."""
    remaining: Iterator[float] = iter(values)
    return Metric(measure=lambda evidence: {"x": next(remaining)}, values={"x": direction}, **options)


def snapshot(step: int, members: int = 1, final: bool = False) -> Snapshot:
    parameters = {"w": torch.full((members, 1), float(step))}
    ensemble = Ensemble(NETWORKS, {"generator": parameters, "critic": {}}, {"generator": {}, "critic": {}})
    state = {"average": None, "diverged_at": [-1] * members, "signals": {}, "updates": {}}
    return Snapshot(
        step=step, final=final, members=tuple(range(members)), ensemble=ensemble, generators=parameters, **state
    )


def noisy(members: int, seed: int = 0) -> SimpleNamespace:
    """Return a training whose samples are always new noise, so no snapshot is better than another."""
    generator = torch.Generator().manual_seed(seed)

    def iterate(snapshot: Snapshot, count: int, stream: str, at: Sequence[int] | None = None) -> Iterator[torch.Tensor]:
        yield torch.randn(len(snapshot.members if at is None else at), count, 1, generator=generator)

    return SimpleNamespace(members=range(members), drawing=SimpleNamespace(normalisation="batch", iterate=iterate))


def make_scorer(metrics: Sequence[Metric], members: int = 1, samples: int = 4) -> BestSnapshots:
    named_metrics = [(Part(next(iter(metric.values))), metric) for metric in metrics]
    return BestSnapshots(noisy(members), samples, named_metrics, Reference(LINE, samples))


def score_all(scorer: BestSnapshots, steps: Sequence[int]) -> list[list[Score]]:
    """Score snapshots at these steps and return every member's scores, the fresh ones last."""
    scores: list[list[Score]] = [[] for _ in scorer.best_scores]
    for step in steps:
        new_scores = scorer.score_snapshot(snapshot(step, len(scores), step == steps[-1]))
        for member_scores, new in zip(scores, new_scores, strict=True):
            member_scores += new
    for member, fresh in scorer.fresh_scores():
        scores[member] += fresh
    return scores


def by_step(scores: Sequence[Score], name: str, fresh: bool) -> dict[int, float]:
    return {score.step: score.value for score in scores if score.name == name and score.fresh == fresh}


def test_the_best_of_pure_noise_is_biased_on_the_samples_that_chose_it_and_not_on_fresh_ones(tmp_path: Path) -> None:
    """The mean of the smallest of five standard normals is -1.16296 (Harter 1961); that of a fresh one is 0."""
    members, count = 500, 2
    steps = (10, 20, 30, 40, 50)
    scores = score_all(make_scorer([MEAN], members, count), steps)
    smallest = torch.tensor([min(by_step(each, "mean", fresh=False).values()) for each in scores]) * math.sqrt(count)
    assert smallest.mean().item() == pytest.approx(-1.16296, abs=4 * 0.669 / math.sqrt(members))
    records = [record(trial(seed=seed), scores=tuple(each)) for seed, each in enumerate(scores)]
    best = trial_scores(results(tmp_path, records), "ring", "mean")["best"].to_numpy() * math.sqrt(count)
    assert best.mean() == pytest.approx(0, abs=4 / math.sqrt(members))
    assert best.std() == pytest.approx(1, abs=4 / math.sqrt(2 * members))


def test_only_the_snapshots_that_are_best_so_far_are_stored() -> None:
    scorer = make_scorer([scripted([1, 5, 3, 2, 4, 9])], members=2)
    stored = []
    for step in (10, 20, 30):
        scorer.score_snapshot(snapshot(step, 2))
        stored.append({at: each.members for at, each in scorer.snapshots.items()})
    assert stored == [{10: (0, 1)}, {10: (1,), 20: (0,)}, {30: (0, 1)}]


def test_each_value_has_its_own_best_and_the_first_of_equal_ones() -> None:
    falling = iter([5.0, math.nan, 4.0, 4.0, 0.0, 0.0])
    down = Metric(measure=lambda evidence: {"down": next(falling)}, values={"down": "lower"})
    (scores,) = score_all(make_scorer([scripted([1, 7, 7, 2, 0, 0]), down]), (1, 2, 3, 4))
    assert sorted(by_step(scores, "x", fresh=True)) == [2, 3], "2 is best by x, 3 by down; both are scored by both"
    assert sorted(by_step(scores, "down", fresh=True)) == sorted(by_step(scores, "spread", fresh=True)) == [2, 3]


def test_a_final_best_is_scored_again_too_but_a_single_snapshot_never() -> None:
    (scores,) = score_all(make_scorer([scripted([1, 2, 5])]), (1, 2))
    assert by_step(scores, "x", fresh=True) == {2: 5}
    (scores,) = score_all(make_scorer([scripted([1, 5])]), (1,))
    assert not any(score.fresh for score in scores)


def test_values_that_depend_on_no_sample_are_repeated_and_final_metrics_choose_nothing() -> None:
    values = {1.0: 3.0, 2.0: 9.0, 3.0: 4.0}  # by the weight, which is the step
    exact = Metric(
        measure=lambda evidence: {"x": values[float(evidence.generator_parameters["w"])]},
        values={"x": "higher"},
        needs="networks",
    )
    late = Metric(measure=lambda evidence: {"late": 1.0}, values={"late": "higher"}, final=True)
    (scores,) = score_all(make_scorer([exact, late]), (1, 2, 3))
    assert by_step(scores, "x", fresh=True) == {2: 9}
    assert by_step(scores, "late", fresh=False) == {3: 1}
    assert by_step(scores, "late", fresh=True) == {}


def test_a_member_without_a_finite_value_has_no_fresh_scores() -> None:
    (scores,) = score_all(make_scorer([scripted([math.nan, math.inf])]), (1, 2))
    assert not any(score.fresh for score in scores)


def test_the_stored_generator_is_that_of_a_run_that_ends_there_and_its_fresh_samples_are_new() -> None:
    long = make_training(ns_gan(), mlp(), ring(), steps=4, dtype=torch.float32)
    long.budget = replace(long.budget, snapshots=(2, 4))
    scorer = BestSnapshots(long, 50, [(Part("x"), scripted([1, 9, 1, 5, 5, 5, *[0] * 3]))], Reference(ring(), 50))
    for each in long.run():
        scorer.score_snapshot(each)
    *_, end = make_training(ns_gan(), mlp(), ring(), steps=2, dtype=torch.float32).run()
    stored = scorer.snapshots[2]
    assert stored.members == (1,)
    assert all(torch.equal(stored.generators[name][0], end.generators[name][1]) for name in end.generators)
    fresh, before = long.draw_samples(stored, 50, FRESH), long.draw_samples(stored, 50)
    assert torch.allclose(before[0], long.draw_samples(end, 50)[1], atol=1e-6)
    assert not torch.isin(fresh, before).any()
    spread = {member: by_step(scores, "spread", fresh=True) for member, scores in scorer.fresh_scores()}
    assert spread.keys() == {0, 1, 2}
    assert (list(spread[1]), list(spread[0])) == ([2], [4])
