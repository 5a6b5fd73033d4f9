"""Results folders become one: by key, equal records once, conflicts named, and the folders themselves untouched."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench.errors import GanbenchError
from ganbench.report import make_tables
from ganbench.results import merge as merging
from ganbench.results.frames import Frames
from ganbench.results.merge import merge
from ganbench.results.store import Store, read
from ganbench.suite import restore

from tests.support.hostile_folders import alter, everything_in
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny_suite
from tests.support.trials_by_hand import fill, record, scores, seeds, trial

OLD = Path(__file__).parents[1] / "fixtures" / "results_schema_2"
SNAPSHOTS = "networks/snapshots/*/*.safetensors"
PLUGIN = """
from ganbench import Objective, Offer, hookimpl


def build() -> Objective:
    return Objective(lambda real, fake: (fake - real).mean(), lambda real, fake: -fake.mean())


@hookimpl
def ganbench_losses():
    yield Offer("mine", build, "A loss of a third party.")
"""


def shown(frames: Frames) -> list[tuple[str, str]]:
    """Return every table that does not hold times, as text."""
    tables = make_tables(frames, restore(frames.suite).success)
    kept = [table for table in tables if not any("seconds" in str(name) for name in table.frame.columns)]
    assert len(kept) > 4
    return [(table.title, table.frame.to_csv() + "\n".join(table.notes)) for table in kept]


def test_two_machines_that_each_ran_a_half_make_the_folder_of_one_that_ran_all(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    asked = tiny_suite(
        methods=["ns-gan"],
        method=[{"name": "own", "from": "ns-gan", "loss": "mine"}],
        architectures={"space": "random-mlp", "sample": 2, "options": {"widths": [8], "depths": [2]}},
    )
    asked["success"][0]["compare"] = [["ns-gan", "own"]]
    a, b, whole, out = (tmp_path / name for name in ("a", "b", "whole", "out"))
    settings: dict[str, Any] = {"jobs": 0, "files": (tmp_path / "mine.py",)}
    ganbench.run(asked, results=whole, **settings)
    ganbench.run(asked, results=a, only=("method=ns-gan",), **settings)
    ganbench.run(asked, results=b, only=("method=own",), **settings)
    before = everything_in(a), everything_in(b)

    merged = merge([a, b], out)

    assert (everything_in(a), everything_in(b)) == before
    assert [count for _, count in merged.records] == [6, 6]
    assert (merged.equal, merged.preferred, merged.missing, merged.hidden) == (0, 0, 0, 0)
    assert shown(read(out)) == shown(read(whole))
    one, other = read(out), read(whole)
    times = ["seconds_train", "seconds_evaluate"]
    assert one.trials.drop(columns=times).equals(other.trials.drop(columns=times))
    by = ["key", "step", "name", "fresh"]
    assert one.scores.sort_values(by, ignore_index=True).equals(other.scores.sort_values(by, ignore_index=True))
    assert one.calibration.equals(other.calibration)
    assert {file.name for file in (out / "networks").iterdir()} == {
        file.name for file in (whole / "networks").iterdir()
    }
    assert [file.read_text() for file in (out / "plugins").iterdir()] == [PLUGIN]

    trained: list[Any] = []
    ganbench.run(asked, results=out, watch=lambda session, event: trained.append(event), **settings)
    assert not trained
    assert read(out).runs[-1].stored == 12


def test_the_history_has_the_runs_of_all_folders_and_the_merge(tmp_path: Path) -> None:
    both = [trial(seed=0), trial(seed=1)]
    a, b = fill(tmp_path / "a", seeds(0), both), fill(tmp_path / "b", seeds(1), both)
    alter(a, ("UPDATE runs SET started = ?", ("2026-01-02T00:00:00+00:00",)))
    alter(b, ("UPDATE runs SET started = ?", ("2026-01-01T00:00:00+00:00",)))
    merge([a, b], tmp_path / "c")
    runs = read(tmp_path / "c").runs
    assert [run.started[:10] for run in runs[:2]] == ["2026-01-01", "2026-01-02"], "the oldest first"
    assert [(run.planned, run.new, run.stored, run.trained) for run in runs] == [
        (2, 2, 0, 1),
        (2, 0, 0, 1),
        (2, 0, 2, 0),
    ]
    assert runs[2].facts["merged"] == [{"folder": "a", "records": 1}, {"folder": "b", "records": 1}]
    told = command("history", "c", cwd=tmp_path).stdout
    assert "Run 3 is a merge: 1 records of a, 1 records of b." in told
    assert "Extended after" not in told


def test_trials_that_another_folder_planned_later_are_said_to_be_an_extension(tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", seeds(0)), fill(tmp_path / "b", seeds(0, 1))
    alter(a, ("UPDATE runs SET started = ?", ("2026-01-01T00:00:00+00:00",)))
    merge([a, b], tmp_path / "c")
    assert "Extended after an unknown number of trials had results" in command("table", "c", cwd=tmp_path).stdout


def test_a_folder_and_its_continued_copy_share_their_runs(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", seeds(0))
    b = Path(shutil.copytree(a, tmp_path / "b"))
    fill(b, seeds(1), [trial(seed=0), trial(seed=1)])
    merged = merge([a, b], tmp_path / "c")
    assert merged.equal == 1
    runs = read(tmp_path / "c").runs
    assert [run.planned for run in runs] == [1, 2, 2]
    assert runs[1].stored == 1, "the copy's run did see the results of the one before"


def test_equal_records_are_kept_once_with_the_scores_of_both(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", [record(trial(), [3.0, math.nan], seconds={"train": 1.0})])
    b = fill(tmp_path / "b", [record(trial(), [3.0, math.nan], seconds={"train": 9.0}, generator=b"weights")])
    with Store(b) as store:
        store.add_scores({trial().key: scores("kid", [0.5])})
    merged = merge([a, b], tmp_path / "c")
    assert merged.equal == 1
    assert merged.networks == 1, "of equal records, the one with a generator"
    frames = read(tmp_path / "c")
    assert len(frames.trials) == 1
    assert sorted(frames.scores["name"].unique()) == ["fid", "kid"]
    assert len(frames.scores) == len(read(b).scores)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"fid": 2.5}, "fid at step 100 is 2.0 and 2.5"),
        ({"fid": math.nan}, "fid at step 100 is 2.0 and undefined"),
        ({"status": "failed"}, "completed and failed"),
        ({"diverged_at": 7, "status": "diverged"}, "completed and diverged"),
    ],
)
def test_conflicts_are_named_refused_and_decided_by_preference(
    tmp_path: Path, changes: Mapping[str, Any], answer: str
) -> None:
    a, b = fill(tmp_path / "a", seeds(0, 1)), fill(tmp_path / "b", [*seeds(0), *seeds(1, **changes)])
    alter(b, ("UPDATE runs SET started = ?", ("2026-01-01T00:00:00+00:00",)))
    key = trial(seed=1).key
    ended = command("merge", "a", "b", "--out", "c", cwd=tmp_path)
    assert ended.returncode == 2
    assert f"1 trials have records that differ:\n  {key[:8]} (a on ring, mlp-0, seed 1): {answer}" in ended.stderr
    assert "--prefer a, --prefer b, or --prefer newest" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    for prefer, kept in (("a", a), ("b", b), (str(b), b), ("newest", a)):
        assert merge([a, b], tmp_path / f"c-{len(list(tmp_path.iterdir()))}", prefer).preferred == 1
        out = max(tmp_path.glob("c-*"), key=lambda path: int(path.name[2:]))
        for name in ("trials", "scores"):
            found, wanted = (getattr(read(folder), name) for folder in (out, kept))
            assert found[found["key"] == key].equals(wanted[wanted["key"] == key])


def test_other_code_and_other_generators_are_conflicts(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", seeds(0))
    b = fill(tmp_path / "b", [record(trial(code="c1"), [3.0, 2.0], generator=b"weights")])
    with pytest.raises(GanbenchError, match="trained by other code"):
        merge([a, b], tmp_path / "c")
    b = fill(tmp_path / "b", [record(trial(), [3.0, 2.0], generator=b"others")])
    with pytest.raises(GanbenchError, match="other generators"):
        merge([a, b], tmp_path / "c")
    merge([a, b], tmp_path / "c", "b")
    with Store(tmp_path / "c", readonly=True) as store:
        assert store.generator(trial().key) == b"others"


def test_a_preference_for_one_folder_does_not_decide_between_two_others(tmp_path: Path) -> None:
    a, b, c = fill(tmp_path / "a", seeds(5)), fill(tmp_path / "b", seeds(0)), fill(tmp_path / "c", seeds(0, fid=9.0))
    with pytest.raises(GanbenchError, match=r"fid at step 100 is 2\.0 and 9\.0"):
        merge([a, b, c], tmp_path / "d", "a")
    assert not (tmp_path / "d").exists()
    alter(b, ("UPDATE runs SET started = ?", ("2026-01-01T00:00:00+00:00",)))
    assert merge([a, b, c], tmp_path / "d", "newest").records == [(str(a), 1), (str(b), 0), (str(c), 1)]


def test_a_generator_comes_from_whichever_folder_has_it_and_a_lost_one_is_counted(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", seeds(0, 1))
    fill(tmp_path / "b", seeds(0))
    for seed in (0, 1):
        (a / "networks" / f"{trial(seed=seed).key}.safetensors").write_bytes(b"not what was stored")
    ended = command("merge", "a", "b", "--out", "c", cwd=tmp_path)
    assert "c: 2 records (2 of a, 0 of b), 1 generators" in ended.stdout
    assert "no folder has them: 1 generators" in ended.stdout
    with Store(tmp_path / "c", readonly=True) as store:
        assert store.generator(trial(seed=0).key) == b"weights"
        with pytest.raises(GanbenchError, match="missing or not the file"):
            store.generator(trial(seed=1).key)


def test_kept_snapshots_travel_if_they_have_the_hash_of_their_name(tmp_path: Path) -> None:
    """Samples over time are drawn from the merged folder as from its sources."""
    a, b, out = (tmp_path / name for name in ("a", "b", "out"))
    asked = tiny_suite(keep={"generators": "snapshots"})
    ganbench.run(asked, results=a, jobs=0, only=("method=ns-gan",))
    ganbench.run(asked, results=b, jobs=0, only=("method=wgan-gp",))
    kept = {path.relative_to(folder): path.read_bytes() for folder in (a, b) for path in folder.glob(SNAPSHOTS)}
    assert len(kept) >= 2
    (altered, *_) = (a / name for name in kept if (a / name).exists())
    altered.write_bytes(b"not what was stored")
    merge([a, b], out)
    found = {path.relative_to(out): path.read_bytes() for path in out.glob(SNAPSHOTS)}
    assert found == {name: content for name, content in kept.items() if a / name != altered}


def test_equal_records_have_the_snapshots_of_the_folder_that_kept_them(tmp_path: Path) -> None:
    first = record(trial(), scores=scores("fid", [5.0]))
    a, b = (fill(tmp_path / "a", [first]), fill(tmp_path / "b", [replace(first, snapshots={50: b"earlier"})]))
    merge([a, b], tmp_path / "c")
    with Store(tmp_path / "c", readonly=True) as store:
        assert store.snapshot(trial().key, 50) == b"earlier"


def test_records_that_the_newest_plan_does_not_have_are_counted_and_kept(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", seeds(0))
    fill(tmp_path / "b", seeds(1, 2))
    alter(a, ("UPDATE runs SET started = ?", ("2026-01-01T00:00:00+00:00",)))
    ended = command("merge", "a", "b", "--out", "c", cwd=tmp_path)
    assert "not in the newest plan: 1 records, which `ganbench table c --all` shows" in ended.stdout
    assert len(read(tmp_path / "c").trials) == 2
    assert len(read(tmp_path / "c", everything=True).trials) == 3


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["a"], "name two or more"),
        (["a", "a"], "a is named twice"),
        (["a", "./a/../a"], "is named twice"),
        (["a", "nowhere"], "nowhere: no results here"),
        (["a", "old"], "its schema version is 2. `ganbench migrate old COPY`"),
        (["a", "b", "--prefer", "c"], "--prefer 'c': not one of the folders. Name one of a, b, or 'newest'"),
        (["a", "b", "--out", "a"], "a: not empty"),
        (["a", "b", "--out", "full"], "full: not empty"),
        (["a", "b", "--out", "link"], "link: not empty"),
        (["a", "b", "--out", "a/networks/in"], "within a, which is to stay as it is"),
    ],
)
def test_what_cannot_be_merged_is_refused_and_nothing_is_written(tmp_path: Path, words: list[str], answer: str) -> None:
    fill(tmp_path / "a", seeds(0))
    fill(tmp_path / "b", seeds(1))
    shutil.copytree(OLD, tmp_path / "old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    before = everything_in(tmp_path)
    ended = command("merge", "--out", "out", *words, cwd=tmp_path)
    assert ended.returncode == 2
    assert answer in ended.stderr
    assert everything_in(tmp_path) == before


def test_an_empty_folder_may_be_the_place_of_the_merged_one(tmp_path: Path) -> None:
    fill(tmp_path / "a", seeds(0))
    fill(tmp_path / "b", seeds(1))
    (tmp_path / "c").mkdir()
    assert command("merge", "a", "b", "--out", "c", cwd=tmp_path).returncode == 0
    assert len(read(tmp_path / "c", everything=True).trials) == 2


@pytest.mark.parametrize("where", ["write_networks", "write_rows", "write_file"])
def test_an_interrupted_merge_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    a, b = fill(tmp_path / "a", seeds(0)), fill(tmp_path / "b", seeds(1))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        merge([a, b], tmp_path / "c")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_the_plugin_text_of_another_hash_stays_behind(tmp_path: Path) -> None:
    digest = sha256(PLUGIN.encode()).hexdigest()
    listed = [{"name": "mine.py", "sha256": digest, "offers": []}]
    a, b = fill(tmp_path / "a", seeds(0), plugins=listed), fill(tmp_path / "b", seeds(1))
    (a / "plugins").mkdir()
    (a / "plugins" / f"mine-{digest[:12]}.py").write_text(PLUGIN + "# altered")
    merge([a, b], tmp_path / "c")
    assert not (tmp_path / "c" / "plugins").exists()
