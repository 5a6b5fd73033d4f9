"""Whatever is drawn: no text is cut, no two names overlap, and no format holds a time, a script or text as outlines."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ganbench.cli import main
from ganbench.report.figures import list_figures, plan_figures
from ganbench.report.plots import MOST_METHODS, Plot, split_methods
from ganbench.report.style import FORMATS, LOOKS, Look, break_lines, measure_text
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from matplotlib.text import Annotation, Text

from tests.support.figures import assert_uncut, hidden_ticks, lay_out
from tests.support.trials_by_hand import SUITE, Success, record, results, trial

EVIL = "_$\\frac{x}$ \u4e2d\U0001f600\x1b[31m\u202e../../x\n" + "long " * 40
SCRIPT = "<script>alert(1)</script>&amp;\"']]>--"
NAMES = (EVIL, SCRIPT, "W" * 60, "a", "\u00e9\u00f6-gan-\u03b1")
BASELINES = {
    "noise": 10.0,
    "Gaussian fit": 10.5,
    "one mode": 11.0,
    "uniform": 12.0,
    "x" * 60: 1e7,
    "real data": 1e-12,
    "perfect sampler": 3e7,
    SCRIPT: 5e6,
}


def make_frames(folder: Path, kind: str) -> Frames:
    """Return results of many, one, widely spread, hostile or partly failed trials."""
    rng = np.random.default_rng(0)
    names = {"many": [f"method-{i:02d}" for i in range(27)], "one": ["a"], "equal": ["a", "b"]}.get(kind, list(NAMES))
    values: dict[str, Any] = {"wide": lambda: 10 ** rng.uniform(-8, 8), "equal": lambda: 3.0}
    draw = values.get(kind, lambda: 10 ** rng.normal(1, 0.3) - (kind == "hostile") * 1e4 * rng.uniform())
    records = [record(trial(m, i), [draw()]) for m in names for i in range(1 if kind == "one" else 5)]
    records += [record(trial(names[-1], 9), status="failed", error="x")] * (kind == "wide")
    calibration = pd.DataFrame(
        [
            {"dataset": "ring", "sampler": name, "trivial": True, "name": "fid", "value": value, "direction": "lower"}
            for name, value in BASELINES.items()
        ]
    ).assign(measurement="m" * 64, samples=500)
    return replace(results(folder, records), calibration=calibration)


@pytest.fixture(scope="module", params=["wide", "hostile", "many", "one", "equal"])
def plots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Plot]:
    """The figures of one kind of results."""
    rule = Success(thresholds=(100.0, 10.0), primary=10.0)
    return list(plan_figures(make_frames(tmp_path_factory.mktemp("layout"), request.param), [rule]))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_no_text_is_cut_and_no_plot_is_squashed(plots: list[Plot], look: Look) -> None:
    for plot in plots:
        assert_uncut(lay_out(plot, look), look)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_no_two_names_of_lines_and_no_two_numbers_of_an_axis_overlap(plots: list[Plot], look: Look) -> None:
    for plot in plots:
        figure = lay_out(plot, look)
        for axes in figure.axes:
            flags = [text for text in axes.texts if isinstance(text, Annotation)]
            for one, other in combinations(flags, 2):
                apart = not Text.get_window_extent(one).overlaps(Text.get_window_extent(other))
                assert apart, f"{plot.title}: {one.get_text()!r} over {other.get_text()!r}"
            hidden = hidden_ticks(figure)
            numbers = [label for label in axes.get_xticklabels() if label.get_text() and label not in hidden]
            for one, other in combinations(numbers, 2):
                apart = not one.get_window_extent().overlaps(other.get_window_extent())
                assert apart, f"{plot.title}: {one.get_text()!r} over {other.get_text()!r}"


def test_a_legend_stands_below_its_plot_and_a_panel_has_at_most_eight_methods(plots: list[Plot]) -> None:
    figure = lay_out(plots[0], LOOKS["screen"])
    assert len({axes.get_xlim() for axes in figure.axes}) == 1, "panels share their axes"
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        assert legend.get_window_extent().y1 <= axes.get_window_extent().y0
        assert 1 <= len(legend.get_texts()) <= MOST_METHODS


def test_methods_are_spread_evenly_over_the_fewest_panels() -> None:
    assert [len(panel) for panel in split_methods([str(i) for i in range(27)])] == [7, 7, 7, 6]
    assert split_methods(list("abcdefgh")) == [list("abcdefgh")]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_the_same_each_time_and_holds_no_time(tmp_path: Path, format: str) -> None:
    pictures = list_figures(make_frames(tmp_path, "wide"), [Success()], [format], LOOKS["paper"])
    assert [name for name, _ in pictures] == [f"ring-fid-success.{format}", f"ring-fid-scores.{format}"]
    for _, draw in pictures:
        content = draw()
        assert content == draw()
        for word in (b"Matplotlib", b"CreationDate", b"dc:date"):
            assert word not in content


def test_several_formats_are_drawn_of_each_figure(tmp_path: Path) -> None:
    pictures = list_figures(make_frames(tmp_path, "one"), [Success()], ["svg", "pdf", "svg"])
    assert [name.rpartition(".")[2] for name, _ in pictures] == ["svg", "pdf"] * 2


def test_third_party_text_is_text_in_an_svg_and_nothing_in_it_runs_or_loads(tmp_path: Path) -> None:
    for _, draw in list_figures(make_frames(tmp_path, "hostile"), [Success()], ["svg"]):
        content = draw().decode()
        tree = ET.fromstring(content)
        texts = ["".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")]
        assert any(SCRIPT[:25] in text for text in texts), "text is text, and can be searched"
        assert any("Verdana" in line for line in content.splitlines() if "<text" in line)
        names = {node.tag.rpartition("}")[2] for node in tree.iter()}
        assert not names & {"script", "foreignObject", "a", "image", "iframe"}
        attributes = [(name, value) for node in tree.iter() for name, value in node.attrib.items()]
        assert not [name for name, _ in attributes if name.lower().startswith("on")]
        assert all(value.startswith("#") for name, value in attributes if name.endswith("href"))


def test_a_pdf_embeds_its_font_so_that_text_stays_text(tmp_path: Path) -> None:
    for _, draw in list_figures(make_frames(tmp_path, "wide"), [Success()], ["pdf"], LOOKS["paper"]):
        content = draw()
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
        assert re.search(rb"/MediaBox \[ ?0 0 234 ", content), "3.25 inches: one column"


def test_lines_break_between_words_and_within_those_that_are_longer_than_a_line() -> None:
    assert list(break_lines("one two three", measure_text("one two "))) == ["one two", "three"]
    broken = list(break_lines("W" * 25 + r"\$\$", measure_text("W" * 10)))
    assert "".join(broken) == "W" * 25 + r"\$\$"
    assert all(measure_text(line) <= measure_text("W" * 10) for line in broken)
    assert list(break_lines("a\n\nb", 5)) == ["a", "", "b"]


def test_the_command_draws_several_formats_and_says_why_a_figure_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = '[[success]]\ndataset = "{}"\nmetric = "fid"\nthresholds = [10]\nprimary = 10\n'
    suite = f'{SUITE}\n[[dataset]]\nname = "dead"\n{rule.format("ring")}{rule.format("dead")}'.replace(
        'dataset = [{ name = "ring" }]', '\n[[dataset]]\nname = "ring"\n'
    )
    records = [record(trial(m, i), [5.0 * i]) for m in "ab" for i in range(3)]
    records += [record(trial(m, dataset="dead"), status="failed", error="boom") for m in "ab"]
    with Store(tmp_path / "r") as store:
        store.begin_run(suite, [each.trial for each in records], {})
        store.append(records)
    with pytest.raises(SystemExit) as exit:
        main(["figures", str(tmp_path / "r"), "--format", "svg", "--format", "pdf", "--out", str(tmp_path / "f")])
    assert not exit.value.code
    shown = capsys.readouterr()
    names = [f"ring-fid-{what}.{format}" for what in ("success", "scores") for format in ("svg", "pdf")]
    assert shown.out.splitlines() == [str(tmp_path / "f" / name) for name in names]
    reason = "not drawn: no trial has a finite score (2 failed)"
    assert shown.err.splitlines() == [f"dead fid success: {reason}", f"dead fid scores: {reason}"]
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == sorted(names)
