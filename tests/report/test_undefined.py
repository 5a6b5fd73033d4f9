"""A metric that is NaN for a trial that completed is undefined, and never diverged, wherever results are shown.

The reverse KL has no value without a sample of high quality: so little training finds none, and its trials complete.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
import pytest
from ganbench.progress.live import LiveDisplay
from ganbench.progress.watch import read_status
from ganbench.report import make_tables, render
from ganbench.report.colours import method_styles
from ganbench.report.score_figure import draw_scores
from ganbench.report.style import SCREEN
from ganbench.results.frames import Frames
from ganbench.statistics.final_scores import rule_scores
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.score_summary import summary_table
from ganbench.statistics.sensitivity import sensitivity_table
from ganbench.statistics.success_rates import rate_table, success_table
from ganbench.suite.loading import restore
from matplotlib.figure import Figure
from rich.console import Console

from tests.support.tiny_suite import suite as small

PAIR = ("ns-gan", "blown")
SUITE = small(
    methods=["ns-gan"],
    method=[{"name": "blown", "from": "wgan-gp", "optimizer": {"name": "sgd", "lr": 1e30}}],
    measurement={"samples": 20},
    dataset=[{"name": "ring", "metrics": [{"name": "modes", "sigmas": 1.0}]}],
    success=[{"dataset": "ring", "metric": "reverse-kl", "thresholds": [0.5], "primary": 0.5, "compare": [PAIR]}],
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Frames, Path, LiveDisplay, str]:
    """Three undefined trials and three diverged ones: their frames and folder, and the display of the run."""
    folder, output = tmp_path_factory.mktemp("undefined"), io.StringIO()
    display = LiveDisplay(Console(file=output, width=200))
    planned: list[Any] = []

    def watch(session: Any, event: Any) -> None:
        if not planned:
            display.on_plan(session)
            planned.append(session)
        display.on_event(session, event)

    frames = ganbench.run(SUITE, results=folder, jobs=0, watch=watch)
    return frames, folder, display, output.getvalue()


def test_the_trials_complete_without_a_value(shown: Any) -> None:
    frames = shown[0]
    assert frames.trials.groupby("method")["status"].unique().map(list).to_dict() == {
        "ns-gan": ["completed"],
        "blown": ["diverged"],
    }
    assert np.isnan(frames.scores.loc[frames.scores["name"] == "reverse-kl", "value"]).all()


def test_counts_and_rates_tell_undefined_from_diverged(shown: Any) -> None:
    frames = shown[0]
    counts = count_outcomes(frames).set_index("method")[["completed", "diverged", "failed"]]
    assert counts.to_numpy().tolist() == [[3, 0, 0], [0, 3, 0]]
    summary = summary_table(frames)
    summary = summary[summary["metric"] == "reverse-kl"].set_index("method")
    assert summary[["n", "finite", "diverged", "undefined"]].to_numpy().tolist() == [[3, 0, 0, 3], [3, 0, 3, 0]]
    (rule,) = restore(frames.suite).success
    assert rate_table(frames, rule)[["successes", "n"]].to_numpy().tolist() == [[0, 3], [0, 3]]
    assert success_table(frames, rule, PAIR)[["neither", "n"]].to_numpy().tolist() == [[3, 3]]
    verdicts = sensitivity_table(frames, rule, PAIR, rules=[rule])
    assert set(verdicts["verdict"]) <= {"none", "unknown"}


@pytest.mark.parametrize("format", ["md", "csv"])
def test_tables_have_undefined_as_a_count_and_in_place_of_a_score(shown: Any, format: str) -> None:
    (table,) = (each for each in make_tables(shown[0]) if each.title == "Scores on ring")
    text = render([table], format)
    separator = "|" if format == "md" else ","
    metric = "reverse-KL" if format == "md" else "reverse-kl"
    header = next(line for line in text.splitlines() if "undefined" in line and "direction" in line)
    columns = [cell.strip() for cell in header.strip("| ").split(separator)]
    for method, diverged, undefined in (("ns-gan", "0", "3"), ("blown", "3", "0")):
        line = next(line for line in text.splitlines() if method in line and metric in line)
        cells = dict(zip(columns, (cell.strip() for cell in line.strip("|\n").split(separator)), strict=True))
        assert (cells["diverged"], cells["undefined"]) == (diverged, undefined)
        assert cells["final"] == "inf", "the worst"


def test_displays_and_watchers_count_what_diverged_only(shown: Any) -> None:
    _, folder, display, text = shown
    for status in (display.status, read_status(folder)):
        assert (status.done, status.trials) == (6, 6)
        assert status.describe_shortfalls() == "3 diverged"
        assert dict(status.totals) == {"ns-gan": 3, "blown": 3}
        assert status.successes.total() == 0
    assert "failed:" not in text


def test_a_figure_counts_both_in_the_grey_band(shown: Any) -> None:
    frames, figure = shown[0], Figure()
    (rule,) = restore(frames.suite).success
    draw_scores(rule, "reverse-kl", rule_scores(frames, rule), method_styles(frames), SCREEN, figure)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["3 of 3", "3 of 3"]
    assert figure.get_suptitle().endswith("in grey, counted: diverged, failed, timed out or undefined")
