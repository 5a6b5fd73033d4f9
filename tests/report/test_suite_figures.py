"""The figures that a suite declares show its numbers, uncut, with one legend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ganbench.api.records import MeasuredProfile
from ganbench.report.plots import list_absent
from ganbench.report.style import LOOKS
from ganbench.report.suite_figures import plan_suite_figures
from ganbench.results.frames import Frames

from tests.support.figures import assert_uncut, lay_out
from tests.support.trials_by_hand import record, results, scores, trial

SUITE = """
question = "why?"
methods = ["a", "b"]
budget = { generator_steps = 100 }
dataset = [{ name = "ring" }]

[[figure]]
name = "courses"
title = "A title that is long enough to need two lines of the figure, because it says what one sees"
values = ["fid", "is"]
marks = [3.0]

[[figure]]
name = "layers"
values = ["by-layer"]
x = "position"
x_label = "layer"

[[figure]]
name = "weights"
kind = "histogram"
values = ["by-layer"]
x = "position"
panel = "method"

[[figure]]
name = "surfaces"
kind = "surface"
values = ["surface"]
x = "position"

[[figure]]
name = "methods"
values = ["fid"]
x = "methods"
methods = ["a", "b"]

[[figure]]
name = "nothing"
values = ["w1"]
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    records = []
    lattice = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5)), -1).reshape(-1, 2)
    for method in "ab":
        for seed in range(3):
            both = [*scores("fid", [9.0, 3.0 + seed]), *scores("is", [1.0, 2.0], "higher")]
            layers = MeasuredProfile(step=100, name="by-layer", measurement="m", x=(1, 2, 3), y=(), values=(1, 10, 100))
            x, y = (tuple(map(float, column)) for column in lattice.T)
            heights = tuple(float(a * b) for a, b in lattice)
            surface = MeasuredProfile(step=100, name="surface", measurement="m", x=x, y=y, values=heights)
            records.append(record(trial(method, seed=seed), scores=tuple(both), profiles=(layers, surface)))
    return replace(results(tmp_path_factory.mktemp("figures"), records), suite=SUITE)


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_every_text_is_whole(frames: Frames, look: object) -> None:
    plots = [plot for plot in plan_suite_figures(frames) if not plot.absent]
    assert [plot.title for plot in plots] == ["courses", "layers", "weights", "surfaces", "methods"]
    for plot in plots:
        assert_uncut(lay_out(plot, look), look)  # type: ignore[arg-type]


def test_lines_are_the_medians(frames: Frames) -> None:
    plot = next(iter(plan_suite_figures(frames)))
    axes = lay_out(plot, LOOKS["screen"]).axes[0]
    line = axes.get_lines()[0]
    assert line.get_ydata().tolist() == [9.0, 4.0]  # type: ignore[union-attr]


def test_a_figure_without_numbers_says_so(frames: Frames) -> None:
    assert list_absent(plan_suite_figures(frames)) == ["nothing: not drawn: none of its values is stored"]


def test_the_command_writes_pictures_and_their_data(frames: Frames, tmp_path: Path) -> None:
    from ganbench.cli.pictures import write_data
    from ganbench.report.suite_figures import list_figures

    tables = {figure.name: data for figure, data in list_figures(frames)}
    written = list(write_data(tables, tmp_path))
    assert [path.stem for path in written] == ["courses", "layers", "weights", "surfaces", "methods", "nothing"]
    assert "by-layer" in written[1].read_text()


def test_between_two_names_there_is_no_line(frames: Frames) -> None:
    """Final FIDs of 3, 4 and 5: a dot at 4 for each method, and bars from 3.5 to 4.5."""
    (plot,) = (plot for plot in plan_suite_figures(frames) if plot.title == "methods")
    (axes,) = lay_out(plot, LOOKS["screen"]).axes
    (dots,) = axes.lines
    assert (dots.get_linestyle(), list(dots.get_xdata()), list(dots.get_ydata())) == ("None", [0, 1], [4, 4])
    (bars,) = axes.collections
    np.testing.assert_allclose(bars.get_segments(), [[[0, 3.5], [0, 4.5]], [[1, 3.5], [1, 4.5]]])
    low, high = axes.get_ylim()
    assert low < 3.5 < 4.5 < high
