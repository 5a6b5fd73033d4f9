"""A recorded trial trained again is what its record says, and what is not as it was then is named."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import ganbench
import pytest
from ganbench import GanbenchError, registry
from ganbench.results.store import Store, read
from ganbench.runner.rerun import difference, generator_difference, rerun_trial
from safetensors.torch import save
from torch import tensor

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()
BUDGET = {"generator_steps": 120, "batch_size": 16, "snapshots": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trials that trained in a stack, in a loop, alone because they came later, and one that diverged."""
    out = tmp_path_factory.mktemp("repetition") / "r"
    wild = {"name": "wild", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e30}}
    ganbench.run(small(methods=["ns-gan"], budget=BUDGET, method=[wild], success=None), out=out, jobs=1)
    ganbench.run(small(methods=["ns-gan"], budget=BUDGET, method=[wild], success=None, seeds=4), out=out, jobs=0)
    return out


def test_every_trial_trained_again_is_its_record_bit_for_bit(folder: Path) -> None:
    trials = read(folder).trials
    assert set(trials["members"]) == {1, 3}
    assert (trials["diverged_at"] >= 0).any()
    for key in trials["key"].iloc[[0, 3, 4, 7]]:
        found = rerun_trial(folder, key[:10], PLUGINS)
        assert (found.verdict, found.largest, found.changed) == ("equal", 0.0, ())
        assert found.compared >= 12
        assert found.apart == 0


def test_a_record_that_was_changed_is_told_from_what_trains_today(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    key = read(folder).trials["key"][0]
    trial = f"(SELECT id FROM trials WHERE key = '{key}')"
    with sqlite3.connect(copy / "results.sqlite") as link:
        link.execute(f"UPDATE scores SET value = value + 1e-7 WHERE name = 'spread' AND trial = {trial}")
    assert rerun_trial(copy, key, PLUGINS).verdict == "within 1e-6"
    with sqlite3.connect(copy / "results.sqlite") as link:
        link.execute(f"UPDATE scores SET value = value + 0.5 WHERE name = 'spread' AND step = 40 AND trial = {trial}")
        link.execute("UPDATE batches SET composition = replace(composition, '\"threads\":1', '\"threads\":7')")
        link.execute('UPDATE batches SET facts = replace(facts, \'"python":"3.\', \'"python":"2.\')')
        link.execute(f"UPDATE records SET code = 'old' WHERE trial = {trial}")
    link.close()
    ended = command("rerun", "copy", key[:8], cwd=tmp_path)
    assert ended.returncode == 1
    first, *_, last = ended.stdout.splitlines()
    assert first.startswith("not as it was then: python 2.")
    assert "not as it was then: threads 7, 1 now" in ended.stdout
    assert "not as it was then: the code of a plugin" in ended.stdout
    assert last.startswith("different, largest difference 0.")


def test_rerun_answers_with_its_exit_code(folder: Path) -> None:
    key = read(folder).trials["key"][0]
    ended = command("rerun", str(folder), key[:8], cwd=folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "equal, largest difference 0"
    for bad, said in [("zz", "is no key"), ("0" * 64, "no record with key"), (key[:2], "is no key")]:
        ended = command("rerun", str(folder), bad, cwd=folder)
        assert ended.returncode == 2
        assert said in ended.stderr


def test_a_trial_that_never_trained_cannot_be_repeated(folder: Path, tmp_path: Path) -> None:
    from tests.support.trials_by_hand import record, results, trial

    results(tmp_path, [record(trial(), status="timed-out", error="no end", composition={}, facts={})])
    with Store(tmp_path, readonly=True) as store:
        key = next(iter(store.known()))
    with pytest.raises(GanbenchError, match=r"never trained to an end \(timed-out: no end\)"):
        rerun_trial(tmp_path, key, PLUGINS)


def test_differences_are_relative_and_know_what_is_not_finite() -> None:
    nan, inf = math.nan, math.inf
    assert difference(100.0, 101.0) == pytest.approx(0.01)
    assert difference(0.001, 0.002) == pytest.approx(0.001)
    assert (difference(nan, nan), difference(inf, inf), difference(-inf, -inf)) == (0.0, 0.0, 0.0)
    assert {difference(nan, 1.0), difference(1.0, nan), difference(inf, -inf), difference(inf, 1.0)} == {inf}
    one, other = save({"w": tensor([1.0, nan])}), save({"w": tensor([1.5, nan])})
    assert generator_difference(one, other) == 0.5
    assert generator_difference(one, save({"v": tensor([1.0, nan])})) == inf
    assert generator_difference(one, save({"w": tensor([1.0, 2.0])})) == inf
    assert generator_difference(b"", one) == inf
