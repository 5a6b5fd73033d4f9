"""Tables of success by a factor of the architecture, from Python and from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.report import make_factor_tables, render
from ganbench.results.frames import Frames
from ganbench.results.store import Store

from tests.support.terminal import ganbench
from tests.support.trials_by_hand import SUITE, Success, record, trial

RULE = """
[[success]]
dataset = "ring"
metric = "fid"
thresholds = [10]
"""


def store(folder: Path, architectures: int = 12, suite: str = SUITE + RULE) -> Frames:
    """Store results in which a succeeds on even widths, and b never; the width of an architecture is its number."""
    records = [
        record(
            trial(method, i),
            [1.0 if method == "a" and i % 2 == 0 else 99.0, 1.0 if method == "a" and i % 2 == 0 else 99.0],
        )
        for method in "ab"
        for i in range(architectures)
    ]
    with Store(folder) as open_store:
        open_store.begin_run(suite, [each.trial for each in records], {})
        open_store.append(records)
        return open_store.frames()


def test_each_rule_has_a_table_of_rates_and_one_of_odds_ratios_by_the_factor(tmp_path: Path) -> None:
    rates, odds = make_factor_tables(store(tmp_path), [Success()], "width")
    assert rates.title == "Success on ring by width: final FID below threshold, at 10"
    assert odds.title == "Odds of success on ring by width: final FID below threshold, at 10"
    text = render([rates, odds], "md")
    assert "| method | width | successes | n | units | success rate |" in text
    levels = ("0 to 2", "3 to 5", "6 to 8", "9 to 11")
    assert [tuple(row[:4]) for row in rates.cells(str)] == [
        *(("a", level, str(count), "3") for level, count in zip(levels, (2, 1, 2, 1), strict=True)),
        *(("b", level, "0", "3") for level in levels),
    ]
    assert "| b | 3 to 5 | 0 to 2 |  |  | no trial succeeds |" in text


@pytest.mark.parametrize(
    ("factor", "words", "suite"),
    [
        ("widht", ["no factor 'widht'. Did you mean 'width'?"], SUITE + RULE),
        ("width", ["--by groups success", "Add [[success]]"], SUITE),
    ],
)
def test_a_factor_that_cannot_be_used_is_an_error_with_the_way_out(
    tmp_path: Path, factor: str, words: list[str], suite: str
) -> None:
    store(tmp_path, suite=suite)
    answer = ganbench("table", ".", "--by", factor, cwd=tmp_path)
    assert answer.returncode == 2
    assert all(word in answer.stderr for word in words)


def test_a_factor_that_does_not_vary_has_nothing_to_group(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match="--by width: there is nothing to group"):
        make_factor_tables(store(tmp_path, architectures=1), [Success()], "width")


def test_the_command_prints_them_in_every_format_and_not_beside_another_kind(tmp_path: Path) -> None:
    store(tmp_path)
    printed = ganbench("table", ".", "--by", "width", "--format", "csv", cwd=tmp_path)
    assert printed.returncode == 0
    assert "a,0 to 2,2,3,3," in printed.stdout
    both = ganbench("table", ".", "--by", "width", "--sensitivity", cwd=tmp_path)
    assert (both.returncode, "Ask for one at a time" in both.stderr) == (2, True)
