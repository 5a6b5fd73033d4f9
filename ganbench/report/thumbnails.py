"""Small pictures of single trials' samples, for a page that shows many: drawn pixel by pixel, in a few colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ganbench.report.sample_plots import Strip, project_points, tile_images
from ganbench.report.sample_source import SampleSource
from ganbench.report.samples import Cell, rank_scores
from ganbench.report.style import COLOURS
from ganbench.statistics.outcome_table import headline_metrics, stored_suite, trial_outcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganbench.results.frames import Frames

SIDE = 112
"""Pixels of a side of a small picture, about: whole images fit, and points fill it."""

MOST_IMAGES, SHADES = 36, 16
"""Images in a small picture, at most, and colours of it."""

GREY = "#999999"
"""The colour of the data's points."""

MOST_TRIALS, MOST_BYTES = 60, 300_000
"""Trials that have a small picture, and bytes of all of them, at most."""

RANKS = (0.0, 0.5, 1.0)
"""The trials of each method that have one, by their place between the best and the worst final score."""

CHOICE = (
    f"Up to {MOST_TRIALS} trials bring their samples with this page: those side by side, then the best, the median and "
    "the worst of each method, then those that collapsed or degraded."
)


def draw_thumbnails(source: SampleSource, keys: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """Return small pictures of the samples of the first of these trials that have any, by key.

    Each is a text that says what it shows, and a PNG. There are at most MOST_TRIALS, of MOST_BYTES together.
    """
    pictures: dict[str, tuple[str, bytes]] = {}
    size = 0
    for key in keys:
        trial = source.load(key)
        if trial.samples is None or trial.reference is None or trial.texts:  # a line is too wide for a small picture
            continue
        alt, png = draw_thumbnail(trial.samples, trial.reference)
        size += len(png)
        if len(pictures) == MOST_TRIALS or size > MOST_BYTES:
            break
        pictures[key] = (alt, png)
    return pictures


def choose_pictured(frames: Frames, cells: Sequence[Cell]) -> list[str]:
    """Return the keys of trials whose samples tell most, the most telling first: as CHOICE says."""
    keys = [key for cell in cells for key, _, _ in cell.trials]
    headlines = headline_metrics(stored_suite(frames))
    ranked: list[Sequence[str]] = []
    for dataset, trials in frames.trials.groupby("dataset", sort=False):
        ranks = rank_scores(frames, str(dataset), headlines.get(str(dataset), ""), set(trials["key"]))
        for _, group in trials.groupby("method", sort=False):
            ranked.append(order_scored(group["key"], ranks))
    keys += [order[round(rank * (len(order) - 1))] for rank in RANKS for order in ranked if order]
    outcomes = trial_outcomes(frames)
    began = np.isfinite(outcomes[["collapsed", "degraded"]].to_numpy(float)).any(axis=1)
    keys += outcomes.index[np.flatnonzero(began)].tolist()
    return list(dict.fromkeys(keys))


def order_scored(keys: Iterable[str], ranks: Mapping[str, tuple[float, str]]) -> list[str]:
    """Return the trials with a finite score, the best first."""
    scored = [(ranks[key][0], key) for key in keys if key in ranks and np.isfinite(ranks[key][0])]
    return [key for _, key in sorted(scored, key=lambda each: each[0])]


def draw_thumbnail(samples: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[str, bytes]:
    """Return what a small picture of some samples [n, *shape] shows, in words, and its PNG.

    Images are tiled, on the scale of the data's values; of everything else, points are drawn over those of the data.
    """
    if samples.ndim == 4:
        columns = max(1, min(int(MOST_IMAGES**0.5), SIDE // (samples.shape[3] + 1)))
        rows = [
            tile_images(Strip("", samples[start:], reference), columns, samples.shape[1:])
            for start in range(0, min(columns**2, len(samples)), columns)
        ]
        picture = Image.fromarray(np.uint8(255 * np.concatenate(rows)[:-1, :-1]))
        return f"{min(columns**2, len(samples))} images of its model", save(picture.quantize(SHADES))
    data, drawn = project_points(reference), project_points(samples[: len(reference)])
    middle, radius = (data.max(0) + data.min(0)) / 2, 0.65 * max(float(np.ptp(data, 0).max()), 1e-6)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for colour, points in ((1, data), (2, drawn)):
        inside = points[(np.abs(points - middle) < radius).all(1)]  # not where a coordinate is NaN
        x, y = ((inside - middle) / radius * (SIDE / 2 - 1) + SIDE / 2).astype(int).T
        for right, down in ((0, 0), (-1, 0), (0, -1), (-1, -1)):
            canvas[SIDE - 1 - (y + down), x + right] = colour
    picture = Image.fromarray(canvas, mode="P")
    picture.putpalette(bytes.fromhex("".join(each.lstrip("#") for each in ("#ffffff", GREY, COLOURS[0]))))
    return f"{len(drawn)} samples of its model over the data, in grey", save(picture)


def save(picture: Image.Image) -> bytes:
    """Return a picture as PNG, as small as it can be."""
    content = BytesIO()
    picture.save(content, format="png", optimize=True)
    return content.getvalue()
