"""Samples of text are shown as text, on sheets and in their descriptions, beside the real lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench import read, registry
from ganbench.report import samples as sheets
from ganbench.report.sample_plots import Strip, draw_points
from ganbench.report.samples import SampleSource, list_cells, paired_sheets, trial_sheet
from ganbench.report.thumbnails import draw_thumbnails
from ganbench.runner import driver
from matplotlib.figure import Figure

from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("text")
    file = root / "text.txt"
    file.write_text("\n".join(["to be or not to be", "that is the question"] * 10))
    suite = small(
        seeds=1,
        methods=["ns-gan"],
        architectures={"space": "char-resnet", "options": {"filters": 4, "blocks": 1, "latent": 3}},
        dataset=[{"name": "char-lines", "path": str(file), "length": 8}],
        measurement={"samples": 10, "metrics": ["ngram-js"]},
        success=[{"dataset": "char-lines", "metric": "js-1", "thresholds": [1], "primary": 1, "allow_trivial": True}],
    )
    driver.run(suite, results=root / "results", jobs=0, device="cpu")
    return root / "results"


def test_a_trial_and_the_real_data_have_their_text(folder: Path) -> None:
    frames = read(folder)
    trial = SampleSource(folder, frames, PLUGINS).load(str(frames.trials["key"].iloc[0]))
    assert set(trial.reference_texts) == {"to be or", "that is "}
    assert len(trial.texts) == 10
    assert all(len(text) == 8 and set(text) <= set("to be or that is ") for text in trial.texts)


def test_sheets_and_their_descriptions_show_the_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, shown = read(folder), list[Strip]()
    key = str(frames.trials["key"].iloc[0])
    source = SampleSource(folder, frames, PLUGINS)
    trial = source.load(key)

    def spy(strips, *rest) -> None:
        shown.extend(strips)
        draw_points(strips, *rest)

    monkeypatch.setattr(sheets, "draw_points", spy)
    ((_, alt, png),) = paired_sheets(folder, frames, PLUGINS)
    assert f"such as {trial.texts[0]!r}" in alt
    assert png.startswith(b"\x89PNG")
    assert [strip.texts for strip in shown[:2]] == [trial.reference_texts, trial.texts]
    shown.clear()
    trial_sheet(folder, frames, PLUGINS, key, real=True)[1]()
    assert [strip.texts for strip in shown] == [trial.reference_texts, trial.texts]
    assert len(list_cells(frames)) == 1
    assert draw_thumbnails(source, [key]) == {}


def test_a_panel_of_text_holds_the_lines_and_no_points() -> None:
    figure = Figure()
    draw_points([Strip("a", None, None, "", texts=("one $x$", "two"))], "T", 1, 5, figure)
    assert not figure.axes[0].lines
    assert r"one \$x\$" + "\ntwo" in [text.get_text() for text in figure.axes[0].texts]
