"""Runs from rows: their values, how they ended by the rule of docs/how_to/import_runs.md, and wrong rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.imports.rows import read_rows
from ganbench.imports.runs import Cell, End, Point, Runs, collect_runs, parse_factor
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.imported_runs import HEADER, write_csv


def collect(folder: Path, *rows: str, more: str = "") -> Runs:
    """Return the runs of these rows; `more` are further columns."""
    return collect_runs(read_rows(write_csv(folder / "r.csv", rows, HEADER + more)))


def end_of(folder: Path, *rows: str, more: str = "") -> End:
    """Return how the only run of these rows ended; each begins with the metric."""
    (run,) = collect(folder, *(f"a,net,0,ring,{row}" for row in rows), more=more).runs.values()
    return run.end


def test_rows_of_a_run_may_stand_anywhere(tmp_path: Path) -> None:
    found = collect(tmp_path, "a,net,0,ring,fid,20,1.5", "b,net,0,ring,fid,20,2", "a,net,0,ring,fid,10,1e1")
    assert list(found.runs) == [Cell("ring", "net", "a", 0), Cell("ring", "net", "b", 0)]
    assert found.runs[Cell("ring", "net", "a", 0)].values == {Point("fid", 20): 1.5, Point("fid", 10): 10.0}


@pytest.mark.parametrize("text", ["", "nan", "NaN", "NA", "null", "None", "inf", "-inf", "1e999"])
def test_a_run_diverged_from_the_first_step_on_without_a_finite_value_to_its_end(tmp_path: Path, text: str) -> None:
    assert end_of(tmp_path, "fid,10,3", f"fid,20,{text}", f"fid,30,{text}") == End("diverged", 30, 20)


def test_a_gap_in_between_is_no_divergence(tmp_path: Path) -> None:
    assert end_of(tmp_path, "fid,10,3", "fid,20,", "fid,30,4") == End("completed", 30, -1)


def test_a_metric_that_is_undefined_beside_a_finite_one_is_no_divergence(tmp_path: Path) -> None:
    assert end_of(tmp_path, "fid,10,", "kid,10,1", "fid,20,", "kid,20,1") == End("completed", 20, -1)
    assert end_of(tmp_path, "fid,10,1", "kid,10,1", "fid,20,", "kid,20,") == End("diverged", 20, 20)


def test_a_declared_status_counts_more_than_the_values(tmp_path: Path) -> None:
    more = ",status"
    assert end_of(tmp_path, "fid,10,3,completed", "fid,20,,completed", more=more) == End("completed", 20, -1)
    assert end_of(tmp_path, "fid,10,3,diverged", "fid,20,4,diverged", more=more) == End("diverged", 20, 20)
    assert end_of(tmp_path, "fid,10,3,failed", more=more) == End("failed", 10, -1)
    assert end_of(tmp_path, ",700,,failed", more=more) == End("failed", 700, -1)
    assert end_of(tmp_path, ",,,timed-out", more=more) == End("timed-out", 1, -1)
    assert end_of(tmp_path, "fid,10,3,", "fid,20,,", more=more) == End("diverged", 20, 20), "nothing is declared"


def test_seeds_and_steps_as_pandas_writes_them_are_whole_numbers(tmp_path: Path) -> None:
    found = collect(tmp_path, "a,net,3.0,ring,fid,100.0,2")
    assert found.runs[Cell("ring", "net", "a", 3)].values == {Point("fid", 100): 2.0}


def test_factors_of_an_architecture_have_types(tmp_path: Path) -> None:
    more = ",architecture.depth,architecture.norm,architecture.slope,architecture.tied"
    found = collect(tmp_path, "a,net,0,ring,fid,1,2,3,batch,0.2,true", "a,flat,0,ring,fid,1,2,,,,", more=more)
    assert found.factors == {"net": {"depth": 3, "norm": "batch", "slope": 0.2, "tied": True}}
    assert [parse_factor(text) for text in ("1_0", "inf", "007")] == ["1_0", "inf", 7]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,net,0,ring,fid,10,3,5", "value is '3,5'"),
        ("a,net,0,ring,fid,10,abc", "value is 'abc': it is no number"),
        ("a,net,0,ring,fid,10,1_0", "value is '1_0': it is no number"),
        ("a,net,0.5,ring,fid,10,1", "seed is '0.5': a seed is a whole number from 0"),
        ("a,net,,ring,fid,10,1", "seed is ''"),
        ("a,net,-1,ring,fid,10,1", "seed is '-1'"),
        ("a,net,0,ring,fid,ten,1", "step is 'ten': a generator step is a whole number"),
        ("a,net,0,ring,fid,9999999999999,1", "step is '9999999999999'"),
        ("a,net,0,ring,fid,5,7", "a on ring, net, seed 0: fid at step 5 stands in line 2 already"),
        (",net,0,ring,fid,10,1", "method is ''"),
        ("a,net,0,ring,,10,1", "metric is empty"),
        (f"a,net,0,{'x' * 101},fid,10,1", "a name is 1 to 100 printable characters"),
        ("a,net\u202e,0,ring,fid,10,1", "architecture is "),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, row: str, words: str) -> None:
    cells = row.split(",")
    row = ",".join([*cells[:6], '"' + ",".join(cells[6:]) + '"'])
    with pytest.raises(GanbenchError, match=r"^r\.csv:3: ") as error:
        collect(tmp_path, "a,net,0,ring,fid,5,7", row)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        (["a,net,0,ring,fid,1,2,compleated"], ",status", "r.csv:2: status is 'compleated'. Did you mean 'completed'?"),
        (
            ["a,net,0,ring,fid,1,2,failed", "a,net,0,ring,fid,2,2,"],
            ",status",
            "r.csv:3: status '', but 'failed' in line 2 of the same run",
        ),
        (["a,net,0,ring,,1,2,failed"], ",status", "r.csv:2: metric is empty"),
        (["a,net,0,ring,fid,1,2,maybe"], ",fresh", "r.csv:2: fresh is 'maybe'. Write true or false."),
        (
            ["a,net,0,ring,fid,1,2,3", "b,net,0,ring,fid,1,2,4"],
            ",architecture.depth",
            "r.csv:3: architecture.depth of 'net' is '4', and '3' in line 2",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_refused(tmp_path: Path, rows: list[str], more: str, words: str) -> None:
    with pytest.raises(GanbenchError) as error:
        collect(tmp_path, *rows, more=more)
    assert str(error.value).startswith(words)


def test_thousands_of_metrics_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=r"has 1,001 different names, such as '0\.0', but at most 1,000"):
        collect(tmp_path, *(f"a,net,0,ring,{number / 7},1,2" for number in range(1001)))


def test_a_value_of_fresh_samples_is_apart_from_the_series(tmp_path: Path) -> None:
    (run,) = collect(tmp_path, "a,net,0,ring,fid,1,2,False", "a,net,0,ring,fid,1,3,True", more=",fresh").runs.values()
    assert run.values == {Point("fid", 1): 2.0, Point("fid", 1, True): 3.0}


values = st.one_of(st.floats(), st.just(""))
points = st.dictionaries(st.tuples(st.sampled_from(["fid", "kid"]), st.integers(0, 99)), values, min_size=1)


@settings(max_examples=80, deadline=None)
@given(points)
def test_any_values_become_one_run_with_an_end(tmp_path_factory: pytest.TempPathFactory, drawn: object) -> None:
    assert isinstance(drawn, dict)
    rows = [f"a,net,0,ring,{metric},{step},{value}" for (metric, step), value in drawn.items()]
    (run,) = collect(tmp_path_factory.mktemp("runs"), *rows).runs.values()
    numbers = {key: math.nan if value == "" else value for key, value in drawn.items()}
    assert {(point.metric, point.step): repr(value) for point, value in run.values.items()} == {
        key: repr(float(value)) for key, value in numbers.items()
    }
    last = max(step for _, step in drawn)
    alive = any(math.isfinite(value) for (_, step), value in numbers.items() if step == last)
    assert (run.end.status, run.end.last) == ("completed" if alive else "diverged", max(1, last))
    if not alive:
        later = [value for (_, step), value in numbers.items() if step >= run.end.diverged_at]
        before = [value for (_, step), value in numbers.items() if step < run.end.diverged_at]
        assert not any(map(math.isfinite, later))
        assert not before or any(map(math.isfinite, before))


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from('a1.,-"\n\r;\te\x00é '), max_size=200))
def test_no_text_is_answered_with_anything_but_runs_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "r.csv"
    path.write_text(f"{HEADER},status,fresh\na,net,0,ring,fid,1,2,,\n{text}", encoding="utf-8", newline="")
    try:
        found = collect_runs(read_rows(path))
    except GanbenchError as error:
        words = str(error)
    else:
        words = "" if found.runs else "nothing"
    assert not words or "r.csv" in words
