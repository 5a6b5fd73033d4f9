"""Shards that are merged are one run, bit for bit; what a shard prints is no result of the suite."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from ganbench.cli.summary import list_next_steps, print_summary
from ganbench.errors import GanbenchError
from ganbench.report import history_table, make_tables, render
from ganbench.results.merge import merge
from ganbench.results.store import read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings
from ganbench.suite import restore

from tests.chaos import find_differences
from tests.support import tiny_suite
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny

SAMPLE = {"space": "random-mlp", "sample": 4, "options": {"widths": [8], "depths": [2]}}
ASKED = tiny(architectures=SAMPLE, keep={"generators": "snapshots"})
"""Eight batches of three seeds each."""

TUNED = tiny(
    methods=[],
    method=[
        {"name": "ns-gan", "optimizer": "sgd", "vary": {"optimizer.lr": [1e-4, 1e-2]}},
        {"name": "wgan-gp", "vary": {"critic_steps": [1, 2]}},
    ],
    seeds=2,
    dataset=[{"name": "ring", "metrics": ["sliced-w1"]}],
    success=[{"dataset": "ring", "metric": "sliced-w1", "thresholds": [0.1], "allow_trivial": True}],
    tuning={"configurations": 2, "report_seeds": [7, 8]},
)
"""Three batches to tune on (both learning rates train in one), then two to report."""

TOML = (
    tiny_suite.TOML
    + """dataset = [{ name = "ring" }]
success = [{ dataset = "ring", metric = "modes", thresholds = [7], allow_trivial = true }]
"""
)
"""A suite of two batches."""


def train(suite: Mapping[str, Any], folder: Path, shard: str = "", **settings: Any) -> list[str]:
    """Run a suite, or a shard of it; return the keys of the trials that were trained."""
    trained: list[str] = []
    for session, event in run_events(read_suite(suite), Settings(results=folder, jobs=0, shard=shard, **settings)):
        if event is None:
            trained += [trial.key for batch in session.todo.batches for trial in batch.trials]
    return trained


def train_shards(suite: Mapping[str, Any], folders: Sequence[Path]) -> list[list[str]]:
    """Run a shard of a suite in each of the folders; return the keys of the trials that each trained."""
    return [train(suite, folder, f"{number}/{len(folders)}") for number, folder in enumerate(folders, start=1)]


def list_files(folder: Path) -> dict[str, str]:
    """Return the hash of every generator in a folder, those of snapshots too, by the path of its file."""
    files = sorted((folder / "networks").rglob("*.safetensors"))
    return {str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest() for file in files}


def test_three_shards_that_are_merged_are_one_run_bit_for_bit(tmp_path: Path) -> None:
    parts, whole, out = [tmp_path / str(number) for number in (1, 2, 3)], tmp_path / "whole", tmp_path / "out"
    trained = train_shards(ASKED, parts)
    assert sorted(map(len, trained)) == [6, 9, 9]
    assert sorted(chain(*trained)) == sorted(train(ASKED, whole))
    merged = merge(parts, out)
    assert (merged.networks, merged.missing, merged.hidden, merged.equal) == (24, 0, 0, 0)
    assert find_differences(read(out), read(whole)) == []
    times = ["seconds_train", "seconds_evaluate"]
    assert read(out).trials.drop(columns=times).equals(read(whole).trials.drop(columns=times))
    assert read(out).profiles.equals(read(whole).profiles)
    assert read(out).calibration.equals(read(whole).calibration)
    files = list_files(whole)
    assert len(files) > 24, "final generators, and those of snapshots"
    assert list_files(out) == files
    assert train(ASKED, out) == []
    assert find_differences(read(out), read(whole)) == []


def test_the_history_of_a_merge_has_every_shard(tmp_path: Path) -> None:
    parts = [tmp_path / str(number) for number in (1, 2, 3)]
    trained = train_shards(ASKED, parts)
    merge(parts, tmp_path / "out")
    runs = read(tmp_path / "out").runs
    assert sorted((run.facts.get("shard", ""), run.trained) for run in runs) == sorted(
        [("", 0), *((f"{number}/3", len(keys)) for number, keys in enumerate(trained, start=1))]
    )
    assert runs[-1].facts["merged"] == [{"folder": str(i + 1), "records": len(keys)} for i, keys in enumerate(trained)]
    assert sorted(history_table(runs).frame["executor"]) == ["", *(f"in-process, shard {i}/3" for i in (1, 2, 3))]
    assert "Extended after" not in command("history", "out", cwd=tmp_path).stdout


def test_a_shard_that_was_stopped_goes_on_with_its_own_trials_alone(tmp_path: Path) -> None:
    asked = tiny(architectures=SAMPLE)
    first = train(asked, tmp_path / "a", "2/3", limit=3)
    rest = train(asked, tmp_path / "a", "2/3")
    assert len(first) == 3
    assert sorted(first + rest) == sorted(train(asked, tmp_path / "b", "2/3"))
    assert train(asked, tmp_path / "a", "2/3") == []


def test_fresh_trains_the_shard_again_and_nothing_else(tmp_path: Path) -> None:
    asked = tiny(architectures=SAMPLE)
    first = train(asked, tmp_path, "2/3")
    with pytest.raises(GanbenchError, match="add --yes"):
        train(asked, tmp_path, "2/3", fresh=True)
    assert train(asked, tmp_path, "2/3", fresh=True, yes=True) == first
    assert (tmp_path / "results.sqlite.replaced-1").exists()
    assert (read(tmp_path).trials["status"] == "completed").sum() == len(first)


def test_more_shards_than_batches_leave_an_empty_one_which_says_so_and_merges(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(TOML)
    ended = [
        command("run", "s.toml", "--jobs", "0", "--shard", f"{i}/3", "--results", str(i), cwd=tmp_path)
        for i in (1, 2, 3)
    ]
    assert [each.returncode for each in ended] == [0, 0, 0]
    assert "shard 1/3: 1 of the plan's 2 batches\n2 trials to train, 2 left for another run" in ended[0].stderr
    assert "shard 3/3: 0 of the plan's 2 batches; there is nothing to train" in ended[2].stderr
    assert merge([tmp_path / str(i) for i in (1, 2, 3)], tmp_path / "out").records == [
        (str(tmp_path / "1"), 2),
        (str(tmp_path / "2"), 2),
        (str(tmp_path / "3"), 0),
    ]
    assert set(read(tmp_path / "out").trials["status"]) == {"completed"}


def test_the_tables_of_a_shard_say_what_they_lack_and_name_the_merge(tmp_path: Path) -> None:
    asked = tiny(architectures=SAMPLE)
    parts = [tmp_path / str(number) for number in (1, 2)]
    train_shards(asked, parts)
    assert "Shard 2/2: 12 of the 24 planned trials are not in this folder, so nothing here" in show_tables(parts[1])
    assert '`ganbench merge` joins the folders of all shards."' in show_tables(parts[1])
    steps = list(list_next_steps(read(parts[1]), parts[1], full=False, rules=True))
    assert any(f"ganbench merge {parts[1]} OTHERS... --out MERGED" in step for step in steps)
    assert not any("train what is missing" in step for step in steps), "other shards train it"
    merge(parts, tmp_path / "out")
    assert "Shard" not in show_tables(tmp_path / "out")
    assert not any("merge" in step for step in list_next_steps(read(tmp_path / "out"), tmp_path, full=True, rules=True))


def show_tables(folder: Path) -> str:
    """Return all tables of a folder as JSON, in which notes stand as they are."""
    frames = read(folder)
    return render(make_tables(frames, restore(frames.suite).success), "json")


def test_a_shard_never_chooses_a_configuration_and_goes_on_where_all_are_merged(tmp_path: Path) -> None:
    whole, first, second = tmp_path / "whole", [tmp_path / "1", tmp_path / "2"], [tmp_path / "3", tmp_path / "4"]
    train(TUNED, whole)
    trained = train_shards(TUNED, first)
    assert all(trained), "both shards tune"
    for part in first:
        assert read(part).choices == ()
        assert not set(read(part).all_trials["seed"]) & {7, 8}
        assert "each shard then goes on in a copy of the merged folder" in show_tables(part)
    merge(first, tmp_path / "tuned")
    for copy in second:
        shutil.copytree(tmp_path / "tuned", copy)
    reported = train_shards(TUNED, second)
    assert not set(chain(*trained)) & set(chain(*reported)), "nothing is trained twice"
    for copy in second:
        assert read(copy).choices == read(whole).choices
    merge(second, tmp_path / "out")
    assert train(TUNED, tmp_path / "out") == []
    assert find_differences(read(tmp_path / "out"), read(whole)) == []
    tuned, wanted = read(tmp_path / "out").tuning, read(whole).tuning
    assert tuned is not None
    assert wanted is not None
    assert find_differences(tuned, wanted) == []
    assert list_files(tmp_path / "out") == list_files(whole)


def test_the_tables_of_a_shard_without_a_trial_of_the_report_have_what_was_chosen(tmp_path: Path) -> None:
    parts, out = [tmp_path / "1", tmp_path / "2"], tmp_path / "out"
    train_shards(TUNED, parts)
    merge(parts, out)
    assert train(TUNED, out, "9/9") == [], "the plan has fewer batches"
    frames = read(out)
    assert frames.choices
    assert set(frames.trials["status"]) == {"missing"}
    tables = {table.title: table.frame for table in make_tables(frames, restore(frames.suite).success)}
    assert tables["Tuning on ring"]["method"].tolist() == ["ns-gan", "wgan-gp"]
    assert tables["Tuning on ring"]["score"].isna().all()
    assert "Shard 9/9: 4 of the 12 planned trials are not in this folder" in show_tables(out)
    print_summary(frames, out, restore(frames.suite))


def test_a_part_of_the_shards_that_is_merged_chooses_nothing_either(tmp_path: Path) -> None:
    parts = [tmp_path / str(number) for number in (1, 2, 3)]
    train_shards(TUNED, parts)
    merge(parts[:2], tmp_path / "two")
    for shard in ("1/3", "2/3"):
        assert train(TUNED, tmp_path / "two", shard) == []
        assert read(tmp_path / "two").choices == ()
    train(TUNED, tmp_path / "two", "3/3")
    assert read(tmp_path / "two").choices, "the last shard completes the tuning in this folder"
