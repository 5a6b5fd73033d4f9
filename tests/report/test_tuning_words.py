"""A verdict and a terminal say in a few words what was chosen, and on which seeds it is good."""

from __future__ import annotations

import io
from pathlib import Path

from ganbench.report.terminal import print_tuning
from ganbench.report.tuning_words import describe_tuning, summarize_tuning
from ganbench.report.verdict import make_verdicts
from ganbench.results.frames import Frames
from ganbench.suite.loading import restore
from rich.console import Console

from tests.support.trials_by_hand import record, results, trial
from tests.support.tuned_results import RATES, SUITE, TUNED, TUNING, make_sweep, make_tuned, write_suite


def draw(frames: Frames) -> str:
    console = Console(width=300, file=io.StringIO())
    print_tuning(console, frames)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_verdict_says_from_how_many_each_method_was_chosen(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    sentence = "Each method is the best of 4 configurations, chosen by final FID on other seeds."
    assert list(describe_tuning(frames, "ring")) == [sentence]
    assert sentence in make_verdicts(frames, restore(SUITE).success)[0].sentences


def test_a_verdict_says_that_budgets_were_unequal(tmp_path: Path) -> None:
    text = 'methods = ["fixed"]\n' + write_suite({"a": f'{{ "optimizer.lr" = {RATES} }}'}, TUNING + 'unequal = "x"\n')
    frames = make_tuned(tmp_path, {"a": TUNED["a"]}, {"fixed": [1, 1, 1], "a": [3, 4, 5]}, {"a": 1}, text)
    (sentence,) = describe_tuning(frames, "ring")
    assert "unequal numbers of configurations to choose from (fixed 1 and a 4)" in sentence


def test_a_line_for_each_method_has_its_settings_and_both_scores(tmp_path: Path) -> None:
    ((heading, lines),) = summarize_tuning(make_tuned(tmp_path))
    assert heading == "Tuning on ring, by final FID on seeds 0 and 1"
    assert lines == [
        "a: best of 4 with optimizer.lr = 0.001; 2 there, 4 [1.52, 6.48] on fresh seeds",
        "b: best of 4 with optimizer.lr = 0.1; 3 there, inf on fresh seeds",
        "b: the best is the largest optimizer.lr tried: 0.1",
    ]


def test_a_plain_sweep_is_too_optimistic_and_has_no_sentence_in_a_verdict(tmp_path: Path) -> None:
    frames = make_sweep(tmp_path / "sweep")
    assert "2 there, which is too optimistic" in draw(frames)
    assert list(describe_tuning(frames, "ring")) == []
    assert "2 there, not reported yet" in draw(make_sweep(tmp_path / "tuned", text=SUITE))


def test_hostile_settings_are_only_text_on_a_terminal(tmp_path: Path) -> None:
    text = write_suite({"a": '{ "loss" = ["[red]x[/red]\\u001b[31m", "y"] }'})
    shown = draw(make_tuned(tmp_path, {"a": [[1, 1], [2, 2]]}, {"a": [3, 4, 5]}, {"a": 0}, text))
    assert "[red]x[/red]" in shown
    assert "\x1b" not in shown


def test_without_anything_varied_nothing_is_said(tmp_path: Path) -> None:
    assert draw(results(tmp_path, [record(trial("a", i), [5.0]) for i in range(3)])) == ""
