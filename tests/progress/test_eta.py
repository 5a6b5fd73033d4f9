"""The time that a run still takes, forecast on simulated runs whose true time is known."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any

import pytest
from ganbench.progress.eta import Forecast, WorkItem, numeric_traits

METHODS = {"ns-gan": 1.0, "wgan-gp": 1.8, "sngan": 0.6}  # seconds a unit, relative to each other


def pieces(
    rng: random.Random, architectures: int, datasets: dict[str, float], draw: Callable[[random.Random], dict[str, Any]]
) -> dict[str, tuple[WorkItem, float]]:
    """Batches in a plan's order (dataset, architecture, method), each with the seconds that it will take.

    An architecture costs 1, and a unit more for each 64 rows of its layers' matrices.
    """
    found = {}
    for dataset, dear in datasets.items():
        for i in range(architectures):
            spec = draw(rng)
            cost = 1 + spec["depth"] * spec["width"] / 64 * (1.3 if spec["norm"] else 1.0)
            for method, pace in METHODS.items():
                seconds = dear * cost * pace * rng.uniform(0.9, 1.1)
                found[f"{dataset}-{i}-{method}"] = (WorkItem(dataset, method, 100.0, numeric_traits(spec)), seconds)
    return found


def simulate(work: dict[str, tuple[WorkItem, float]], workers: int, begin: float) -> tuple[float, float, float]:
    """Run the work on a clock of its own; give the forecast once a fifth is done, the truth then, and the end's share.

    Every worker spends `begin` seconds before its first piece advances; progress is told ten times a piece.
    """
    forecast = Forecast({key: piece for key, (piece, _) in work.items()})
    whole = sum(seconds for _, seconds in work.values())
    waiting = list(work)
    events: list[tuple[float, int, str, str, float]] = []
    for n in range(workers):
        heapq.heappush(events, (0.0, n, "free", "", 0.0))
    count, spent, asked, said = workers, 0.0, None, 0.0
    now = 0.0
    while events:
        now, _, what, key, share = heapq.heappop(events)
        if what == "told":
            forecast.advance(key, share, now)
            spent += work[key][1] / 10 * (share > 0)
        if what == "ended":
            forecast.end(key, now)
        if what in ("free", "ended") and waiting:
            key = waiting.pop(0)
            forecast.start(key, now)
            late = begin if what == "free" else 0.0
            for tenth in range(11):
                heapq.heappush(events, (now + late + work[key][1] * tenth / 10, count, "told", key, tenth / 10))
                count += 1
            heapq.heappush(events, (now + late + work[key][1], count, "ended", key, 1.0))
            count += 1
        if asked is None and spent >= whole / 5:
            asked, said = now, forecast.left(now) or 0.0
    assert asked is not None
    return said, now - asked, forecast.share()


def random_mlp(rng: random.Random) -> dict[str, Any]:
    """An architecture as a space would draw it."""
    return {"depth": rng.choice([2, 3, 4]), "width": rng.choice([32, 64, 128]), "norm": rng.random() < 0.5}


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("seed", range(10))
def test_after_a_fifth_of_the_work_the_time_left_is_known_within_a_quarter(workers: int, seed: int) -> None:
    """24 random architectures, one 7 times as dear as another, three methods, workers that take a while to begin."""
    work = pieces(random.Random(seed), 24, {"digits": 3.0}, random_mlp)
    said, truth, share = simulate(work, workers, begin=4.0)
    assert said == pytest.approx(truth, rel=0.25)
    assert share == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_few_long_batches_are_known_by_their_own_progress(seed: int) -> None:
    """Six batches on six workers: a fifth of the work is done long before the first ends."""
    work = pieces(random.Random(seed), 2, {"ring": 50.0}, random_mlp)
    said, truth, _ = simulate(work, 6, begin=1.0)
    assert said == pytest.approx(truth, rel=0.25)


def test_methods_are_known_apart() -> None:
    """One cheap and one dear batch done, three dear ones left: not three of the mean."""
    names = {"a0": "cheap", "b0": "dear", "b1": "dear", "b2": "dear", "b3": "dear"}
    forecast = Forecast({key: WorkItem("ring", method, 10.0) for key, method in names.items()})
    forecast.start("a0", 0.0)
    forecast.end("a0", 1.0)
    forecast.start("b0", 1.0)
    forecast.end("b0", 10.0)
    assert forecast.left(10.0) == pytest.approx(27.0)
    assert forecast.share() == pytest.approx(0.4)


def test_what_was_never_met_takes_what_its_dataset_takes_then_its_method_then_all() -> None:
    done = {"x": WorkItem("ring", "a", 10.0), "y": WorkItem("grid", "b", 10.0)}
    for asked, expected in (
        (WorkItem("ring", "c", 10.0), 2.0),
        (WorkItem("spiral", "b", 10.0), 6.0),
        (WorkItem("spiral", "c", 10.0), 4.0),
    ):
        forecast = Forecast({**done, "z": asked})
        for key, seconds in (("x", 2.0), ("y", 6.0)):
            forecast.start(key, 0.0)
            forecast.end(key, seconds)
        assert forecast.left(6.0) == pytest.approx(expected)


def test_a_batch_that_fails_at_once_teaches_nothing_about_whole_ones() -> None:
    forecast = Forecast({key: WorkItem("ring", "a", 10.0) for key in "xyz"})
    forecast.start("x", 0.0)
    forecast.end("x", 0.1, whole=False)
    assert forecast.left(0.1) is None
    forecast.start("y", 0.0)
    forecast.end("y", 5.0)
    assert forecast.left(5.0) == pytest.approx(5.0)


def test_before_anything_moves_nothing_is_known_and_after_the_end_nothing_is_left() -> None:
    forecast = Forecast({"x": WorkItem("ring", "a", 10.0)})
    assert forecast.left(0.0) is None
    forecast.start("x", 0.0)
    assert forecast.left(5.0) is None
    forecast.end("x", 6.0)
    assert (forecast.left(6.0), forecast.share()) == (0.0, 1.0)
    assert (Forecast({}).left(0.0), Forecast({}).share()) == (0.0, 1.0)
