"""The folder remembers its runs: what is new trains alone, what is taken away stays, and tables say what was added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench.report import make_tables
from ganbench.report.tables import read_question
from ganbench.results.history import describe_extensions
from ganbench.results.store import Store, read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small
from tests.support.trials_by_hand import record, results, trial

SPACE = {"space": "random-mlp", "seed": 1, "options": {"depths": [2], "widths": [8, 16]}}


def train(folder: Path, **changes: Any) -> list[tuple[str, str, int]]:
    """Run the small suite with these changes; name what was trained."""
    (session, _), *_ = run_events(read_suite(small(**changes)), Settings(results=folder, jobs=0))
    return [
        (t.labels["method"], t.labels["architecture"], t.seed) for batch in session.todo.batches for t in batch.trials
    ]


@pytest.mark.parametrize(
    ("less", "more", "column"),
    [
        ({"methods": ["ns-gan", "wgan-gp"]}, {"methods": ["ns-gan", "hinge-sn", "wgan-gp"]}, "method"),
        ({"seeds": 2}, {"seeds": 4}, "seed"),
        ({"architectures": {**SPACE, "sample": 1}}, {"architectures": {**SPACE, "sample": 2}}, "architecture"),
    ],
)
def test_what_is_added_trains_alone_and_what_is_removed_is_hidden_and_kept(
    less: dict[str, Any], more: dict[str, Any], column: str, tmp_path: Path
) -> None:
    first = train(tmp_path, **less)
    before = read(tmp_path)
    added = train(tmp_path, **more)
    assert added
    assert not set(added) & set(first)
    both = read(tmp_path)
    assert len(both.trials) == len(first) + len(added)
    assert set(both.trials["status"]) == {"completed"}
    new = set(both.trials[column]) - set(before.trials[column])
    assert new == {entry[("method", "architecture", "seed").index(column)] for entry in added}
    assert train(tmp_path, **less) == []
    again, everything = read(tmp_path), read(tmp_path, everything=True)
    assert again.trials["key"].tolist() == before.trials["key"].tolist()
    assert again.scores.equals(before.scores)
    assert set(everything.trials["key"]) == set(both.trials["key"])
    with Store(tmp_path, readonly=True) as store:
        assert all(store.generator(key) for key in both.trials["key"])
    shown = command("table", str(tmp_path), "--all", cwd=tmp_path).stdout
    assert f"| {len(both.trials) // len(set(both.trials['method']))} |" in shown


def notes(frames: Any) -> str:
    return " ".join(make_tables(frames)[0].notes)


def test_a_sample_extended_after_results_is_reported_in_the_first_table(tmp_path: Path) -> None:
    plan = [trial(seed=seed) for seed in range(6)]
    results(tmp_path, [record(each, [1.0]) for each in plan[:3]], plan=plan[:4])
    assert "Extended" not in notes(read(tmp_path))
    assert "Extended" not in notes(results(tmp_path, [], plan=plan[:4])), "the same plan again"
    frames = results(tmp_path, [record(each, [1.0]) for each in plan[3:]], plan=plan)
    day = frames.runs[0].started[:10]
    said = f"Extended after 3 of 4 trials had results: first planned on {day}, 2 trials (seeds 4, 5) added on {day}."
    assert f"{said} p-values do not account for looking in between." in notes(frames)
    assert said in notes(results(tmp_path, [], plan=plan)), "however often it is run"
    assert "Extended" not in notes(results(tmp_path, [], plan=plan[:4])), "what was planned first is as it was"


def test_a_plan_that_grew_before_any_result_is_not_an_extension(tmp_path: Path) -> None:
    results(tmp_path, [], plan=[trial(seed=0)])
    assert "Extended" not in notes(
        results(tmp_path, [record(trial(seed=1), [1.0])], plan=[trial(seed=0), trial(seed=1)])
    )


def test_another_budget_in_the_same_folder_is_not_an_extension(tmp_path: Path) -> None:
    train(tmp_path)
    train(tmp_path, budget={"generator_steps": 6, "batch_size": 16, "snapshots": 2})
    assert describe_extensions(read(tmp_path).runs) == []


def test_a_method_changed_after_its_results_is_named(tmp_path: Path) -> None:
    def asked(lr: float) -> dict[str, Any]:
        return {"method": [{"name": "wild", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": lr}}]}

    train(tmp_path, **asked(0.1))
    train(tmp_path, **asked(0.2))
    (said, _) = describe_extensions(read(tmp_path).runs)
    assert said.startswith("Extended after 6 of 6 trials had results")
    assert "3 trials (method wild with other settings)" in said


def test_the_history_lists_every_run(tmp_path: Path) -> None:
    ganbench.run(small(seeds=2), results=tmp_path / "r", jobs=0)
    ganbench.run(small(seeds=2), results=tmp_path / "r", jobs=0)
    ganbench.run(small(question="Another?"), results=tmp_path / "r", jobs=0)
    with Store(tmp_path / "r", readonly=True) as store:
        runs = store.history()
        detail = store.detail(read(tmp_path / "r").trials["key"].iloc[0])
    assert [(run.planned, run.new, run.stored, run.trained) for run in runs] == [
        (4, 4, 0, 4),
        (4, 0, 4, 0),
        (6, 2, 4, 2),
    ]
    assert [read_question(run) for run in runs] == ["Does it run?", "Does it run?", "Another?"]
    assert detail["facts"]["run"] == 1
    assert detail["facts"]["versions"]["torch"] == runs[0].facts["versions"]["torch"]
    shown = command("history", "r", cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stdout.count("as before") == 1
    assert "Another?" in shown.stdout
    assert "Extended after 4 of 4 trials" in shown.stdout
