"""Memory that runs out in evaluation halves the work; what still does not fit is undefined, but trained once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
import pytest
import torch
from ganbench import Extractor, GanbenchError, Metric, Offer, Source, hookimpl
from ganbench.evaluation.memory import MemoryExhausted, halve_until_it_fits, is_out_of_memory
from ganbench.evaluation.scoring import Reference
from ganbench.report.tables import make_tables
from ganbench.statistics.final_scores import trial_scores
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.statistics.trajectories import trajectory_quartiles
from torch import Tensor

from tests.support.small_games import ring
from tests.support.tiny_suite import suite as small


def allocator_error() -> RuntimeError:
    return RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")


ERRORS: dict[str, Callable[[], Exception]] = {
    "Python": MemoryError,
    "CUDA": lambda: torch.cuda.OutOfMemoryError("CUDA out of memory."),
    "torch on the CPU": allocator_error,
    "evaluation": lambda: MemoryExhausted("no."),
}


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_work_is_halved_until_it_fits(make: Callable[[], Exception]) -> None:
    sizes = []

    def call(size: int) -> int:
        sizes.append(size)
        if size > 5:
            raise make()
        return 10 * size

    assert is_out_of_memory(make())
    assert halve_until_it_fits(call, 23, "a test") == (50, 5)
    assert sizes == [23, 11, 5]


def test_what_does_not_fit_at_a_size_of_one_is_exhausted_and_other_errors_are_raised_at_once() -> None:
    def never(size: int) -> None:
        raise MemoryError("full")

    with pytest.raises(MemoryExhausted, match="a test: MemoryError: full"):
        halve_until_it_fits(never, 8, "a test")

    calls = []
    with pytest.raises(ZeroDivisionError):
        halve_until_it_fits(lambda size: calls.append(size) or 1 / 0, 8, "a test")
    assert calls == [8]


class Greedy:
    """An extractor for which memory runs out with more samples at once than fit; `rows` are those of its calls."""

    def __init__(self, fit: int) -> None:
        self.fit, self.rows = fit, []

    def __call__(self, x: Tensor) -> Mapping[str, Tensor]:
        self.rows.append(len(x))
        if len(x) > self.fit:
            raise MemoryError("full")
        return {"features": x * x, "logits": -x}

    def source(self) -> Source:
        plain = ring()
        extractor = Extractor(name="greedy", digest="g", extract=self, chunk=16)
        return Source(shape=(2,), draw=plain.draw, reference=plain.reference, extractor=extractor)


def test_an_extractor_is_shown_fewer_samples_and_remembers_how_many_fit() -> None:
    greedy = Greedy(fit=5)
    reference = Reference(greedy.source(), 40)
    assert torch.equal(reference.features, reference.samples**2)
    assert greedy.rows == [16, 8, *[4] * 10]


class Offers:
    """A ring with an extractor, and a metric on what it computes."""

    def __init__(self, greedy: Greedy, needs: str = "moments", measure: Callable[[Any], float] | None = None) -> None:
        self.greedy, self.needs = greedy, needs
        self.measure = measure or (lambda evidence: float(evidence.moments.mean.sum()))

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        yield Offer("eight", self.greedy.source, "A ring with features.", metrics=("power", "sliced-w1"))

    @hookimpl
    def ganbench_metrics(self) -> Iterator[Offer]:
        metric = Metric(
            measure=lambda evidence: {"power": self.measure(evidence)},
            values={"power": "lower"},
            needs=self.needs,  # type: ignore[arg-type]
        )
        yield Offer("power", lambda: metric, "A sum of features.")


def run(folder: Path, offers: Offers) -> Any:
    declared = small(dataset=[{"name": "eight"}], success=None, methods=["ns-gan"], seeds=2)
    return ganbench.run(declared, results=folder, jobs=0, offers=[offers])


def test_a_run_whose_extractor_needs_smaller_chunks_ends_as_any_other(tmp_path: Path) -> None:
    greedy = Greedy(fit=3)
    frames, plenty = run(tmp_path / "few", Offers(greedy)), run(tmp_path / "all", Offers(Greedy(fit=1000)))
    assert max(greedy.rows) == 16
    assert (frames.trials["status"] == "completed").all()
    assert frames.scores["value"].tolist() == pytest.approx(plenty.scores["value"].tolist(), rel=1e-6)


@pytest.mark.parametrize("kind", ["extractor", "metric"])
def test_where_nothing_fits_the_scores_are_nan_the_record_says_so_and_nothing_is_trained_again(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(evidence: Any) -> float:
        raise MemoryError("full")

    offers = Offers(Greedy(fit=0)) if kind == "extractor" else Offers(Greedy(fit=99), "samples", fail)
    with caplog.at_level(logging.WARNING, "ganbench"):
        frames = run(tmp_path, offers)
    assert (frames.trials["status"] == "completed").all()
    values = frames.scores.groupby("name")["value"].apply(list)
    assert all(math.isnan(value) for value in values["power"])
    if kind == "metric":
        assert not any(math.isnan(value) for value in values["sliced-w1"] + values["spread"])
    assert "is trained again in two halves" not in caplog.text
    assert "memory ran out in evaluation at step 4, whose scores are undefined (NaN)" in caplog.text
    with ganbench.results.store.Store(tmp_path) as store:
        detail = store.detail(frames.trials["key"].iloc[0])
    assert len(detail["composition"]["members"]) == 2
    assert "full" in detail["facts"]["not_scored"]["4"]
    assert (tmp_path / "networks").is_dir(), "the generators are kept"
    short = frames.scores[frames.scores["not_scored"]]
    assert set(short["name"]) == ({*values.index} if kind == "extractor" else {"power"})
    assert any("memory ran out when values of 2 of the trials" in note for note in make_tables(frames)[0].notes)


def test_a_value_for_which_memory_ran_out_is_unknown_and_no_bad_end(tmp_path: Path) -> None:
    """Two trials are measured at both steps; at the last one memory runs out for one of them, and not for the other."""
    calls: list[int] = []

    def fail_last(evidence: Any) -> float:
        if evidence.generator_parameters:  # the baselines have none
            calls.append(len(calls))
        if len(calls) == 3:
            raise MemoryError("full")
        return 2.0

    frames = run(tmp_path, Offers(Greedy(fit=99), "samples", fail_last))
    outcomes = trial_outcomes(frames)
    assert np.isinf(outcomes["degraded"]).all()
    values = trial_scores(frames, "eight", "power")
    assert len(values) == 1
    assert values["scored"].all()
    courses = trajectory_quartiles(frames, "eight", "power", "scores")
    assert courses["n"].tolist() == [2, 1]
    assert np.isfinite(courses["high"]).all()


def test_an_extractor_that_fails_otherwise_is_no_lack_of_memory() -> None:
    def fail(x: Tensor) -> Mapping[str, Tensor]:
        raise GanbenchError("no weights.")

    extractor = Extractor(name="f", digest="f", extract=fail)
    with pytest.raises(GanbenchError, match="no weights") as refused:
        Reference(Source(shape=(2,), reference=ring().reference, extractor=extractor), 4).features.sum()
    assert not is_out_of_memory(refused.value)
