"""A run scores real data and untrained baselines once for each protocol, stores the scores and shows them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, Metric, Offer, Source, hookimpl, plan, registry, suite
from ganbench.api.events import Calibrating
from ganbench.api.records import Calibration
from ganbench.evaluation.calibration import collect_protocols
from ganbench.report import make_tables, render
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read

from tests.support.tiny_suite import suite as small


def run(folder: Path, declared: dict[str, Any], **options: Any) -> tuple[Frames, list[Calibrating]]:
    """Run a suite in this process; return the results and the events of its calibration."""
    events: list[Any] = []
    frames = ganbench.run(
        declared, results=folder, jobs=0, watch=lambda session, event: events.append(event), **options
    )
    return frames, [event for event in events if isinstance(event, Calibrating)]


def test_samplers_are_scored_once_for_each_protocol(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    first, first_events = run(tmp_path, small())
    assert [event.sampler for event in first_events] == ["perfect sampler", "uniform", "Gaussian fit", "one mode"]
    again, events = run(tmp_path, small(seeds=4))
    assert events == []
    assert again.calibration.equals(first.calibration)
    other, events = run(tmp_path, small(measurement={"samples": 60}))
    assert [event.sampler for event in events if event.sampler] == [event.sampler for event in first_events]
    (caution,) = (event.caution for event in events if event.caution)
    assert caution.startswith("6 stored trials have no 'modes', 'high-quality', 'reverse-kl' as measured now: ")
    assert set(first.calibration["samples"]) == {50}
    assert set(other.calibration["samples"]) == {60}
    assert set(read(tmp_path, everything=True).calibration["samples"]) == {50, 60}
    assert torch.get_num_threads() == threads


def test_a_protocols_key_depends_on_the_dataset_and_the_measurement_alone() -> None:
    plugins = registry.load()

    def keys(**changes: Any) -> set[str]:
        planned = plan.make(suite.parse(small(**changes)), plugins)
        return {protocol.key for protocol in collect_protocols(planned.batches, plugins).values()}

    two = [{"name": "ring", "label": "a"}, {"name": "ring", "label": "b"}]
    assert keys() == keys(seeds=5) == keys(methods=["ns-gan"], dataset=two, success=None)
    different = [{"dataset": [{"name": "ring", "modes": 5}]}, {"measurement": {"samples": 51}}]
    assert len(keys().union(*(keys(**change) for change in different))) == 3


def test_the_table_of_scores_begins_with_the_perfect_sampler_and_the_baselines(tmp_path: Path) -> None:
    frames, _ = run(tmp_path, small())
    (table,) = (each for each in make_tables(frames) if each.title == "Scores on ring")
    rows = table.frame[table.frame["metric"] == "modes"]
    assert rows["method"].tolist() == [
        *("perfect sampler", "baseline: uniform", "baseline: Gaussian fit", "baseline: one mode"),
        *("ns-gan", "wgan-gp"),
    ]
    assert rows["final"].tolist()[0] == 8
    assert rows["measurement"].nunique() == rows["samples_measured"].nunique() == 1
    for format in ("md", "csv", "json"):
        assert "baseline: one mode" in render([table], format)
    assert '"n": 3,' in render([table], "json")


class Stripes:
    """A third-party dataset of images."""

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        images = torch.linspace(-1, 1, 12).reshape(12, 1, 1, 1).expand(12, 1, 2, 2)
        yield Offer(
            "stripes",
            lambda: Source(shape=(1, 2, 2), size=12, take=lambda i: images[i], reference=lambda n: images[:n]),
            "Flat grey images.",
            metrics=("sliced-w1",),
        )


def test_a_third_party_dataset_is_calibrated_without_any_code_of_its_own(tmp_path: Path) -> None:
    declared = small(dataset=[{"name": "stripes"}], success=None, methods=["ns-gan"])
    frames = ganbench.run(declared, results=tmp_path, offers=[Stripes()])
    scores = frames.calibration[frames.calibration["name"] == "sliced-w1"].set_index("sampler")
    assert list(scores.index) == [
        *("real data", "noise", "pixel-shuffled", "Gaussian fit", "Gaussian fit, clamped", "mean image"),
        "ten memorised",
    ]
    assert scores["trivial"].tolist() == [False] + [True] * 6
    assert scores["value"]["real data"] < scores["value"]["mean image"]
    assert set(scores["dataset"]) == {"stripes"}


class Broken:
    """Two datasets and a metric that raise an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        yield Offer("broken", lambda: self.fail(), "Fails when it is built.", metrics=("sliced-w1",))
        undrawn = Source(shape=(2,), draw=self.fail, reference=self.fail)
        yield Offer("undrawn", lambda: undrawn, "Fails when it is drawn from.", metrics=("sliced-w1",))

    @hookimpl
    def ganbench_metrics(self) -> Iterator[Offer]:
        yield Offer("unmeasured", lambda: Metric(measure=self.fail, values={"f": "lower"}), "Fails when it measures.")

    def fail(self, *_: Any) -> Any:
        raise self.error


def test_an_error_that_the_user_can_fix_ends_a_run_before_any_training(tmp_path: Path) -> None:
    broken = Broken(GanbenchError("no data on this disk"))
    for dataset in ({"name": "broken"}, {"name": "undrawn"}, {"name": "ring", "metrics": ["unmeasured"]}):
        declared = small(dataset=[{"name": "grid"}, dataset], success=None)
        with pytest.raises(GanbenchError, match=r"suite: dataset\[1\]: .*no data on this disk"):
            run(tmp_path, declared, offers=[broken])
    frames = ganbench.read(tmp_path)
    assert frames.trials.empty
    _, events = run(tmp_path, small(dataset=[{"name": "grid"}], success=None))
    assert events == []


def test_any_other_error_of_a_dataset_is_reported_and_its_trials_fail(tmp_path: Path) -> None:
    declared = small(dataset=[{"name": "undrawn"}], success=None, methods=["ns-gan"])
    frames, events = run(tmp_path, declared, offers=[Broken(ZeroDivisionError("a bug of the dataset"))])
    assert [event.dataset for event in events] == ["undrawn"]
    assert "a bug of the dataset" in events[0].error
    assert set(frames.trials["status"]) == {"failed"}
    assert frames.calibration.empty


def test_stored_scores_are_read_back_with_nans_and_infinities(tmp_path: Path) -> None:
    rows = [Calibration("s", True, "x", value, "lower", "m", 5) for value in (1.5, math.inf, -math.inf, math.nan)]
    with Store(tmp_path) as store:
        store.calibrate("p", [rows[0]])
        store.calibrate("p", rows)
        stored = store.calibrations("p")
        assert store.calibrations("q") == []
    assert stored[:3] == rows[:3]
    assert math.isnan(stored[3].value)


class Measured:
    """A metric of some version of a library, and a finite set that may have fewer samples to compare with."""

    def __init__(self, software: str = "library 1", reference: int = 50, shift: float = 0.0) -> None:
        self.software, self.images = (
            software,
            torch.linspace(-1, 1, 60).reshape(60, 1, 1, 1).expand(60, 1, 2, 2) + shift,
        )
        self.size = reference

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        source = Source(
            shape=(1, 2, 2), size=60, take=lambda i: self.images[i], reference=lambda n: self.images[: self.size]
        )
        yield Offer("greys", lambda: source, "Flat grey images.", metrics=("mean", "sliced-w1"))

    @hookimpl
    def ganbench_metrics(self) -> Iterator[Offer]:
        measure = lambda evidence: {"mean": float(evidence.samples.mean())}  # noqa: E731
        metric = Metric(measure=measure, values={"mean": "lower"}, software=self.software)
        yield Offer("mean", lambda: metric, "The mean.")


def measurements(folder: Path, offers: Measured, **changes: Any) -> tuple[set[str], set[str]]:
    """Return the measurements of "mean" of the trials, and of the baselines."""
    declared = small(dataset=[{"name": "greys"}], success=None, methods=["ns-gan"], **changes)
    frames, _ = run(folder, declared, offers=[offers])
    return tuple(set(rows.loc[rows["name"] == "mean", "measurement"]) for rows in (frames.scores, frames.calibration))


def test_baselines_and_trials_have_one_measurement_in_a_loop_as_in_a_stack_and_at_any_batch_size(
    tmp_path: Path,
) -> None:
    ways = [
        measurements(tmp_path / "stack", Measured()),
        measurements(tmp_path / "loop", Measured(), seeds=1),
        measurements(tmp_path / "rows", Measured(), budget={"generator_steps": 4, "batch_size": 8, "snapshots": 2}),
    ]
    assert len(ways[0][0]) == 1
    assert ways == [(ways[0][0], ways[0][0])] * 3


def test_other_reference_samples_or_software_are_another_measurement_of_trials_and_baselines(tmp_path: Path) -> None:
    """In one folder, too: what was calibrated before is calibrated again."""
    offers = [Measured(), Measured("library 2"), Measured(reference=40), Measured(shift=0.125)]
    ways = [measurements(tmp_path / str(i), each) for i, each in enumerate(offers)]
    assert all(trials == baselines for trials, baselines in ways)
    assert len(set().union(*(trials for trials, _ in ways))) == 4
    trials, baselines = measurements(tmp_path / "0", Measured("library 2"), seeds=4)
    assert ways[1][0] <= trials
    assert baselines == ways[1][0]
