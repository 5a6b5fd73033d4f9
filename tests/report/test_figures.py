"""Figures show the numbers of the frames, count every trial, and have the same bytes each time."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ganbench.report.figures import list_figures, plan_figures, write_pictures
from ganbench.report.labels import NO_BREAK
from ganbench.report.plots import list_absent
from ganbench.report.score_figure import draw_scores
from ganbench.report.style import COLOURS, SCREEN, fit_text, known_glyphs, render_png, use_style
from ganbench.report.success_figure import draw_curve
from ganbench.results.frames import Frames
from ganbench.statistics.final_scores import rule_scores
from ganbench.statistics.success_rates import success_curve
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.support.trials_by_hand import Success, record, results, trial

EVIL = "_$\\frac{x}$ \u4e2d\U0001f600\x1b[31m\u202e../../x\n" + "long " * 40
NO_BASELINES = pd.DataFrame({"sampler": [], "trivial": [], "value": []})


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """Three methods, one with a hostile name, on 8 architectures; two trials of the first are undefined and failed."""
    finals = {"a": [5, 9, 12, 30, 31, 80], "b": [8, 20, 25, 40, 200, 300, 400, 410], EVIL: [50.0] * 8}
    records = [record(trial(m, i), [fid]) for m, values in finals.items() for i, fid in enumerate(values)]
    records += [record(trial("a", 6), [math.nan]), record(trial("a", 7), status="failed", error="boom")]
    return results(tmp_path_factory.mktemp("figures"), records)


RULE = Success(thresholds=(60.0, 10.0), primary=10.0)
STYLES = {m: {"color": COLOURS[i], "linestyle": "-"} for i, m in enumerate(("a", "b", EVIL))}


def render_figure(draw) -> Figure:
    """Return the figure that `draw` draws, laid out."""
    figures = []

    def draw_and_keep(figure: Figure) -> None:
        draw(figure)
        figures.append(figure)

    render_png(draw_and_keep)
    return figures[0]


def curve_figure(rule, curve: pd.DataFrame, baselines: pd.DataFrame = NO_BASELINES) -> Figure:
    """Return the figure of success rates for a screen."""
    return render_figure(lambda figure: draw_curve(rule, curve, baselines, STYLES, SCREEN, figure))


def scores_figure(rule, metric: str, scores: pd.DataFrame) -> Figure:
    """Return the figure of scores for a screen."""
    return render_figure(lambda figure: draw_scores(rule, metric, scores, STYLES, SCREEN, figure))


def test_the_lines_of_a_curve_are_the_success_rates_of_the_statistics(frames: Frames) -> None:
    curve = success_curve(frames, RULE)
    figure = curve_figure(RULE, curve)
    axes = figure.axes[0]
    lines = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    assert len(lines) == 3
    for line, (_, rows) in zip(lines, curve.groupby("method", sort=False), strict=True):
        np.testing.assert_array_equal(line.get_xdata()[1:-1], rows["threshold"])
        np.testing.assert_array_equal(line.get_ydata()[1:-1], rows["rate"])
        assert line.get_ydata()[0] == rows["rate"].iloc[0], "easier than every score: the rate stays"
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == axes.get_xlim()[::-1], "up to both ends of the axis"
    assert lines[0].get_ydata().max() == 6 / 8, "undefined and failed trials never succeed"
    assert next(line for line in axes.lines if line.get_linestyle() == "--").get_xdata()[0] == RULE.primary
    assert figure.get_supxlabel() == "threshold of final FID (lower is better)"
    title = figure.get_suptitle().replace(NO_BREAK, " ")
    assert title == "Success rates on ring, with 95% bands over all thresholds (n = 8 each)"


def test_a_curve_names_metrics_of_its_condition_in_capitals(frames: Frames) -> None:
    rule = replace(RULE, condition="is > 4.5")
    curve = success_curve(frames, RULE)
    title = curve_figure(rule, curve).get_suptitle().replace("\n", " ")
    assert title.startswith("Success rates on ring, where IS > 4.5, with 95% bands")


def test_the_scores_of_baselines_are_lines_or_named_below_the_axis(frames: Frames) -> None:
    baselines = pd.DataFrame({"sampler": ["noise", "real"], "trivial": [True, False], "value": [100.0, 1e6]})
    curve = success_curve(frames, RULE)
    figure = curve_figure(RULE, curve, baselines)
    assert [text.get_text().strip() for text in figure.axes[0].texts] == ["noise", "primary 10"]
    assert "data and baselines beyond the axis: real 1000000" in figure.get_supxlabel()


def test_every_trial_is_a_point_or_counted_in_the_grey_band(frames: Frames) -> None:
    scores = rule_scores(frames, RULE)
    figure = scores_figure(RULE, "fid", scores)
    axes = figure.axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    for line, (_, rows) in zip(points, scores.groupby("method", sort=False), strict=True):
        assert sorted(line.get_xdata()) == sorted(rows.loc[rows["scored"], "final"])
    assert [text.get_text() for text in axes.texts] == ["2 of 8"]
    band = axes.texts[0].get_position()[0]
    assert band > max(max(line.get_xdata()) for line in points), "lower is better: the band lies right of the worst"
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["a", "b"]
    assert all(tick < 420 for tick in axes.get_xticks()), "the band of trials without a score has no scale"
    assert figure.get_supxlabel() == "final FID (lower is better); dashed: primary 10"
    first, second = figure.get_suptitle().split("\n")
    assert first.replace(NO_BREAK, " ").endswith("(n = 8 each)")
    assert second == "in grey, counted: diverged, failed, timed out or undefined"


def test_each_method_names_its_number_of_trials_where_these_differ(frames: Frames) -> None:
    scores = rule_scores(frames, RULE).iloc[1:]
    labels = [label.get_text() for label in scores_figure(RULE, "fid", scores).axes[0].get_yticklabels()]
    assert [label.split("\n")[-1] for label in labels] == ["n = 7", "n = 8", "n = 8"]


def test_where_higher_is_better_the_grey_band_lies_left(frames: Frames) -> None:
    scores = rule_scores(frames, RULE)
    negated = scores.assign(direction="higher", final=-scores["final"])
    rule = replace(RULE, primary=-10.0, thresholds=())
    axes = scores_figure(rule, "x", negated).axes[0]
    assert axes.texts[0].get_position()[0] < -410


def test_a_median_without_a_score_lies_in_the_grey_band(tmp_path: Path) -> None:
    records = [record(trial("a", i), [5.0]) for i in range(2)]
    records += [record(trial("a", i), status="failed") for i in (2, 3, 4)]
    scores = rule_scores(results(tmp_path, records), RULE)
    axes = scores_figure(RULE, "fid", scores).axes[0]
    (median,) = {x for line in axes.lines if line.get_linewidth() == 2.2 for x in line.get_xdata()}
    assert median == axes.texts[0].get_position()[0]


def test_each_rule_has_two_pictures_896_pixels_wide_with_the_same_bytes_twice(frames: Frames, tmp_path: Path) -> None:
    pictures = list_figures(frames, [RULE, replace(RULE, compare=())])
    assert [name for name, _ in pictures] == [
        "ring-fid-success.png",
        "ring-fid-scores.png",
        "ring-fid-success-2.png",
        "ring-fid-scores-2.png",
    ]
    first = [path.read_bytes() for path in write_pictures(pictures[:2], tmp_path / "figures")]
    assert first == [draw() for _, draw in pictures[:2]]
    assert b"tEXt" not in b"".join(first), "no version and no time"
    for content in first:
        image = imread(io.BytesIO(content))
        assert image.shape[1] == 896
        assert 0.5 < image[..., :3].mean() < 0.999, "something is drawn on white"


def test_a_hostile_dataset_names_files_within_the_folder(tmp_path: Path) -> None:
    evil = "../../" + EVIL
    frames = results(tmp_path / "r", [record(trial("a", i, dataset=evil), [i]) for i in range(3)])
    before = set(tmp_path.rglob("*"))
    files = list(write_pictures(list_figures(frames, [Success(dataset=evil)]), tmp_path / "deep" / "figures"))
    assert len(files) == 2
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "deep", tmp_path / "deep" / "figures", *files}


def test_a_rule_that_is_a_condition_alone_has_scores_and_no_curve(frames: Frames) -> None:
    rule = replace(RULE, metric=None, thresholds=(), primary=None, condition="fid < 20")
    assert [name for name, _ in list_figures(frames, [rule])] == ["ring-fid-scores.png"]


def test_nothing_is_drawn_before_anything_is_trained(tmp_path: Path) -> None:
    frames = results(tmp_path, [], plan=[trial("a")])
    assert list_figures(frames, [RULE]) == []
    assert list_absent(plan_figures(frames, [RULE])) == [
        f"ring fid {what}: not drawn: no trial has been recorded with this score yet" for what in ("success", "scores")
    ]


def test_a_figure_without_a_finite_score_is_not_an_empty_frame_but_says_why(tmp_path: Path) -> None:
    records = [record(trial("a", i), [math.nan], diverged_at=5) for i in range(3)]
    records += [record(trial("b", 0), status="failed", error="x"), record(trial("b", 1), [math.nan])]
    plots = list(plan_figures(results(tmp_path, records), [RULE]))
    reason = "not drawn: no trial has a finite score (3 diverged, 1 undefined, 1 failed)"
    assert list_absent(plots) == [f"ring fid success: {reason}", f"ring fid scores: {reason}"]


def test_a_condition_alone_and_one_that_no_trial_meets_say_why_they_have_no_curve(frames: Frames) -> None:
    alone = replace(RULE, metric=None, thresholds=(), primary=None, condition="fid < 20")
    never = replace(RULE, condition="fid < 0")
    assert [line.partition("not drawn: ")[2] for line in list_absent(plan_figures(frames, [alone, never]))] == [
        "the rule is a condition alone, which has no threshold",
        "no trial with a finite score meets the condition",
    ]


def test_third_party_text_is_shown_without_mathematics_or_missing_glyphs_and_shortened() -> None:
    shown = fit_text(EVIL)
    assert len(shown.replace(r"\$", "$")) == 40
    assert shown.replace(r"\$", "").count("$") == 0
    assert all(ord(c) in known_glyphs() for c in shown)
    assert fit_text("wgan-gp") == "wgan-gp"


@pytest.mark.parametrize("text", [r"$\frac{$", r"$\foo$", "$$", "$", r"\$\frac{$x$", "a$b$c", r"\\$x$", "$" * 60])
def test_no_third_party_text_is_read_as_mathematics(text: str) -> None:
    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for shown in (fit_text(text), f"{fit_text(text)}\n{fit_text(text)}"):
            axes.set_title(shown)
            assert axes.title._preprocess_math(shown)[1] is False
        axes.set_yticks([0.5], [fit_text(text)])

    assert render_png(draw)


def test_a_users_own_settings_of_matplotlib_change_no_byte() -> None:
    import matplotlib

    def draw(figure: Figure) -> None:
        figure.add_subplot().set_title("x")

    plain = render_png(draw)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": True}):
        assert render_png(draw) == plain
        assert matplotlib.rcParams["font.size"] == 30
        with use_style():
            assert matplotlib.rcParams["text.usetex"] is False


def test_figures_of_a_sustained_rule_say_at_how_many_evaluations_it_is_met(tmp_path: Path) -> None:
    """Scores are the final ones; the curve is that of the worst of the last two."""
    sustained = replace(RULE, sustained=2)
    own = results(tmp_path, [record(trial("a", i), fid) for i, fid in enumerate([[40, 5], [7, 6]])])
    scores, curve = rule_scores(own, sustained), success_curve(own, sustained)
    points = next(line for line in scores_figure(sustained, "fid", scores).axes[0].lines if line.get_marker() == "o")
    assert sorted(points.get_xdata()) == [5, 6]
    assert "to be met at each of the last 2 evaluations" in figure_text(scores_figure(sustained, "fid", scores))
    text = figure_text(curve_figure(sustained, curve))
    assert "threshold of FID (lower is better) at each of the last 2 evaluations" in text
    assert sorted(curve["threshold"].round(6)) == [7, 40, 40]


def figure_text(figure: Figure) -> str:
    """Return all text of a figure, its lines joined."""
    from matplotlib.text import Text

    return " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))
