"""A profile, numbers along an axis, goes from a metric through the store into frames, exactly."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from ganbench import GanbenchError, Profile, read, registry, run
from ganbench.api.records import MeasuredProfile, list_profile_faults
from ganbench.engine.train import prepare
from ganbench.evaluation.best_snapshot import BestSnapshots
from ganbench.evaluation.measuring import check_profile, to_floats
from ganbench.evaluation.reference import open_reference
from ganbench.results.export import export
from ganbench.results.merge import merge

from tests.support.tiny_suite import plan_small, suite


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        (3.0, "'p' is 3.0: return a Profile"),
        (Profile([1.0], x=[1.0, 2.0]), "1 values at 2 positions: give a position for each value"),
        (Profile([1.0], x=[1.0], y=[]), "1 values at 1 positions x and 0 y"),
        (Profile(["a"], x=[1.0]), "parts that are no lists of numbers"),  # type: ignore[list-item]
        (Profile([1.0], x=[math.nan]), "a position that is not finite"),
        (Profile([0.0] * 100_001, x=range(100_001)), "100001 points, more than 100000"),
    ],
)
def test_what_is_no_profile_is_refused_by_its_name(value: Any, fragment: str) -> None:
    with pytest.raises(GanbenchError) as error:
        check_profile("p", value)
    assert fragment in str(error.value)


def test_a_profiles_values_may_be_nan_and_become_plain_floats() -> None:
    assert to_floats({"a": 1, "p": Profile([math.nan, 2], x=[0, 1])}, ["p"])["p"].x == (0.0, 1.0)  # type: ignore[union-attr]


def test_a_record_with_a_profile_that_cannot_be_stored_says_so() -> None:
    good = MeasuredProfile(step=1, name="p", measurement="m", x=(1.0,), y=(), values=(2.0,))
    assert list(list_profile_faults([good])) == []
    for fields in ({"x": (1.0, 2.0)}, {"name": "a\nb"}, {"step": "1"}, {"values": ("a",)}, {"y": (1.0, 2.0)}):
        assert list(list_profile_faults([MeasuredProfile(**{**vars(good), **fields})])), fields


def write_plugin(folder: Path, text: str) -> Path:
    file = folder / "sizes_plugin.py"
    file.write_text(text)
    return file


PLUGIN = """
from ganbench import Metric, Offer, Profile, hookimpl

def measure(evidence):
    ordered = evidence.samples.flatten(1).norm(dim=1).sort().values.double()
    return {"largest": float(ordered[-1]), "sizes": Profile(ordered[-3:].tolist(), x=[1, 2, 3])}

PROFILES = {"sizes": "rank"}

@hookimpl
def ganbench_metrics():
    def only(evidence):
        return {"sizes": measure(evidence)["sizes"]}

    yield Offer("sizes", lambda: Metric(measure=measure, values={"largest": "neutral"}, profiles=PROFILES), "sizes")
    yield Offer("only", lambda: Metric(measure=only, profiles=PROFILES), "sizes")
    yield Offer("broken", lambda: Metric(measure=lambda evidence: {}, profiles=PROFILES), "sizes")
"""


def train(tmp_path: Path, metric: str) -> Any:
    file = write_plugin(tmp_path, PLUGIN)
    table = suite(success=None, seeds=3, methods=["ns-gan"], measurement={"samples": 50, "metrics": [metric]})
    return run(table, results=tmp_path / "results", jobs=0, files=[str(file)])


def test_profiles_are_stored_for_every_snapshot_and_read_as_they_were_measured(tmp_path: Path) -> None:
    frames = train(tmp_path, "sizes")
    profiles = frames.profiles
    assert list(profiles.columns) == ["key", "step", "name", "measurement", "x", "y", "value"]
    assert len(profiles) == 3 * 2 * 3  # seeds, snapshots, positions
    assert profiles["y"].isna().all()
    last = profiles[profiles["x"] == 3].set_index(["key", "step"])["value"]
    largest = frames.series[frames.series["name"] == "largest"].set_index(["key", "step"])["value"]
    pd.testing.assert_series_equal(last.sort_index(), largest.sort_index(), check_names=False)
    pd.testing.assert_frame_equal(read(tmp_path / "results").profiles, profiles)


def test_a_metric_may_have_profiles_only(tmp_path: Path) -> None:
    frames = train(tmp_path, "only")
    assert (frames.trials["status"] == "completed").all()
    assert len(frames.profiles) == 18
    assert set(frames.scores["name"]) == {"spread"}


def test_a_profile_that_is_declared_and_not_returned_fails_the_run_by_the_metrics_name(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match="metric 'broken' measured"):
        train(tmp_path, "broken")


def test_profiles_travel_with_merges_copies_and_exports(tmp_path: Path) -> None:
    frames = train(tmp_path, "sizes")
    shutil.copytree(tmp_path / "results", tmp_path / "same")
    merge([tmp_path / "results", tmp_path / "same"], tmp_path / "merged")
    pd.testing.assert_frame_equal(read(tmp_path / "merged").profiles, frames.profiles)
    (file,) = [path for path in export(frames, tmp_path / "data") if path.name == "profiles.csv"]
    assert pd.read_csv(file)["value"].tolist() == pytest.approx(frames.profiles["value"].tolist(), rel=1e-15)


def test_a_scorer_that_is_restored_from_a_checkpoint_has_its_profiles(tmp_path: Path) -> None:
    """As JSON in between, as checkpoints store it; a NaN stays one."""
    plugins = registry.load()
    plan = plan_small(plugins, methods=["ns-gan"], success=None)
    training = prepare(plan.batches[0], plugins, torch.device("cpu"))

    def make_scorer() -> BestSnapshots:
        reference = open_reference(training.source, plan.batches[0].measurement, plugins, None)
        return BestSnapshots(training, 50, [], reference)

    scorer, again = make_scorer(), make_scorer()
    scorer.profiles[1].append(MeasuredProfile(step=2, name="p", measurement="m", x=(1.0,), y=(), values=(0.1,)))
    tensors, numbers = scorer.save_state()
    again.restore_state(tensors, json.loads(json.dumps(numbers)))
    assert again.profiles == scorer.profiles
