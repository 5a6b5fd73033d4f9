"""A recorded trial trained again matches its record, and what has changed since the record is named."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import ganbench
import pytest
from ganbench import GanbenchError, registry
from ganbench.results.store import Store, read
from ganbench.runner.rerun import difference, generator_difference, rerun_trial
from safetensors.torch import save
from torch import tensor

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny_suite

PLUGINS = registry.load()
BUDGET = {"generator_steps": 120, "batch_size": 16, "snapshots": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of trials that trained in a stack, or alone since their seed was added later; some diverged."""
    out = tmp_path_factory.mktemp("rerun") / "r"
    divergent = {"name": "divergent", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e30}}
    suite = tiny_suite(methods=["ns-gan"], budget=BUDGET, method=[divergent], success=None)
    ganbench.run(suite, results=out, jobs=1)
    ganbench.run({**suite, "seeds": 4}, results=out, jobs=0)
    return out


def test_a_rerun_of_every_kind_of_trial_matches_its_record_bit_for_bit(folder: Path) -> None:
    trials = read(folder).trials
    assert set(trials["members"]) == {1, 3}
    assert (trials["diverged_at"] >= 0).any()
    for key in trials["key"].iloc[[0, 3, 4, 7]]:
        comparison = rerun_trial(folder, key[:10], PLUGINS)
        assert (comparison.verdict, comparison.largest, comparison.changed) == ("equal", 0.0, ())
        assert comparison.compared >= 12
        assert comparison.unmatched == 0


def test_a_record_that_was_altered_differs_from_its_rerun(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    key = read(folder).trials["key"][0]
    trial = f"(SELECT id FROM trials WHERE key = '{key}')"
    with closing(sqlite3.connect(copy / "results.sqlite")) as link, link:
        link.execute(f"UPDATE scores SET value = value + 1e-7 WHERE name = 'spread' AND trial = {trial}")
    assert rerun_trial(copy, key, PLUGINS).verdict == "within 1e-6"
    with closing(sqlite3.connect(copy / "results.sqlite")) as link, link:
        link.execute(f"UPDATE scores SET value = value + 0.5 WHERE name = 'spread' AND step = 40 AND trial = {trial}")
        link.execute("UPDATE batches SET composition = replace(composition, '\"threads\":1', '\"threads\":7')")
        link.execute('UPDATE batches SET facts = replace(facts, \'"python":"3.\', \'"python":"2.\')')
        link.execute(f"UPDATE records SET code = 'old' WHERE trial = {trial}")
    link.close()
    process = command("rerun", "copy", key[:8], cwd=tmp_path)
    assert process.returncode == 1
    first, *_, last = process.stdout.splitlines()
    assert first.startswith("changed since the record: python 2.")
    assert "changed since the record: threads 7, now 1\n" in process.stdout
    assert "changed since the record: the code of a component" in process.stdout
    assert "status: completed in the record, completed now\n" in process.stdout
    assert "diverged at optimizer step: never in the record, never now\n" in process.stdout
    assert last.startswith("different, largest difference 0.")


def test_the_exit_code_of_rerun_shows_whether_the_rerun_matches(folder: Path) -> None:
    key = read(folder).trials["key"][0]
    process = command("rerun", str(folder), key[:8], cwd=folder)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.splitlines()[-1] == "equal, largest difference 0"
    for bad_key, message in [("zz", "is not a key"), ("0" * 64, "no record with key"), (key[:2], "is not a key")]:
        process = command("rerun", str(folder), bad_key, cwd=folder)
        assert process.returncode == 2
        assert message in process.stderr


def test_a_trial_that_did_not_complete_training_cannot_be_rerun(folder: Path, tmp_path: Path) -> None:
    from tests.support.trials_by_hand import record, results, trial

    results(tmp_path, [record(trial(), status="timed-out", error="no end", composition={}, facts={})])
    with Store(tmp_path, readonly=True) as store:
        key = next(iter(store.known()))
    with pytest.raises(GanbenchError, match=r"did not complete its training \(timed-out: no end\)"):
        rerun_trial(tmp_path, key, PLUGINS)


def test_differences_are_relative_and_infinite_where_only_one_value_is_finite() -> None:
    nan, inf = math.nan, math.inf
    assert difference(100.0, 101.0) == pytest.approx(0.01)
    assert difference(0.001, 0.002) == pytest.approx(0.001)
    assert (difference(nan, nan), difference(inf, inf), difference(-inf, -inf)) == (0.0, 0.0, 0.0)
    assert {difference(nan, 1.0), difference(1.0, nan), difference(inf, -inf), difference(inf, 1.0)} == {inf}
    first, second = save({"w": tensor([1.0, nan])}), save({"w": tensor([1.5, nan])})
    assert generator_difference(first, second) == 0.5
    assert generator_difference(first, save({"v": tensor([1.0, nan])})) == inf
    assert generator_difference(first, save({"w": tensor([1.0, 2.0])})) == inf
    assert generator_difference(b"", first) == inf
