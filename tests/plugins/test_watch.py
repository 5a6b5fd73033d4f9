"""Each tracker holds the numbers that the results folder holds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import ganbench
import pytest

from tests.support.tiny_suite import suite as small

SUITE = small(
    seeds=2,
    methods=["ns-gan"],
    method=[{"name": "a/../b <i>", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e38}}],
    budget={"generator_steps": 120, "batch_size": 8, "snapshots": 2},
    success=None,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one suite under all watchers: a method trains, another one, with an odd name, diverges."""
    out = tmp_path_factory.mktemp("watched") / "r"
    for limit in (2, None):
        ganbench.run(SUITE, results=out, jobs=0, device="cpu", limit=limit, watchers=("jsonl", "tensorboard", "mlflow"))
    assert [error for error in ganbench.read(out).trials["error"] if error] == []
    return out


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-6)  # TensorBoard has float32


def stored(folder: Path, key: str, kind: str) -> dict[tuple[str, int], float]:
    """Return the scores or the signals of a trial, by name and step."""
    frame = getattr(ganbench.read(folder), kind)
    rows = frame[(frame["key"] == key) & ~frame.get("fresh", False)] if kind == "scores" else frame[frame["key"] == key]
    return dict(zip(zip(rows["name"], rows["step"], strict=True), rows["value"].astype(float), strict=True))


def test_lines_of_json_hold_every_score_and_signal(folder: Path) -> None:
    def refuse(text: str) -> Any:
        raise AssertionError(f"{text} is no JSON")

    text = (folder / "watch/jsonl/events.jsonl").read_text().splitlines()
    trials = {t["key"]: t for t in (json.loads(each, parse_constant=refuse) for each in text) if t["event"] == "trial"}
    frames = ganbench.read(folder)
    assert set(trials) == set(frames.trials["key"])
    for row in frames.trials.itertuples():
        trial = trials[row.key]
        assert (trial["method"], trial["seed"], trial["status"]) == (row.method, row.seed, row.status)
        assert trial["diverged_at"] == row.diverged_at
        told = {(s["name"], s["step"]): s["value"] for s in trial["scores"] if not s["fresh"]}
        told = {place: math.nan if value is None else float(value) for place, value in told.items()}
        known = stored(folder, row.key, "scores")
        assert told.keys() == known.keys()
        assert all(same(told[place], value) for place, value in known.items())
        signal = trial["signals"]["loss.critic"]
        known = stored(folder, row.key, "signals")
        assert signal["steps"] == [step for name, step in known if name == "loss.critic"]
        values = [math.nan if value is None else float(value) for value in signal["values"]]
        assert all(map(same, values, (value for (name, _), value in known.items() if name == "loss.critic")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_every_score_and_signal(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    frames = ganbench.read(folder)
    for row in frames.trials.itertuples():
        method = {"ns-gan": "ns-gan", "a/../b <i>": "a-b-i-"}[row.method]
        place = folder / "watch/tensorboard/ring" / method / row.architecture / f"seed-{row.seed}"
        logs = EventAccumulator(str(place), size_guidance={"scalars": 0})
        logs.Reload()
        for kind in ("scores", "signals"):
            known = stored(folder, row.key, kind)
            told = {
                (tag.removeprefix(f"{kind}/"), event.step): event.value
                for tag in logs.Tags()["scalars"]
                if tag.startswith(f"{kind}/")
                for event in logs.Scalars(tag)
            }
            assert told.keys() == known.keys()
            wrong = [place for place, value in known.items() if abs(value) < 1e38 and not same(told[place], value)]
            assert not wrong
        (diverged,) = logs.Scalars("status/diverged")
        assert diverged.value == float(row.diverged_at >= 0)
    assert {path.name for path in (folder / "watch/tensorboard").iterdir()} == {"progress", "ring", "suite"}


def test_mlflow_reads_every_score_and_fifty_points_of_each_signal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "watch/mlflow").as_uri())
    (experiment,) = (each for each in client.search_experiments() if each.name == "suite")
    runs = {run.data.tags["ganbench.key"]: run for run in client.search_runs([experiment.experiment_id])}
    frames = ganbench.read(folder)
    assert set(runs) == set(frames.trials["key"])
    for row in frames.trials.itertuples():
        run = runs[row.key]
        assert run.info.status == "FINISHED"
        assert (run.data.params["method"], run.data.params["seed"]) == (row.method, str(row.seed))
        assert run.data.tags["ganbench.status"] == row.status
        for (name, step), value in stored(folder, row.key, "scores").items():
            told = {each.step: each.value for each in client.get_metric_history(run.info.run_id, name)}
            assert same(told[step], value)
        history = client.get_metric_history(run.info.run_id, "signals/loss.critic")
        known = stored(folder, row.key, "signals")
        assert len(history) == 50
        assert {1, max(step for _, step in known)} <= {each.step for each in history}
        assert all(same(each.value, known["loss.critic", each.step]) for each in history)
