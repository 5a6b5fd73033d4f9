"""The forecast of the time left, on simulated runs whose true time is known."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any

import pytest
from ganbench.progress.eta import Forecast, WorkItem, numeric_traits

METHODS = {"ns-gan": 1.0, "wgan-gp": 1.8, "sngan": 0.6}  # seconds per unit, relative to each other


def make_work(
    rng: random.Random, architectures: int, datasets: dict[str, float], draw: Callable[[random.Random], dict[str, Any]]
) -> dict[str, tuple[WorkItem, float]]:
    """Return items in a plan's order (dataset, architecture, method), each with the seconds that it will take.

    An architecture costs 1, and 1 more for each 64 rows of its layers' matrices. `datasets` maps to relative costs.
    """
    work = {}
    for dataset, dataset_cost in datasets.items():
        for i in range(architectures):
            spec = draw(rng)
            cost = 1 + spec["depth"] * spec["width"] / 64 * (1.3 if spec["norm"] else 1.0)
            for method, pace in METHODS.items():
                seconds = dataset_cost * cost * pace * rng.uniform(0.9, 1.1)
                work[f"{dataset}-{i}-{method}"] = (WorkItem(dataset, method, 100.0, numeric_traits(spec)), seconds)
    return work


def simulate(work: dict[str, tuple[WorkItem, float]], workers: int, begin: float) -> tuple[float, float, float]:
    """Simulate a run; return the seconds left after a fifth of the work, forecast and true, and the share at the end.

    Every worker spends `begin` seconds before its first item advances; progress is reported ten times per item.
    """
    forecast = Forecast({key: item for key, (item, _) in work.items()})
    whole = sum(seconds for _, seconds in work.values())
    waiting = list(work)
    events: list[tuple[float, int, str, str, float]] = []
    for n in range(workers):
        heapq.heappush(events, (0.0, n, "free", "", 0.0))
    count, spent, forecast_at, predicted = workers, 0.0, None, 0.0
    now = 0.0
    while events:
        now, _, event, key, share = heapq.heappop(events)
        if event == "advanced":
            forecast.advance(key, share, now)
            spent += work[key][1] / 10 * (share > 0)
        if event == "ended":
            forecast.end(key, now)
        if event in ("free", "ended") and waiting:
            key = waiting.pop(0)
            forecast.start(key, now)
            delay = begin if event == "free" else 0.0
            for tenth in range(11):
                heapq.heappush(events, (now + delay + work[key][1] * tenth / 10, count, "advanced", key, tenth / 10))
                count += 1
            heapq.heappush(events, (now + delay + work[key][1], count, "ended", key, 1.0))
            count += 1
        if forecast_at is None and spent >= whole / 5:
            forecast_at, predicted = now, forecast.seconds_left(now) or 0.0
    assert forecast_at is not None
    return predicted, now - forecast_at, forecast.share_done()


def random_mlp(rng: random.Random) -> dict[str, Any]:
    """Return an architecture as a space would draw it."""
    return {"depth": rng.choice([2, 3, 4]), "width": rng.choice([32, 64, 128]), "norm": rng.random() < 0.5}


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("seed", range(10))
def test_after_a_fifth_of_the_work_the_forecast_is_within_a_quarter(workers: int, seed: int) -> None:
    """24 random architectures whose costs differ up to 7 times, three methods, workers that start with a delay."""
    work = make_work(random.Random(seed), 24, {"digits": 3.0}, random_mlp)
    predicted, truth, share = simulate(work, workers, begin=4.0)
    assert predicted == pytest.approx(truth, rel=0.25)
    assert share == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_few_long_batches_are_forecast_by_their_own_progress(seed: int) -> None:
    """Six batches on six workers: a fifth of the work is done long before the first ends."""
    work = make_work(random.Random(seed), 2, {"ring": 50.0}, random_mlp)
    predicted, truth, _ = simulate(work, 6, begin=1.0)
    assert predicted == pytest.approx(truth, rel=0.25)


def test_each_method_has_its_own_pace() -> None:
    """One cheap and one slow batch are done, three slow ones are left: three times the slow one, not the mean."""
    names = {"a0": "cheap", "b0": "slow", "b1": "slow", "b2": "slow", "b3": "slow"}
    forecast = Forecast({key: WorkItem("ring", method, 10.0) for key, method in names.items()})
    forecast.start("a0", 0.0)
    forecast.end("a0", 1.0)
    forecast.start("b0", 1.0)
    forecast.end("b0", 10.0)
    assert forecast.seconds_left(10.0) == pytest.approx(27.0)
    assert forecast.share_done() == pytest.approx(0.4)


def test_a_new_pair_takes_the_pace_of_its_dataset_else_of_its_method_else_of_all() -> None:
    done = {"x": WorkItem("ring", "a", 10.0), "y": WorkItem("grid", "b", 10.0)}
    for item, expected in (
        (WorkItem("ring", "c", 10.0), 2.0),
        (WorkItem("spiral", "b", 10.0), 6.0),
        (WorkItem("spiral", "c", 10.0), 4.0),
    ):
        forecast = Forecast({**done, "z": item})
        for key, seconds in (("x", 2.0), ("y", 6.0)):
            forecast.start(key, 0.0)
            forecast.end(key, seconds)
        assert forecast.seconds_left(6.0) == pytest.approx(expected)


def test_a_batch_that_fails_at_once_does_not_change_the_forecast_of_whole_ones() -> None:
    forecast = Forecast({key: WorkItem("ring", "a", 10.0) for key in "xyz"})
    forecast.start("x", 0.0)
    forecast.end("x", 0.1, whole=False)
    assert forecast.seconds_left(0.1) is None
    forecast.start("y", 0.0)
    forecast.end("y", 5.0)
    assert forecast.seconds_left(5.0) == pytest.approx(5.0)


def test_without_progress_there_is_no_forecast_and_after_the_end_it_is_zero() -> None:
    forecast = Forecast({"x": WorkItem("ring", "a", 10.0)})
    assert forecast.seconds_left(0.0) is None
    forecast.start("x", 0.0)
    assert forecast.seconds_left(5.0) is None
    forecast.end("x", 6.0)
    assert (forecast.seconds_left(6.0), forecast.share_done()) == (0.0, 1.0)
    assert (Forecast({}).seconds_left(0.0), Forecast({}).share_done()) == (0.0, 1.0)
