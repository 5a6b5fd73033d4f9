from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ganbench.api.trials import digest
from ganbench.errors import GanbenchError
from ganbench.results.schema import LONGEST_ERROR, SCHEMA
from ganbench.results.store import Store, read

from tests.support.trials_by_hand import SUITE, record, results, scores, trial

NAN, INF = math.nan, math.inf


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    updates = {"critic": 500, "generator": 100, "flops": 7_000_000_000}
    known = {"status": "timed-out", "error": "too slow", "diverged_at": 7, "updates": updates}
    frames = results(tmp_path, [record(trial(seed=3), [2.5, 1.5], **known)])
    (row,) = frames.trials.to_dict("records")
    expected = {
        "key": trial(seed=3).key,
        "dataset": "ring",
        "architecture": "mlp-0",
        "method": "a",
        "seed": 3,
        "planned": True,
        "status": "timed-out",
        "error": "too slow",
        "diverged_at": 7,
        "stale": False,
        "code": "c0",
        "generator_steps": 100,
        "batch_size": 32,
        "critic_updates": 500,
        "generator_updates": 100,
        "samples": 16000,
        "flops": 7e9,
        "seconds_train": 2.0,
        "seconds_evaluate": 0.5,
        "mode": "stack",
        "members": 1,
        "device": "cpu",
    }
    assert row == expected
    assert frames.scores[["step", "name", "value", "direction", "samples", "fresh"]].values.tolist() == [
        [50, "fid", 2.5, "lower", 500, False],
        [100, "fid", 1.5, "lower", 500, False],
        [100, "fid", 1.5, "lower", 500, True],
    ]
    assert frames.series[["step", "fresh"]].values.tolist() == [[50, False], [100, False]]
    assert frames.suite == SUITE
    assert (tmp_path / "suite.toml").read_text() == SUITE


def test_nan_and_infinities_survive_in_scores_and_signals(tmp_path: Path) -> None:
    odd = [NAN, INF, -INF, 5e-324, -1.5]
    frames = results(tmp_path, [record(trial(), odd, signals={"k": ([1, 2, 3, 4, 5], odd)})])
    for found in (frames.series["value"].tolist(), frames.signals["value"].tolist()):
        assert math.isnan(found[0])
        assert found[1:] == odd[1:]
    assert frames.signals["step"].tolist() == [1, 2, 3, 4, 5]
    assert set(frames.signals["name"]) == {"k"}
    assert set(frames.signals["key"]) == {trial().key}


def test_signals_of_several_trials_stay_with_their_trial_and_name(tmp_path: Path) -> None:
    first = record(trial(seed=0), signals={"k": ([1, 2], [0.1, 0.2]), "m": ([2], [9.0])})
    second = record(trial(seed=1), signals={"k": ([1], [0.3])})
    signals = results(tmp_path, [first, second]).signals
    one, two = trial(seed=0).key, trial(seed=1).key
    expected = {(one, "k", 1, 0.1), (one, "k", 2, 0.2), (one, "m", 2, 9.0), (two, "k", 1, 0.3)}
    assert set(signals.itertuples(index=False, name=None)) == expected
    assert read(tmp_path, signals=False).signals.empty


def test_a_planned_trial_without_record_is_missing(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(seed=1))], plan=[trial(seed=0), trial(seed=1)])
    assert frames.trials[["seed", "status", "diverged_at"]].values.tolist() == [
        [0, "missing", -1],
        [1, "completed", -1],
    ]


def test_a_plan_without_any_record_is_all_missing(tmp_path: Path) -> None:
    frames = results(tmp_path, [], plan=[trial(seed=0), trial(seed=1)])
    assert frames.trials["status"].tolist() == ["missing", "missing"]
    assert frames.scores.empty


def test_only_the_newest_plan_is_shown_unless_everything_is_asked_for(tmp_path: Path) -> None:
    results(tmp_path, [record(trial(seed=0), [1.0]), record(trial(seed=1), [2.0])])
    frames = results(tmp_path, [], plan=[trial(seed=1)])
    assert frames.trials["seed"].tolist() == [1]
    assert frames.scores["value"].tolist() == [2.0]
    everything = read(tmp_path, everything=True)
    assert everything.trials[["seed", "planned", "stale"]].values.tolist() == [[1, True, False], [0, False, False]]
    assert sorted(everything.scores["value"]) == [1.0, 2.0]


def test_records_without_any_run_are_all_shown(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append([record(trial(seed=4), [1.0])])
    assert read(tmp_path).trials[["seed", "planned", "status"]].values.tolist() == [[4, False, "completed"]]


def test_labels_are_those_of_the_newest_plan(tmp_path: Path) -> None:
    results(tmp_path, [record(trial())])
    renamed = replace(trial(), labels={"method": "new name", "dataset": "ring", "architecture": "mlp-0"})
    assert results(tmp_path, [], plan=[renamed]).trials["method"].tolist() == ["new name"]


def test_two_methods_that_ask_the_same_share_one_record(tmp_path: Path) -> None:
    twin = replace(trial(), labels={"method": "twin", "dataset": "ring", "architecture": "mlp-0"})
    frames = results(tmp_path, [record(trial(), [1.0])], plan=[trial(), twin])
    assert frames.trials[["method", "status"]].values.tolist() == [["a", "completed"], ["twin", "completed"]]
    assert len(frames.scores) == 1


def test_a_record_made_by_other_code_than_the_plans_is_stale(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(code="old"))], plan=[trial(code="new"), trial(seed=1, code="new")])
    assert frames.trials["stale"].tolist() == [True, False]
    assert frames.trials["code"].tolist() == ["old", ""]


def test_the_newest_record_of_a_key_replaces_the_older(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append([record(trial(code="old"), [9.0, 8.0], signals={"k": ([1], [1.0])}, generator=b"old")])
        assert store.known() == {trial().key: ("old", "completed")}
        store.append([record(trial(code="new"), [1.0], status="failed")])
        assert store.known() == {trial().key: ("new", "failed")}
        frames = store.frames(everything=True)
    assert frames.scores["value"].tolist() == [1.0]
    assert frames.signals.empty
    assert not list((tmp_path / "networks").iterdir())


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    twice = tuple(scores("fid", [1.0]) * 2)
    with Store(tmp_path) as store:
        store.append([record(trial(seed=0), [5.0])])
        with pytest.raises(Exception, match="UNIQUE constraint"):
            store.append([record(trial(seed=1)), record(trial(seed=0)), record(trial(seed=2), scores=twice)])
        assert list(store.known()) == [trial(seed=0).key]
        assert store.frames().scores["value"].tolist() == [5.0]


def test_a_killed_transaction_leaves_no_trace_after_the_next_run(tmp_path: Path) -> None:
    live, left = tmp_path / "live", tmp_path / "left"
    results(live, [record(trial(), [5.0])])
    link = sqlite3.connect(live / "results.sqlite", isolation_level=None)
    link.execute("PRAGMA cache_size = 1")  # so that unfinished pages reach the file, as in a long transaction
    link.execute("BEGIN")
    link.execute("DELETE FROM scores")
    link.executemany("INSERT INTO meta VALUES (?, ?)", [(str(i), "x" * 500) for i in range(500)])
    shutil.copytree(live, left)  # what a kill would leave on the disk
    link.close()
    with pytest.raises(GanbenchError, match="killed while it wrote"):
        read(left)
    with Store(left) as store:
        assert store.frames().scores["value"].tolist() == [5.0]
    assert read(left).scores["value"].tolist() == [5.0]


def test_a_generator_is_kept_and_checked(tmp_path: Path) -> None:
    key = trial().key
    results(tmp_path, [record(trial(), generator=b"weights"), record(trial(seed=1))])
    with Store(tmp_path, readonly=True) as store:
        assert store.generator(key) == b"weights"
        with pytest.raises(GanbenchError, match="left no generator"):
            store.generator(trial(seed=1).key)
        (tmp_path / "networks" / f"{key}.safetensors").write_bytes(b"others")
        with pytest.raises(GanbenchError, match="not the file that was stored"):
            store.generator(key)


def test_a_record_can_be_looked_up_by_the_beginning_of_its_key(tmp_path: Path) -> None:
    asked = trial(seed=5)
    results(tmp_path, [record(asked)])
    with Store(tmp_path, readonly=True) as store:
        detail = store.detail(asked.key[:8])
        assert detail["key"] == asked.key
        assert digest(detail["content"]) == asked.key
        assert detail["composition"] == {"mode": "stack", "members": [asked.seed], "device": "cpu"}
        assert detail["facts"] == {"torch": "2.15"}
        with pytest.raises(GanbenchError, match="no record with key 0000"):
            store.detail("0000")
        with pytest.raises(GanbenchError, match="is not a key"):
            store.detail("../..")


def test_a_key_that_is_not_a_hash_never_becomes_a_path(tmp_path: Path) -> None:
    evil = trial()
    vars(evil)["key"] = "../../evil"
    with Store(tmp_path) as store, pytest.raises(GanbenchError, match=r"'../../evil' is no trial's key"):
        store.append([record(evil, generator=b"x")])


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(GanbenchError, match=r"process \d+ on .+ writes here"):
        Store(tmp_path).open()
    Store(tmp_path).open().close()


def test_readers_need_no_lock_and_cannot_write(tmp_path: Path) -> None:
    with Store(tmp_path) as writer:
        writer.append([record(trial(), [1.0])])
        assert len(read(tmp_path).trials) == 1
        with Store(tmp_path, readonly=True) as store, pytest.raises(GanbenchError, match="readonly database"):
            store.append([record(trial(seed=1))])


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    results(tmp_path, [record(trial())])
    with closing(sqlite3.connect(tmp_path / "results.sqlite")) as link, link:
        link.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    link.close()
    for readonly in (True, False):
        with pytest.raises(GanbenchError, match=rf"results.sqlite: its schema version is 99, this ganbench.* {SCHEMA}"):
            Store(tmp_path, readonly=readonly).open()
    with pytest.raises(GanbenchError, match="schema version"):
        Store(tmp_path).open()  # and the lock was given back


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "results.sqlite")) as link, link:
        link.execute("CREATE TABLE other (x)")
    link.close()
    with pytest.raises(GanbenchError, match="schema version is none"):
        read(tmp_path)


@pytest.mark.parametrize("start", [0, 100, 4096])
def test_a_damaged_database_is_an_error_with_a_way_out(tmp_path: Path, start: int) -> None:
    results(tmp_path, [record(trial(seed=seed), [1.0, 2.0]) for seed in range(50)])
    file = tmp_path / "results.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[:start] + b"\xff" * (len(content) - start))
    with pytest.raises(GanbenchError, match=r"results.sqlite: .*The file is damaged: move it away"):
        read(tmp_path)


def test_a_folder_without_results_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=r"no results here\. `ganbench run SUITE` makes them"):
        read(tmp_path)
    (tmp_path / "results.sqlite").touch()
    with pytest.raises(GanbenchError, match="no results yet"):
        read(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GanbenchError, match=r"file/results: cannot be written \(Not a directory\). Choose another"):
        Store(tmp_path / "file" / "results").open()


def test_a_results_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "50% of ?mode=rw#runs"
    results(folder, [record(trial())])
    assert len(read(folder).trials) == 1
    assert len(read(folder / "results.sqlite").trials) == 1


def test_the_read_side_never_imports_torch() -> None:
    modules = (
        "ganbench.results.store, ganbench.statistics.success_rates, ganbench.report.tables, ganbench.report.writers"
    )
    code = f"import sys, {modules}, pandas, scipy.stats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_frames_of_two_thousand_trials_take_under_a_second_each_thousand(tmp_path: Path) -> None:
    """A small-scale guard of 100,000 trials in 20 s; the tenfold slack is for busy machines."""
    import time

    twelve = tuple(s for name in "abcdef" for s in scores(name, [1.0, 2.0]))
    results(tmp_path, [record(trial(seed=seed), scores=twelve) for seed in range(2000)])
    start = time.perf_counter()
    frames = read(tmp_path)
    assert time.perf_counter() - start < 2.0
    assert len(frames.scores) == 24000


def test_an_error_of_any_length_is_stored_with_its_beginning_and_its_end(tmp_path: Path) -> None:
    error = "first line\n" + "x" * 1_000_000 + "\nlast line"
    frames = results(tmp_path, [record(trial(), status="failed", error=error), record(trial("b"), error="short")])
    long, short = frames.trials["error"]
    assert short == "short"
    assert len(long) <= LONGEST_ERROR
    assert long.startswith("first line\n")
    assert f"[{len(error)} characters, the middle left out]" in long
    assert long.endswith("\nlast line")


def test_the_largest_seed_is_read_exactly_with_and_without_other_trials(tmp_path: Path) -> None:
    seed = 2**63 - 1
    results(tmp_path, [record(trial(seed=seed))])
    assert read(tmp_path).trials["seed"].tolist() == [seed]
    assert read(tmp_path, everything=True).trials["seed"].tolist() == [seed]
