"""Sheets with the methods side by side: which architectures they show, what stands where, and how large they are."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ganbench import read, registry
from ganbench.report.sample_plots import Strip, draw_grids, draw_points
from ganbench.report.sample_source import NO_NUMBERS, SampleSource, TrialSamples
from ganbench.report.samples import Cell, choose_cells, draw_cell, list_cells, list_paired, paired_sheets
from ganbench.runner import driver
from matplotlib.figure import Figure

from tests.support.tiny_suite import suite as small

SUITE = small(
    seeds=2,
    methods=["ns-gan", "wgan-gp"],
    method=[
        {"name": "ns-gan too", "from": "ns-gan", "add_constraints": [{"name": "r1", "weight": 0.0}]},
        {"name": "explodes", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e38}},
    ],
    architectures={"space": "random-mlp", "sample": 3, "options": {"depths": [2], "widths": [8, 9]}},
    dataset=[{"name": "ring"}, {"name": "digits"}],
    measurement={"samples": 40, "metrics": ["sliced-w1"]},
    success=[
        {
            "dataset": name,
            "metric": "sliced-w1",
            "thresholds": [9],
            "primary": 9,
            "allow_trivial": True,
            "compare": [["wgan-gp", "ns-gan"]],
        }
        for name in ("ring", "digits")
    ],
)
PLUGINS = registry.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Points and images, two methods that train alike, and one that diverges."""
    out = tmp_path_factory.mktemp("paired") / "results"
    driver.run(SUITE, results=out, jobs=0, device="cpu")
    return out


def ranked(rows: list[tuple[str, int, float, float]]) -> pd.DataFrame:
    """Return trials by hand: architecture, seed, and the ranks of the methods a and b; NaN: not scored."""
    return pd.DataFrame(
        [
            {"architecture": architecture, "seed": seed, "method": method, "rank": rank}
            for architecture, seed, *ranks in rows
            for method, rank in zip("ab", ranks, strict=True)
        ]
    )


def test_architectures_are_the_ends_and_the_middle_of_the_paired_difference() -> None:
    trials = ranked([("p", 0, 5, 1), ("q", 0, 1, 2), ("r", 0, 1, 9), ("s", 0, 2, 2), ("t", 0, 3, 2)])
    assert choose_cells(trials, "a", "b") == [
        ("the best for a against b", ("r", 0)),  # 1 - 9
        ("the median", ("s", 0)),  # -8 -1 0 1 4
        ("the best for b against a", ("p", 0)),  # 5 - 1
    ]


def test_of_each_architecture_the_seed_with_the_median_difference_is_shown() -> None:
    trials = ranked([("p", seed, rank, 0) for seed, rank in enumerate([7, 1, 3])] + [("q", 5, 9, 0)])
    assert [cell for _, cell in choose_cells(trials, "a", "b")] == [("p", 2), ("q", 5)]


def test_seeds_are_chosen_where_there_is_one_architecture() -> None:
    trials = ranked([("p", seed, rank, 0) for seed, rank in enumerate([7, 1, 3])])
    assert [cell for _, cell in choose_cells(trials, "a", "b")] == [("p", 1), ("p", 2), ("p", 0)]


def test_a_trial_without_a_score_is_worse_than_any_and_two_of_them_are_not_compared() -> None:
    inf, nan = np.inf, np.nan
    trials = ranked([("p", 0, inf, inf), ("q", 0, 1, inf), ("r", 0, inf, 1), ("s", 0, nan, 1), ("t", 0, 4, 4)])
    assert [cell for _, cell in choose_cells(trials, "a", "b")] == [("q", 0), ("t", 0), ("r", 0)]
    assert choose_cells(trials[trials["architecture"] == "p"], "a", "b") == [("not compared", ("p", 0))]


def test_a_single_method_is_shown_at_its_best_median_and_worst() -> None:
    trials = ranked([("p", seed, rank, 0) for seed, rank in enumerate([7, 1, 3])])
    names = [label for label, _ in choose_cells(trials[trials["method"] == "a"], "a")]
    assert names == ["the best for a", "the median", "the worst for a"]


def test_the_sheets_show_the_compared_methods_where_they_differ_most(folder: Path) -> None:
    frames = read(folder)
    cells = list_cells(frames)
    assert [cell.title.partition(":")[0] for cell in cells] == [
        f"{name}, {label}"
        for name in ("ring", "digits")
        for label in ("the best for wgan-gp against ns-gan", "the median", "the best for ns-gan against wgan-gp")
    ]
    final = frames.series.groupby("key")["value"].last()
    trials = frames.trials[(frames.trials["dataset"] == "ring")]
    table = trials.assign(final=trials["key"].map(final)).pivot_table(
        "final", ["architecture", "seed"], "method", sort=False
    )
    median = (table["wgan-gp"] - table["ns-gan"]).groupby("architecture").min()  # of two, the lower one
    for cell, architecture in [(cells[0], median.idxmin()), (cells[2], median.idxmax())]:
        assert f": {architecture}, seed" in cell.title
    keys = frames.trials.set_index("key")
    for cell in cells:
        assert [keys["method"][key] for key, _, _ in cell.trials] == ["ns-gan", "wgan-gp", "ns-gan too", "explodes"]
        assert len({(keys["architecture"][key], keys["seed"][key]) for key, _, _ in cell.trials}) == 1


def test_methods_side_by_side_have_the_same_latents(folder: Path) -> None:
    frames = read(folder)
    source = SampleSource(folder, frames, PLUGINS)
    for cell in list_cells(frames):
        first, other, alike, _ = (source.load(key).samples for key, _, _ in cell.trials)
        np.testing.assert_array_equal(first, alike)  # a constraint of weight zero changes nothing
        assert not np.array_equal(first, other)


def test_sheets_are_small_pictures_with_a_title_and_words_for_them(folder: Path) -> None:
    frames = read(folder)
    sheets = paired_sheets(folder, frames, PLUGINS)
    files = [draw() for _, draw in list_paired(folder, frames, PLUGINS)]
    assert len(files) == len(sheets)
    assert {png for _, _, png in sheets}.isdisjoint(files), "the files have the title in the picture"
    for title, alt, png in sheets:
        assert png[:4] == b"\x89PNG"
        assert len(png) <= 60_000
        assert alt.startswith(f"Samples side by side on {title}. Panels: the real data; ns-gan, sliced-W1 ")
        assert "; explodes, diverged" in alt
    assert any(alt.endswith(f"explodes, diverged, {NO_NUMBERS}.") for _, alt, _ in sheets)
    assert [name for name, _ in list_paired(folder, frames, PLUGINS)][1].startswith("ring-the-median-side-by-side")


def test_a_trial_that_failed_shows_its_reason_in_its_place(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    trials = read(folder).trials
    failed = trials[(trials["method"] == "wgan-gp") & (trials["architecture"] == trials["architecture"].iloc[0])]
    with closing(sqlite3.connect(copy / "results.sqlite")) as link, link:
        change = "UPDATE records SET status = 'failed', error = 'boom', network = '' WHERE trial = "
        of_key = "(SELECT id FROM trials WHERE key = ?)"
        link.executemany(change + of_key, [[key] for key in failed.loc[failed["dataset"] == "ring", "key"]])
    frames = read(copy)
    shown = [(title, alt) for title, alt, _ in paired_sheets(copy, frames, PLUGINS) if "wgan-gp, failed, boom" in alt]
    assert len(shown) == 1
    assert "ring, the best for ns-gan against wgan-gp" in shown[0][0]


def images(channels: int = 1) -> TrialSamples:
    """Return images of noise, which no compression makes smaller."""
    noise = np.random.default_rng(0).random((40, channels, 8, 8)).astype(np.float32)
    return TrialSamples(noise, noise)


@pytest.mark.parametrize("methods", [1, 3, 11])
def test_a_sheet_of_noise_shows_fewer_images_so_that_it_stays_small(methods: int) -> None:
    class Noise:
        def load(self, key: str) -> TrialSamples:
            return images()

    cell = Cell("noise", tuple(("", "k", f"method {i}\nFID 1") for i in range(methods)))
    assert 10_000 < len(draw_cell(Noise(), cell)) <= 60_000


def test_images_stand_in_squares_beside_the_reason_of_a_trial_without_any() -> None:
    figure, noise = Figure(), images()
    strips = [Strip("a\nFID 1", noise.samples, noise.reference), Strip("b", None, None, "boom")]
    draw_grids(strips, "T", 2, 3, figure)
    first, second = figure.axes
    shown = first.images[0].get_array()
    assert shown.shape == (3 * 9 - 1, 3 * 9 - 1, 3)
    shade = (noise.samples - noise.samples.min()) / np.ptp(noise.samples)
    np.testing.assert_allclose(shown[9:17, 18:26, 0], shade[5, 0], rtol=0, atol=1e-6)  # row 1, column 2: the sixth
    assert [text.get_text() for text in second.texts] == ["boom"]
    assert not second.images


def test_a_panel_without_a_visible_point_says_so() -> None:
    data = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    figure = Figure()
    draw_points([Strip("near", data, data), Strip("far", data + 99, data)], "T", 2, 9, figure)
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[], ["no sample is in this frame"]]


def test_the_command_draws_them_before_the_sheets_of_each_method(folder: Path, tmp_path: Path, capsys) -> None:
    from ganbench import cli

    with pytest.raises(SystemExit) as ended:
        cli.main(["samples", str(folder), "--out", str(tmp_path)])
    assert ended.value.code == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    paired = [name for name, _ in list_paired(folder, read(folder), PLUGINS)]
    assert names[: len(paired)] == paired
    assert len(names) == len(paired) + 2 * 4
