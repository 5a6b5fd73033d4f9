"""The figures of tuned methods draw the numbers of the statistics, mark the dead, and are cut nowhere."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ganbench.report.colours import swept_styles
from ganbench.report.landscape_figure import is_logarithmic, place_numbers
from ganbench.report.plots import Plot, list_pictures
from ganbench.report.style import LOOKS, SCREEN, render
from ganbench.report.tuning_figures import list_tuning_data, plan_tuning_figures
from ganbench.results.frames import Frames
from ganbench.statistics.tunings import read_tunings
from matplotlib.colors import to_hex

from tests.support.figures import assert_uncut, lay_out
from tests.support.trials_by_hand import record, results, trial
from tests.support.tuned_results import DEAD, make_sweep, make_tuned, write_suite

GRID = '{ "optimizer.lr" = [0.0001, 0.001], "optimizer.beta1" = [0, 0.5, 0.9] }'
DRAWN = '{ "optimizer.lr" = { log-uniform = [1e-5, 1e-1] }, "optimizer.beta1" = { uniform = [0, 1] } }'


def plot_of(frames: Frames, title: str) -> Plot:
    return next(plot for plot in plan_tuning_figures(frames) if plot.title == title)


def sweep_grid(folder: Path, vary: str = GRID, dead: int = 3) -> Frames:
    fids = [[DEAD if i == dead else float(i + 1), float(i + 2)] for i in range(6)]
    laws = "[tuning]\nconfigurations = 6\n" if "uniform" in vary else ""
    return make_sweep(folder, {"a": fids}, write_suite({"a": vary}, tuning=laws))


def test_the_lines_are_the_expected_best_and_dashed_beyond_half(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    (tuning,) = read_tunings(frames)
    expected = tuning.best_of[tuning.best_of["method"] == "b"]["expected"].tolist()
    figure = lay_out(plot_of(frames, "best of ring"), SCREEN)
    colour = swept_styles(frames)["b"]["color"]
    lines = [line for line in figure.axes[0].lines if to_hex(line.get_color()) == colour]
    assert [(line.get_linestyle(), list(line.get_xdata())) for line in lines] == [("-", [1, 2]), ("--", [2, 3, 4])]
    assert [*lines[0].get_ydata(), *lines[1].get_ydata()] == [*expected[:2], *expected[1:]]
    assert figure.axes[0].get_ylabel() == "final FID (lower is better)"


def test_where_too_many_are_dead_a_cross_stands_at_the_worse_end(tmp_path: Path) -> None:
    figure = lay_out(plot_of(make_tuned(tmp_path), "best of ring"), SCREEN)
    (cross,) = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert (list(cross.get_xdata()), list(cross.get_ydata())) == ([1], [figure.axes[0].get_ylim()[1]])
    assert "x: infinite" in figure.get_suptitle()


def test_a_method_keeps_its_colour_whether_it_is_tuned_or_swept(tmp_path: Path) -> None:
    tuned, swept = make_tuned(tmp_path / "tuned"), make_sweep(tmp_path / "swept")
    assert swept_styles(tuned) == swept_styles(swept)
    assert list(swept_styles(swept)) == ["a", "b"]


def test_one_option_is_drawn_as_points_with_the_dead_at_the_edge(tmp_path: Path) -> None:
    figure = lay_out(plot_of(make_tuned(tmp_path), "landscape ring a"), SCREEN)
    (axes,) = figure.axes
    points, dead, means, best = axes.lines
    assert axes.get_xscale() == "log"
    assert sorted(zip(points.get_xdata(), points.get_ydata(), strict=True)) == [
        *[(0.0001, 4), (0.0001, 6), (0.001, 1), (0.001, 3), (0.01, 8), (0.1, 9), (0.1, 9)]
    ]
    assert (list(dead.get_xdata()), list(dead.get_ydata())) == ([0.01], [axes.get_ylim()[1]])
    assert list(means.get_ydata()) == [5, 2, 8, 9]
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([0.001], [2])
    assert "the chosen one; x: a trial is dead" in figure.get_suptitle().replace("\n", " ")


def test_a_grid_is_a_heat_map_in_which_the_best_is_framed(tmp_path: Path) -> None:
    figure = lay_out(plot_of(sweep_grid(tmp_path), "landscape ring a"), SCREEN)
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array().filled(-1), [[1.5, 2.5, 3.5], [-1, 5.5, 6.5]])
    assert [text.get_text() for text in axes.texts] == ["1.5", "2.5", "3.5", "5.5", "6.5"]
    assert [list(line.get_xdata()) + list(line.get_ydata()) for line in axes.lines] == [[0, 1]]
    (frame,) = axes.patches
    assert frame.get_xy() == (-0.5, -0.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1e-4", "0.001"]
    assert axes.images[0].cmap.name == "cividis_r", "brighter is better, and a lower FID is better"


def test_sampled_options_are_parallel_axes_with_a_line_for_each_configuration(tmp_path: Path) -> None:
    frames = sweep_grid(tmp_path, DRAWN)
    figure = lay_out(plot_of(frames, "landscape ring a"), SCREEN)
    (axes,) = figure.axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 6
    assert [line.get_linestyle() for line in lines].count(":") == 1, "the dead one"
    assert lines[-1].get_linewidth() == 3, "the best one is drawn last, and bold"
    assert lines[-1].get_ydata()[-1] == 0
    rows = read_tunings(frames)[0].scores
    rate = np.log(rows["optimizer.lr"].to_numpy(float))
    assert lines[-1].get_ydata()[0] == pytest.approx((rate[0] - rate.min()) / np.ptp(rate))


def test_a_logarithmic_axis_is_for_values_that_are_even_on_it() -> None:
    assert is_logarithmic([1e-4, 1e-3, 1e-2])
    assert is_logarithmic([0.1, 1])
    assert not is_logarithmic([1, 2, 3, 4, 5, 6])
    assert not is_logarithmic([0, 1e-3, 1e-2])
    assert not is_logarithmic([1, 2, 4])
    np.testing.assert_allclose(place_numbers(np.array([1, 10, np.nan, 100])), [0, 0.5, np.nan, 1])
    np.testing.assert_array_equal(place_numbers(np.array([3.0, 3.0])), [0.5, 0.5])


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("vary", [GRID, DRAWN, '{ "loss" = ["x", "<b>", "$c$", "d", "e", "a_long_name_of_a_loss"] }'])
def test_no_text_is_cut(look: str, vary: str, tmp_path: Path) -> None:
    for plot in plan_tuning_figures(sweep_grid(tmp_path, vary)):
        assert not plot.absent
        assert_uncut(lay_out(plot, LOOKS[look]), LOOKS[look])


def test_what_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    text = write_suite({"a": '{ "optimizer.lr" = [0.1] }'}, tuning="")
    absent = {
        plot.title: plot.absent for plot in plan_tuning_figures(make_sweep(tmp_path / "1", {"a": [[1, 2]]}, text))
    }
    assert absent["landscape ring a"] == "it has one configuration"
    dead = make_sweep(tmp_path / "2", {name: [[DEAD, DEAD]] * 4 for name in "ab"})
    reasons = {plot.title: plot.absent for plot in plan_tuning_figures(dead)}
    assert reasons["best of ring"] == "no number of tries has a finite score"
    assert reasons["landscape ring a"] == "no trial has a finite score"


def test_the_data_stand_beside_the_figures(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    data = list_tuning_data(frames)
    assert list(data) == ["best of ring", "landscape ring a", "landscape ring b"]
    assert data["landscape ring a"]["label"].iloc[1] == "a lr=0.001"
    assert data["landscape ring a"]["score"].tolist() == [5, 2, math.inf, 9]
    pictures = [name for name, _ in list_pictures(plan_tuning_figures(frames))]
    assert pictures == ["best-of-ring.png", "landscape-ring-a.png", "landscape-ring-b.png"]


def test_a_suite_that_varies_nothing_has_no_such_figure(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial("a", i), [5.0]) for i in range(3)])
    assert list(plan_tuning_figures(frames)) == []
    assert list_tuning_data(frames) == {}


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    first, second = (
        [render(partial(plot.draw, SCREEN), "svg", SCREEN, plot.height(SCREEN)) for plot in plan_tuning_figures(frames)]
        for _ in range(2)
    )
    assert first == second
