"""A results folder of imported runs: what is added, what stays, what is refused, and the numbers of its tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ganbench.api.trials import ImportedTrial, restore_trial
from ganbench.errors import GanbenchError
from ganbench.imports import Reading, import_runs
from ganbench.page import make_page, read_source
from ganbench.report import compare, make_tables
from ganbench.results.store import Store, read
from ganbench.statistics.comparisons import compare_successes
from ganbench.statistics.success_rates import rate_table
from ganbench.suite.loading import restore
from scipy.stats import binomtest

from tests.support.imported_runs import FINALS, HEADER, RULE, import_rows, list_rows, write_csv
from tests.support.trials_by_hand import fill, seeds


def test_the_numbers_of_the_tables_are_those_computed_by_hand(tmp_path: Path) -> None:
    import_rows(tmp_path / "r", list_rows())
    frames = read(tmp_path / "r")
    rules = restore(frames.suite).success
    rates = rate_table(frames, rules[0]).set_index(["method", "threshold"])
    finals = {method: np.array([np.inf if x is None else x for x in own]) for method, own in FINALS.items()}
    for method, own in finals.items():
        for threshold in (30.0, 25.0):
            found = rates.loc[(method, threshold)]
            wilson = binomtest(int((own < threshold).sum()), 8).proportion_ci(method="wilson")
            assert (found["successes"], found["n"]) == ((own < threshold).sum(), 8)
            assert [found["rate_low"], found["rate_high"]] == pytest.approx([wilson.low, wilson.high], abs=1e-12)
    (pair,) = compare_successes(frames, rules)
    only_a = int(((finals["a"] < 30) & (finals["b"] >= 30)).sum())
    only_b = int(((finals["a"] >= 30) & (finals["b"] < 30)).sum())
    assert (only_a, only_b) == (0, 6)
    assert pair.primary["p"] == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, abs=1e-12)
    summary = next(table for table in make_tables(frames, rules) if table.title == "Scores on cifar").frame
    assert list(summary["final"]) == [np.median(finals["a"]), np.median(finals["b"])]
    assert list(summary["diverged"]) == [1, 0]


def test_importing_the_same_file_twice_adds_nothing(tmp_path: Path) -> None:
    first = import_rows(tmp_path / "r", list_rows())
    assert (first.runs, first.new, first.changed) == (16, 16, True)
    assert len(read(tmp_path / "r").runs) == 1
    before = (tmp_path / "r" / "results.sqlite").read_bytes()
    for reading in (RULE, Reading()):
        again = import_rows(tmp_path / "r", reversed(list_rows()), reading)
        assert (again.new, again.extended, again.changed) == (0, 0, False)
    assert (tmp_path / "r" / "results.sqlite").read_bytes() == before


def test_a_second_file_adds_runs_and_values_and_keeps_the_rules(tmp_path: Path) -> None:
    import_rows(tmp_path / "r", list_rows())
    kids = {"a": [0.5, 0.5, 0.5, 0.5, None, 0.5, 0.5, 0.5]}
    more = [*list_rows(seed=1), *(row.replace("fid", "kid") for row in list_rows(kids, early=1.0))]
    second = import_rows(tmp_path / "r", more, Reading())
    assert (second.runs, second.new, second.extended) == (24, 16, 8)
    frames = read(tmp_path / "r")
    assert frames.trials["seed"].tolist() == [0] * 16 + [1] * 16
    suite = restore(frames.suite)
    assert suite.success == restore(frames.runs[0].suite).success
    assert [table.file for table in suite.imported] == ["r.csv", "r.csv"]


def test_a_second_file_may_not_contradict_the_first(tmp_path: Path) -> None:
    import_rows(tmp_path / "r", list_rows())
    before = (tmp_path / "r" / "results.sqlite").read_bytes()
    rows = list_rows()
    cases = [
        (rows[1].replace(",28.0", ",28.5"), r"r.csv:2: a on cifar, net-0, seed 0: fid at step 1000 is 28.5 here, and"),
        (rows[1].replace(",1000,", ",2000,"), r"ended at step 2000 as completed, and in .* ended at step 1000"),
        (rows[9].replace("fid", "kid") + "0.1", r"ended at step 1000 as completed, and in .* as diverged from step"),
    ]
    for row, words in cases:
        with pytest.raises(GanbenchError, match=words) as error:
            import_rows(tmp_path / "r", [row])
        assert "by --out" in str(error.value)
    with pytest.raises(GanbenchError, match=r"architecture 'net-0' has the factors {'depth': 3} here, and {}"):
        import_rows(tmp_path / "r", ["c,net-0,0,cifar,fid,9,9,3"], header=f"{HEADER},architecture.depth")
    with pytest.raises(GanbenchError, match="the folder has 'lower'"):
        import_rows(tmp_path / "r", ["c,net-0,0,cifar,fid,9,9"], Reading(higher=["fid"]))
    assert (tmp_path / "r" / "results.sqlite").read_bytes() == before


def test_many_contradictions_are_counted(tmp_path: Path) -> None:
    import_rows(tmp_path / "r", list_rows())
    with pytest.raises(GanbenchError, match="and 6 more") as error:
        import_rows(tmp_path / "r", [row.replace(",60.0", ",61") for row in list_rows() if ",500," in row])
    assert str(error.value).count("fid at step 500") == 10


def test_a_file_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    for reading in (Reading(success=["kid=1"]), Reading(success=["fid=1,2"]), Reading(success=["fid"])):
        with pytest.raises(GanbenchError):
            import_rows(tmp_path / "r", list_rows(), reading)
    assert not (tmp_path / "r").exists()


def test_runs_are_not_imported_among_trials_of_ganbench(tmp_path: Path) -> None:
    fill(tmp_path / "native", seeds(0, 1))
    with pytest.raises(GanbenchError, match="its trials were trained by ganbench"):
        import_rows(tmp_path / "native", list_rows())


def test_an_import_that_was_killed_is_completed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", die)
        with pytest.raises(KeyboardInterrupt):
            import_rows(tmp_path / "r", list_rows())
    assert set(read(tmp_path / "r").trials["status"]) == {"missing"}
    assert import_rows(tmp_path / "r", list_rows()).new == 16
    assert "missing" not in set(read(tmp_path / "r").trials["status"])


def test_the_key_of_an_imported_trial_is_that_of_no_native_one_and_its_content_is_restored(tmp_path: Path) -> None:
    rows = [f"{row},3" for row in list_rows()]
    import_rows(tmp_path / "r", rows, header=f"{HEADER},architecture.depth")
    with Store(tmp_path / "r", readonly=True) as store:
        planned = store.planned()
        detail = store.detail(planned[0].key)
    trial = planned[0]
    assert isinstance(trial, ImportedTrial)
    assert trial.content["imported"] is True
    assert restore_trial(trial.content, {}).key == trial.key == detail["key"]
    native = {name: getattr(trial, name) for name in ("dataset", "architecture", "spec", "recipe", "seed", "budget")}
    assert type(trial).__mro__[1](**native).key != trial.key
    assert replace(trial, seed=7).key != trial.key
    assert detail["batch_size"] == 0


def test_what_is_imported_is_read_without_a_plugin(tmp_path: Path) -> None:
    rows = [f"{row},3" for row in list_rows()]
    import_rows(tmp_path / "r", rows, header=f"{HEADER},architecture.depth")
    frames = read(tmp_path / "r")
    assert set(frames.trials["mode"]) == {"imported"}
    assert frames.architectures["depth"].tolist() == [3] * 8
    assert frames.methods["method"].tolist() == ["a", "b"]
    assert list(frames.methods.dropna(axis=1).columns) == ["method", "constraints", "inputs"], "nothing else is known"
    assert frames.trials["critic_updates"].isna().all()
    assert (frames.trials["generator_steps"] == 1000).all()


def test_cautions_name_what_is_not_alike(tmp_path: Path) -> None:
    rows = [*list_rows(), "b,net-0,1,cifar,fid,700,20", "b,net-1,1,cifar,fid,1000,20", "b,net-1,1,cifar,kid,1000,.1"]
    imported = import_rows(
        tmp_path / "r", [f"{row},x" for row in rows], header=f"{HEADER},note", reading=replace(RULE, lower=["kid"])
    )
    assert imported.cautions == (
        "columns that are not read: 'note'.",
        "cifar: 1 of 17 completed runs end before step 1000, such as that of line 34. The final score is that of a "
        "run's own last step; a run that broke off needs the status failed.",
        "cifar: 14 of 32 cells (architecture, method, seed) have no run; pairs need both.",
        "cifar: completed runs without a value, which its tables leave out: kid 16.",
    )
    assert next(imported.lines).endswith("18 runs of r.csv, trained elsewhere: 18 added")


def test_runs_that_all_failed_are_compared_and_shown(tmp_path: Path) -> None:
    rows = [f"{method},net,{seed},cifar,,,,failed" for method in "ab" for seed in range(3)]
    import_rows(tmp_path / "r", rows, Reading(), f"{HEADER},status")
    frames = read(tmp_path / "r")
    assert set(frames.trials["error"].str[:17]) == {"failed, says r.cs"}
    assert compare(tmp_path / "r", methods=["a", "b"]).matched == 3
    assert "6 trials diverged, failed or timed out" in make_page([read_source(tmp_path / "r")])


def test_the_folder_is_named_as_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert import_runs(write_csv(tmp_path / "mine.csv", list_rows())).out == Path("results/mine")
    assert (tmp_path / "results" / "mine" / "suite.toml").is_file()
