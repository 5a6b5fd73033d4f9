"""Figures of courses show the stored numbers, where they end, and where outcomes began."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganbench.cli import main
from ganbench.report.colours import method_colours
from ganbench.report.course_figures import GAP, plan_courses, plan_trial
from ganbench.report.plots import Plot, list_absent
from ganbench.report.style import LOOKS, SCREEN
from ganbench.results.frames import Frames
from ganbench.statistics.trajectories import trajectory_quartiles

from tests.support.figures import assert_uncut, lay_out
from tests.support.trials_by_hand import record, results, scores, trial, with_fresh_best

EVIL = "<script>alert(1)</script>$x$" + "W" * 30
STEPS = list(range(1, 101))
CALM = {"loss.critic": (STEPS, [1.0 + 0.01 * step for step in STEPS]), "weights.critic": (STEPS, [0.1] * 100)}
WILD = {
    "loss.critic": (STEPS, [1.0] * 40 + [math.nan] * 20 + [5.0] * 10 + [math.inf] * 30),
    "gradient.generator": (STEPS, [10.0 ** (step % 9) for step in STEPS]),
    "objective.k": (STEPS, [0.5] * 100),
    "term.penalty": (STEPS, [math.nan] * 100),
}


def make_record(method: str, architecture: int, fid: list[float], **fields: Any):
    """Return a record whose scores also have a spread."""
    measured = (*with_fresh_best(scores("fid", fid)), *scores("spread", [0.9, 0.01], "neutral"))
    return record(trial(method, architecture), scores=measured, **fields)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """Calm trials of two methods, and wild ones of one; the last trial left nothing."""
    records = [make_record(m, i, [40.0 + i, 20.0 + i], signals=CALM) for m in ("a", EVIL) for i in range(5)]
    records += [make_record("b", i, [30.0, math.nan], signals=WILD, diverged_at=240) for i in range(3)]
    records += [record(trial("b", 3), status="failed", error="Traceback\nValueError: boom")]
    return results(tmp_path_factory.mktemp("courses"), records)


def find_key(frames: Frames, method: str, place: int = 0) -> str:
    """Return the key of one trial of a method."""
    return str(frames.trials.loc[frames.trials["method"] == method, "key"].iloc[place])


def test_a_panel_shows_the_medians_and_quartiles_of_every_method(frames: Frames) -> None:
    (plot,) = plan_courses(frames)
    figure = lay_out(plot, SCREEN)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    assert titles == ["FID (lower is better)", "spread", "loss.critic", "gradient.generator", "weights.critic"]
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "loss.critic")
    expected = trajectory_quartiles(frames, "ring", "loss.critic", "signals")
    colours = method_colours(frames)
    for method, rows in expected.groupby("method"):
        line = next(line for line in axes.lines if line.get_color() == colours[str(method)])
        np.testing.assert_array_equal(line.get_xdata(), rows["step"])
        np.testing.assert_allclose(line.get_ydata(), rows["median"])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name[:8] for name in names] == ["a", "b", EVIL[:8], GAP[:8]]


def test_a_trial_shows_its_numbers_with_a_gap_and_a_cross_where_they_are_not_finite(frames: Frames) -> None:
    figure = lay_out(plan_trial(frames, find_key(frames, "b")), SCREEN)
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "loss.critic")
    line, crosses = axes.lines[0], next(line for line in axes.lines if line.get_marker() == "x")
    np.testing.assert_array_equal(
        line.get_ydata(), [v if math.isfinite(v) else math.nan for v in WILD["loss.critic"][1]]
    )
    assert list(crosses.get_xdata()) == [41, 71], "each gap begins with a cross"
    assert GAP in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_trial_shows_where_outcomes_began_and_where_its_best_snapshot_is(frames: Frames) -> None:
    """600 optimizer steps over 100 generator steps: optimizer step 240 is generator step 40."""
    figure = lay_out(plan_trial(frames, find_key(frames, "b")), SCREEN)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    began = ["non-finite: step 40", "exploded: step 71", "degraded: step 100"]
    assert names == [*began, "best snapshot: step 50", GAP]
    upright = {float(line.get_xdata()[0]) for line in figure.axes[0].lines if list(line.get_ydata()) == [0, 1]}
    assert upright == {40.0, 50.0, 71.0, 100.0}
    assert figure.get_suptitle().startswith("b on ring, mlp-0, seed 0: diverged (trial ")


def test_states_of_plugins_are_drawn_if_asked_for_and_values_that_were_never_finite_are_not(frames: Frames) -> None:
    def titles(states: bool) -> set[str]:
        figure = lay_out(plan_trial(frames, find_key(frames, "b"), states), SCREEN)
        return {axes.get_title(loc="left") for axes in figure.axes if axes.axison}

    assert titles(True) - titles(False) == {"objective.k"}


def test_a_trial_without_courses_says_why(frames: Frames) -> None:
    plot = plan_trial(frames, find_key(frames, "b", -1))
    (line,) = list_absent([plot])
    assert line.endswith("no score or signal of it is stored at two steps (it failed: ValueError: boom)")


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_no_text_of_a_course_is_cut(frames: Frames, look: Any) -> None:
    for plot in (*plan_courses(frames, states=True), plan_trial(frames, find_key(frames, EVIL)), many_methods(frames)):
        assert_uncut(lay_out(plot, look), look)


def many_methods(frames: Frames) -> Plot:
    """Return the last of the figures of a dataset with a method for each trial."""
    *_, last = plan_courses(replace(frames, trials=frames.trials.assign(method=frames.trials["key"].str[:6])))
    return last


def test_of_many_methods_there_are_several_figures_with_the_same_axes(tmp_path: Path) -> None:
    records = [make_record(f"m{i:02d}", 0, [10.0**i, 9.0**i], signals=CALM) for i in range(10)]
    plots = list(plan_courses(results(tmp_path, records)))
    assert [plot.title for plot in plots] == ["ring courses 1", "ring courses 2"]
    figures = [lay_out(plot, SCREEN) for plot in plots]
    assert [len(figure.legends[0].get_texts()) for figure in figures] == [5, 5]
    assert figures[0].axes[0].get_ylim() == figures[1].axes[0].get_ylim()


def test_before_anything_is_trained_the_reason_is_said(tmp_path: Path) -> None:
    plots = plan_courses(results(tmp_path, [], plan=[trial("a")]))
    assert list_absent(plots) == ["ring courses: not drawn: no trial has been recorded yet"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return exit code, output and errors of a command."""
    with pytest.raises(SystemExit) as exit:
        main(list(words))
    return int(exit.value.code or 0), *capsys.readouterr()


def test_the_command_takes_the_start_of_a_key_and_refuses_an_unknown_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = results(tmp_path / "r", [make_record("a", i, [4.0, 2.0], signals=CALM) for i in range(20)])
    folder, key = str(tmp_path / "r"), str(frames.trials["key"].iloc[0])
    code, out, _ = run(capsys, "curves", folder, key[:12], "--format", "svg", "--format", "pdf", "--style", "paper")
    assert code == 0
    names = [Path(line).name for line in out.splitlines()]
    assert names == [f"trial-{key[:8]}-courses.svg", f"trial-{key[:8]}-courses.pdf"]
    assert run(capsys, "curves", folder, "0" * 12)[::2] == (
        2,
        f"ganbench: {folder}: no record with key 000000000000... `ganbench trials RESULTS` lists the keys.\n",
    )
    code, _, err = run(capsys, "curves", folder, "x")
    assert code == 2
    assert "'x' is not a key" in err
    code, out, _ = run(capsys, "curves", folder)
    assert (code, Path(out.strip()).name) == (0, "ring-courses.png")
