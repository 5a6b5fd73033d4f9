"""Small pictures of single trials' samples: which trials have one, what it shows, and how large all are."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ganbench.report import thumbnails
from ganbench.report.sample_source import TrialSamples
from ganbench.report.samples import Cell
from ganbench.report.thumbnails import SIDE, choose_pictured, draw_thumbnail, draw_thumbnails
from ganbench.results.store import read
from ganbench.statistics.final_scores import rule_scores
from ganbench.suite import restore
from PIL import Image

from tests.support.pages import make_results

WHITE, GREY, BLUE = (255, 255, 255), (153, 153, 153), (0, 114, 178)


def pixels(png: bytes) -> np.ndarray[Any, Any]:
    with Image.open(BytesIO(png)) as picture:
        return np.array(picture.convert("RGB"))


def test_points_lie_over_the_data_on_the_scale_of_the_data() -> None:
    data = np.float32([[-1, -1], [1, 1]])
    samples = np.float32([[1, -1], [50, 50], [np.nan, 0]])
    alt, png = draw_thumbnail(samples, np.tile(data, (2, 1)))
    drawn = pixels(png)
    assert drawn.shape == (SIDE, SIDE, 3)
    low, high = SIDE // 8, SIDE - SIDE // 8
    where = {colour: np.argwhere((drawn == colour).all(-1)).mean(0) for colour in (GREY, BLUE)}
    assert (where[BLUE] > [high - 6, high - 6]).all(), "below and right: y is upwards"
    assert where[GREY] == pytest.approx([SIDE / 2, SIDE / 2], abs=1)
    assert (drawn[low + 8 : high - 8, low + 8 : high - 8] == WHITE).all()
    assert alt == "3 samples of its model over the data, in grey"
    assert len(png) < 400


def test_images_are_tiled_on_the_scale_of_the_data() -> None:
    images = np.zeros((40, 1, 8, 8), np.float32)
    images[1] = 2.0
    alt, png = draw_thumbnail(images, np.stack([np.zeros((1, 8, 8)), np.full((1, 8, 8), 2.0)]).astype(np.float32))
    drawn = pixels(png)
    assert alt == "36 images of its model"
    assert drawn.shape == (53, 53, 3)
    assert (drawn[:8, :8] == 0).all()
    assert (drawn[:8, 9:17] == 255).all()


@pytest.mark.parametrize(("most", "size", "drawn"), [(2, 10**6, 2), (9, 10**6, 3), (9, 500, 1)])
def test_trials_without_samples_are_left_out_and_the_budget_holds(
    monkeypatch: pytest.MonkeyPatch, most: int, size: int, drawn: int
) -> None:
    monkeypatch.setattr(thumbnails, "MOST_TRIALS", most)
    monkeypatch.setattr(thumbnails, "MOST_BYTES", size)
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    trials = {"a": TrialSamples(points, points), "b": TrialSamples(None, None, "it failed")}
    source: Any = SimpleNamespace(load=lambda key: trials["b" if key == "b" else "a"])
    pictures = draw_thumbnails(source, ["a", "b", "c", "d"])
    assert list(pictures) == ["a", "c", "d"][:drawn]
    assert sum(len(png) for _, png in pictures.values()) <= size


def test_the_most_telling_trials_come_first(tmp_path: Path) -> None:
    frames = read(make_results(tmp_path / "r"))
    trials = frames.trials.set_index("key")
    paired = trials.index[20]
    keys = choose_pictured(frames, [Cell("cell", ((paired, "", ""),))])
    scores = rule_scores(frames, restore(frames.suite).success[0]).set_index("key")
    good = scores.loc[(scores["method"] == "good") & scores["scored"], "final"].sort_values()
    assert keys[0] == paired
    assert keys[1] == good.index[0]
    assert good.index[-1] in keys[1:7]
    assert len(keys) == len(set(keys))
    failed = trials.index[trials["status"] == "failed"][0]
    assert failed not in keys
