"""The figure of scores over time has a panel of steps, and one of seconds where the methods were timed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from ganbench.report.style import LOOKS, render
from ganbench.report.time_figures import list_time_data, plan_time_figures
from matplotlib.figure import Figure

from tests.statistics.test_paces import timed, training
from tests.support.trials_by_hand import record, results, trial

FACT = {"device": "cpu", "trainings": [training("a", [2.0, 3.0]), training("b", [5.0, 10.0])]}


def draw(plot, look: str = "screen") -> Figure:
    """Return the figure that a plot draws, laid out."""
    figures: list[Figure] = []

    def draw_and_keep(figure: Figure) -> None:
        plot.draw(LOOKS[look], figure)
        figures.append(figure)

    assert render(draw_and_keep, "png", LOOKS[look], plot.height(LOOKS[look]))
    return figures[0]


def test_both_panels_show_the_medians_of_the_statistics(tmp_path: Path) -> None:
    frames = timed(tmp_path, FACT)
    (plot,), (data,) = plan_time_figures(frames), list_time_data(frames).values()
    steps, seconds = draw(plot).axes
    for axes, column in ((steps, "step"), (seconds, "seconds")):
        for line, (_, rows) in zip(axes.lines, data.groupby("method", sort=False), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), rows[column])
            np.testing.assert_array_equal(line.get_ydata(), rows["median"])
        assert axes.get_xlim()[0] == 0.0
    assert steps.get_xlabel() == "generator step"
    label = seconds.get_xlabel().replace("\n", " ")
    assert label == "seconds of training alone on one thread, without evaluation (mlp-0)"
    assert steps.get_ylabel() == "FID (lower is better)"


def test_without_timing_there_is_the_panel_of_steps_alone(tmp_path: Path) -> None:
    (plot,) = plan_time_figures(timed(tmp_path, None))
    (axes,) = draw(plot).axes
    assert axes.get_xlabel() == "generator step"


def test_scores_at_one_step_have_no_figure(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial("a", i), [5.0]) for i in range(3)])
    assert list(plan_time_figures(frames)) == []


def test_many_methods_share_the_axes_of_several_figures(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(f"m{i}"), [9.0, float(i)]) for i in range(11)])
    first, second = plan_time_figures(frames)
    assert [first.title, second.title] == ["ring scores over time 1", "ring scores over time 2"]
    assert draw(first).axes[0].get_ylim() == draw(second).axes[0].get_ylim()
    assert len(draw(first).legends[0].texts) + len(draw(second).legends[0].texts) == 11


def test_in_a_paper_the_panels_stand_below_each_other(tmp_path: Path) -> None:
    (plot,) = plan_time_figures(timed(tmp_path, FACT))
    above, below = (axes.get_position() for axes in draw(plot, "paper").axes)
    assert below.y1 < above.y0


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    frames = timed(tmp_path, FACT)
    screen = LOOKS["screen"]
    first, second = (
        render(partial(plot.draw, screen), "svg", screen, plot.height(screen))
        for _ in range(2)
        for plot in plan_time_figures(frames)
    )
    assert first == second
