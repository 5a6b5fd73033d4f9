"""Every command on a folder of imported runs: it works and shows the mark, or says why it cannot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.imports import Reading, import_runs
from ganbench.page import make_page, read_source
from ganbench.report import compare
from ganbench.results.merge import merge
from ganbench.results.store import read
from ganbench.statistics.comparisons import compare_successes
from ganbench.statistics.final_scores import trial_scores
from ganbench.statistics.sensitivity import sensitivity_table
from ganbench.statistics.success_rates import rate_table, sustained_rates
from ganbench.suite.loading import restore

from tests.support.browser import WIDE, needs_browser, open_browser, open_page
from tests.support.imported_runs import FINALS, HEADER, import_rows, list_rows
from tests.support.pages import EVIL_NAME, make_results, read_data
from tests.support.terminal import ganbench

MARK = re.compile(
    r"Trained elsewhere: 16 of 16 trials were not trained by ganbench, but imported from r\.csv "
    r"\(sha256 [0-9a-f]{12}\.\.\., \d{4}-\d\d-\d\d, ganbench [^)]+\)"
)
UNKNOWN = "whether methods had equal data and equal initial weights"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen imported runs."""
    place = tmp_path_factory.mktemp("imported") / "r"
    import_rows(place, list_rows())
    return place


def key_of(folder: Path) -> str:
    """Return the key of a completed trial."""
    trials = read(folder).trials
    return str(trials.loc[trials["status"] == "completed", "key"].iloc[0])


@pytest.mark.parametrize("words", [["table"], ["compare", "--methods", "a", "b"]])
def test_tables_bear_the_mark(folder: Path, words: list[str]) -> None:
    command, *rest = words
    done = ganbench(command, "r", *rest, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert MARK.search(done.stdout)
    assert UNKNOWN in done.stdout
    assert "n = 8 architectures x 1 seed; trained elsewhere and imported." in done.stdout
    assert "same trainings, repeated" not in done.stdout


def test_the_history_bears_the_mark(folder: Path) -> None:
    done = ganbench("history", "r", cwd=folder.parent)
    assert re.search(r"Run 1 trained nothing: it imported r\.csv \(sha256 [0-9a-f]{12}\.\.\., 32 rows\)", done.stdout)


def test_the_tables_of_a_paper_bear_the_mark(folder: Path) -> None:
    done = ganbench("table", "r", "--format", "latex", "--style", "paper", cwd=folder.parent)
    assert done.stdout.lower().count("trained elsewhere and imported") == done.stdout.count("caption{") == 4
    assert "best score" not in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["trials", "r", "--sort", "final"],
        ["table", "r", "--sensitivity"],
        ["curves", "r", "--out", "c"],
        ["figures", "r", "--out", "f"],
        ["export", "r", "e"],
        ["watch", "r", "--once"],
    ],
)
def test_reading_commands_work(folder: Path, words: list[str]) -> None:
    done = ganbench(*words, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_courses_of_one_trial_are_drawn(folder: Path) -> None:
    done = ganbench("curves", "r", key_of(folder)[:12], "--out", "one", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert list((folder.parent / "one").glob("*.png"))


def test_trials_offer_nothing_that_needs_a_model(folder: Path) -> None:
    shown = ganbench("trials", "r", cwd=folder.parent).stdout
    assert "Trained elsewhere and imported: none can be trained again or drawn." in shown
    assert "ganbench rerun" not in shown
    assert "ganbench samples" not in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["run", "r/suite.toml"], "so there is nothing that ganbench could train"),
        (["plan", "r/suite.toml"], "so there is nothing that ganbench could train"),
        (["run", "mine.toml", "--results", "r", "--jobs", "0"], "so no suite is run here. Name another folder"),
        (["samples", "r"], "so there are no models that could draw samples"),
        (["samples", "r", "--nearest"], "so there are no models that could draw samples"),
        (["evaluate", "r", "--metric", "modes"], "so there are no models that could be scored"),
        (["rerun", "r", "KEY"], "trained elsewhere and imported, so there is no generator"),
        (["samples", "r", "--of", "KEY"], "trained elsewhere and imported, so there is no generator"),
    ],
)
def test_commands_that_need_a_model_or_a_training_say_why_not(folder: Path, words: list[str], reason: str) -> None:
    suite = 'question = "?"\nmethods = ["ns-gan"]\nbudget = { generator_steps = 1 }\ndataset = [{ name = "ring" }]\n'
    (folder.parent / "mine.toml").write_text(suite)
    key = key_of(folder)
    before = (folder / "results.sqlite").read_bytes()
    done = ganbench(*(key[:12] if word == "KEY" else word for word in words), cwd=folder.parent)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "trained elsewhere" in done.stderr
    assert (folder / "results.sqlite").read_bytes() == before


def test_best_scores_are_not_known_and_no_table_takes_them_for_the_worst(folder: Path) -> None:
    frames = read(folder)
    (rule,) = restore(frames.suite).success
    completed = trial_scores(frames, "cifar", "fid")
    assert completed.loc[completed["scored"], "best"].isna().all()
    assert sustained_rates(frames, rule)["sustained"].min() == 1
    readings = sensitivity_table(frames, rule, ("a", "b"))
    assert "best" not in set(readings["at"])
    assert {"budget", "threshold"} <= set(readings["varied"])


def test_best_scores_are_known_where_fresh_samples_were_scored(tmp_path: Path) -> None:
    rows = [f"{row},false" for row in list_rows({"a": [70.0], "b": [50.0]})]
    rows += ["a,net-0,0,cifar,fid,500,61,true", "b,net-0,0,cifar,fid,1000,51,1"]
    (tmp_path / "rules.toml").write_text(
        '[[success]]\ndataset = "cifar"\nmetric = "fid"\nthresholds = [60]\nat = "best"\n'
    )
    import_rows(tmp_path / "r", rows, Reading(rules=tmp_path / "rules.toml"), f"{HEADER},fresh")
    frames = read(tmp_path / "r")
    assert trial_scores(frames, "cifar", "fid")["best"].tolist() == [61.0, 51.0]
    (rule,) = restore(frames.suite).success
    assert rate_table(frames, rule)["successes"].tolist() == [0, 1]


def test_two_imports_are_compared_and_an_import_is_not_compared_with_trials_of_ganbench(tmp_path: Path) -> None:
    better = {method: [value and value - 5 for value in values] for method, values in FINALS.items()}
    import_rows(tmp_path / "old", list_rows())
    import_rows(tmp_path / "new", list_rows(better))
    comparison = compare(tmp_path / "old", tmp_path / "new")
    assert comparison.matched == 16
    text = " ".join(note for table in comparison.tables for note in table.notes)
    assert "old: Trained elsewhere: 16 of 16" in text
    assert "from new.csv" in text
    assert "Trained elsewhere: 32 of 32 trials were not trained by ganbench, but imported." in text
    make_results(tmp_path / "native", methods=("a", "b"))
    rows = [f"{m},random-mlp-{k},{s},ring,fid,100,15" for m in "ab" for k in range(8) for s in (0, 1)]
    import_rows(tmp_path / "same", rows, Reading(success=["fid=20"]))
    with pytest.raises(GanbenchError, match="trained: by ganbench in native, elsewhere, and imported in same"):
        compare(tmp_path / "native", tmp_path / "same")


def test_merged_folders_keep_the_mark(tmp_path: Path) -> None:
    import_rows(tmp_path / "one", list_rows())
    import_rows(tmp_path / "two", list_rows(seed=1))
    merged = merge([tmp_path / "one", tmp_path / "two"], tmp_path / "both")
    assert (sum(count for _, count in merged.records), merged.hidden) == (32, 16)
    done = ganbench("table", "both", "--all", cwd=tmp_path)
    assert "Trained elsewhere: 32 of 32" in done.stdout
    history = ganbench("history", "both", cwd=tmp_path).stdout
    assert "Run 2 trained nothing: it imported two.csv" in history
    assert "Run 3 is a merge" in history
    assert "Run 3 trained nothing" not in history


def test_what_ganbench_exports_is_imported_with_the_same_numbers(tmp_path: Path) -> None:
    make_results(tmp_path / "native", methods=("a", "b"))
    ganbench("export", "native", "data", cwd=tmp_path)
    trials, scores = (pd.read_csv(tmp_path / "data" / f"{name}.csv") for name in ("trials", "scores"))
    kept = ["key", "method", "architecture", "seed", "dataset", "status", "generator_steps"]
    runs = trials[kept].merge(scores[["key", "name", "step", "value", "fresh"]], on="key", how="left")
    runs = runs.rename(columns={"name": "metric"}).assign(step=runs["step"].fillna(runs["generator_steps"]))
    runs.drop(columns=["key", "generator_steps"]).to_csv(tmp_path / "runs.csv", index=False)
    reading = Reading(success=["fid=30,20,10"], primary=[20])
    imported = import_runs(tmp_path / "runs.csv", tmp_path / "again", reading)
    native, again = read(tmp_path / "native"), read(tmp_path / "again")
    assert imported.runs == len(native.trials)
    assert native.trials["status"].value_counts().to_dict() == again.trials["status"].value_counts().to_dict()
    assert {"failed", "diverged"} <= set(again.trials["status"])
    (old,), (new,) = restore(native.suite).success, restore(again.suite).success
    pd.testing.assert_frame_equal(rate_table(native, old), rate_table(again, new))
    for at in ("final", "best"):
        mine, theirs = (trial_scores(each, "ring", "fid")[at].tolist() for each in (native, again))
        assert mine == theirs
    (one,), (two,) = compare_successes(native, [old]), compare_successes(again, [new])
    assert one.primary["p"] == two.primary["p"]
    assert one.primary["difference"] == two.primary["difference"]


def test_the_command_line_takes_every_option(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("\n".join([HEADER, *list_rows(), "a,net-0,0,cifar,odd,1000,1"]) + "\n")
    words = ["import", "runs.csv", "--out", "r", "--success", "fid=30,25", "--primary", "30", "--compare", "b", "a"]
    done = ganbench(*words, "--neutral", "odd", "--question", "Which?", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("r: 16 runs of runs.csv, trained elsewhere: 16 added\n")
    suite = restore(read(tmp_path / "r").suite)
    assert (suite.question, suite.success[0].compare) == ("Which?", (("b", "a"),))
    wrong = ganbench("import", "none.csv", cwd=tmp_path)
    assert (wrong.returncode, "no such file" in wrong.stderr) == (2, True)


def test_the_page_bears_the_mark_and_no_command_that_trains(folder: Path) -> None:
    page = make_page([read_source(folder)])
    assert MARK.search(page)
    assert page.index("Trained elsewhere: 16 of 16") < page.index('class="words verdict"')
    assert "no models to draw samples of" in page
    assert "again with `ganbench import`" in page
    assert "ganbench rerun" not in page
    assert read_data(page)[0]["samples"] == {}


def test_names_of_files_and_runs_are_escaped_on_the_page(tmp_path: Path) -> None:
    cell = '"' + EVIL_NAME.replace('"', '""') + '"'
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    path.write_text(f"{HEADER}\n{cell},net,0,cifar,fid,10,1\nb,net,0,cifar,fid,10,2\n")
    import_runs(path, tmp_path / "r", Reading(success=["fid=1.5"]))
    page = make_page([read_source(tmp_path / "r")])
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.csv" in page


@pytest.mark.browser
@needs_browser
def test_the_page_of_an_import_draws_itself_and_lets_a_reader_choose_a_trial(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(make_page([read_source(folder)]))
    with open_browser() as browser, open_page(browser, file, WIDE) as (page, complaints):
        assert page.get_by_role("heading", name="Trained elsewhere").is_visible()
        chosen: Any = page.locator("select[name=trial]")
        chosen.select_option(index=1)
        words = page.locator(".trial").first.inner_text()
        assert "Its course is below." in words
        assert "ganbench" not in words
        assert complaints == []
