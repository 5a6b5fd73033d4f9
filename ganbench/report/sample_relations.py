"""Sheets on what a model has learnt: the way between two of its samples, and the training data nearest to a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganbench.errors import GanbenchError
from ganbench.report.figures import Picture
from ganbench.report.output import file_names
from ganbench.report.sample_plots import Strip, draw_images
from ganbench.report.sample_source import POINTS, SampleSource, refuse_kept_none
from ganbench.report.samples import rank_trials
from ganbench.report.style import render_png
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.statistics.outcome_table import stored_suite

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ganbench.api.data import Extractor, Source
    from ganbench.registry.registry import Registry
    from ganbench.runner.rebuild import RebuiltBatch

    Array = NDArray[np.float32]

ROWS, PLACES = 10, 12
"""Rows of a sheet, and the images of a row between two latents, both ends included."""

NEAREST = 8
"""Training images beside each generated one, the nearest first."""

BLOCK = 1000
"""Training images that are compared at once."""

Tell = Callable[[int, int], None]
"""A function that is called with how many training images are compared, and with the number of all."""


def choose_trials(source: SampleSource, key: str) -> list[tuple[str, str, str, str]]:
    """Return the key, the dataset, the file's name and the title of each trial with a sheet: one, or one a method.

    The trial of a method is the median one by its final headline score, of those that were trained.
    """
    refuse_kept_none(source.folder, source.frames)
    frames = source.frames
    if key:
        with Store(source.folder, readonly=True) as store:
            chosen = [str(store.detail(key)["key"])]
    else:
        groups = [rank_trials(frames, trials) for _, trials in frames.trials.groupby(["dataset", "method"], sort=False)]
        trained = [[each for each, _ in ranked if each not in source.missing] for ranked in groups]
        chosen = [keys[(len(keys) - 1) // 2] for keys in trained if keys]
    rows = frames.trials.drop_duplicates("key").set_index("key")
    titles: list[tuple[str, str, str, str]] = []
    for each in chosen:
        row = rows.loc[each]
        about = f"{row['method']} on {row['dataset']}, {row['architecture']}, seed {row['seed']}"
        name = f"trial-{each[:12]}" if key else f"{row['dataset']} {row['method']}"
        titles.append((each, str(row["dataset"]), name, about))
    return titles


def list_interpolations(folder: Path, frames: Frames, plugins: Registry, key: str = "") -> list[Picture]:
    """Return a sheet of the ways between latents for one trial, whose key may be shortened, or for each method."""
    source = SampleSource(folder, frames, plugins)
    chosen = choose_trials(source, key)
    names = file_names([f"{about} interpolations" for _, _, about, _ in chosen])
    return [
        (f"{name}.png", partial(draw_interpolation, source, each, title))
        for name, (each, _, _, title) in zip(names, chosen, strict=True)
    ]


def draw_interpolation(source: SampleSource, key: str, title: str) -> bytes:
    """Return the sheet of a trial whose rows go from one latent to another, as PNG."""
    rebuilt = source.open(key)
    require_images(rebuilt)
    way = rebuilt.training.drawing.interpolate(
        rebuilt.snapshot, list(rebuilt.files).index(key), rebuilt.batch.measurement.samples, PLACES
    )
    reference = read_reference(rebuilt)
    rows = [Strip(f"pair {i + 1}", row, reference) for i, row in enumerate(way[:ROWS].cpu().numpy())]
    heading = f"{title}\nfrom one latent to another"
    return render_png(partial(draw_images, rows, heading, PLACES), height=0.6 + 0.42 * len(rows))


def list_nearest(
    folder: Path, frames: Frames, plugins: Registry, key: str = "", tell: Tell = lambda done, total: None
) -> list[Picture]:
    """Return a sheet of samples beside their nearest training data for one trial, or for each method.

    `tell` is called while the training data of a dataset are searched, once for all of its sheets.
    """
    source = SampleSource(folder, frames, plugins)
    chosen = choose_trials(source, key)
    searches: dict[str, Search] = {}
    for each, dataset, _, _ in chosen:
        searches.setdefault(dataset, Search(source, tell)).keys.append(each)
    names = file_names([f"{about} nearest" for _, _, about, _ in chosen])
    return [
        (f"{name}.png", partial(searches[dataset].draw, each, title))
        for name, (each, dataset, _, title) in zip(names, chosen, strict=True)
    ]


class Search:
    """The search for the training images nearest to samples of several trials on one dataset; it is done once."""

    def __init__(self, source: SampleSource, tell: Tell) -> None:
        self.source, self.tell = source, tell
        self.keys: list[str] = []
        self.space = ""

    def draw(self, key: str, title: str) -> bytes:
        """Return the sheet of a trial as PNG: each row a sample, then its nearest training images."""
        samples, neighbours, reference = self.found[key]
        rows = [
            Strip(f"sample {i + 1}", np.concatenate([sample[None], near]), reference)
            for i, (sample, near) in enumerate(zip(samples, neighbours, strict=True))
        ]
        heading = f"{title}\nsamples (left), and the nearest training images\nby {self.space}"
        return render_png(partial(draw_images, rows, heading, NEAREST + 1), height=0.75 + 0.42 * len(rows))

    @cached_property
    def found(self) -> dict[str, tuple[Array, Array, Array]]:
        """The first samples of each trial, their nearest training images [n, NEAREST, *shape], and reference data."""
        import torch

        batches = {key: self.source.open(key) for key in self.keys}
        for rebuilt in batches.values():
            require_images(rebuilt)
        first = next(iter(batches.values()))
        source = first.training.source
        if source.take is None:
            raise GanbenchError("this dataset is a distribution: it has no training set in which to search.")
        extractor = self.choose_extractor(first)
        self.space = f"features of {extractor.name}" if extractor else "pixels"
        drawn = {key: draw_first(rebuilt, key) for key, rebuilt in batches.items()}
        measure = partial(describe_images, extractor, source, first.training.device)
        indices = find_nearest(measure(torch.cat(list(drawn.values()))), source, measure, self.tell)
        found = take_rows(source, indices.flatten()).unflatten(0, indices.shape)
        parts = found.split([len(samples) for samples in drawn.values()])
        reference = read_reference(first)
        return {
            key: (samples.numpy(), near.numpy(), reference)
            for (key, samples), near in zip(drawn.items(), parts, strict=True)
        }

    def choose_extractor(self, rebuilt: RebuiltBatch) -> Extractor | None:
        """Return the extractor that the suite's measurement names, else the dataset's own; None without any."""
        from ganbench.runner.rerun import resolve_measurement

        suite, plugins = stored_suite(self.source.frames), self.source.plugins
        trial = rebuilt.batch.trials[0]
        part = resolve_measurement(suite, trial, plugins, 2).extractor if suite is not None else None
        if part is None:
            return rebuilt.training.source.extractor
        built: Extractor = plugins.build("extractors", part.name, part.options)
        return built


def draw_first(rebuilt: RebuiltBatch, key: str) -> Tensor:
    """Return the first samples of a trial, [ROWS, *shape], with 0 in place of what is not finite."""
    drawn = rebuilt.training.draw_samples(rebuilt.snapshot, rebuilt.batch.measurement.samples)
    return drawn[list(rebuilt.files).index(key), :ROWS].nan_to_num(0.0, 0.0, 0.0)


def describe_images(extractor: Extractor | None, source: Source, device: object, images: Tensor) -> Tensor:
    """Return what the distance of images is measured on, [n, d]: their features, or the images themselves."""
    import torch

    from ganbench.evaluation.extraction import extract_in_chunks

    if extractor is None:
        return images.flatten(1).float()
    assert isinstance(device, torch.device)
    return extract_in_chunks(extractor, images, device, source.range)["features"].float()


def find_nearest(queries: Tensor, source: Source, measure: Callable[[Tensor], Tensor], tell: Tell) -> Tensor:
    """Return the indices of the training data nearest to each query by Euclidean distance, [q, k], the nearest first.

    The training data are compared a block at a time, so that they need not fit into memory.
    """
    import torch

    best = torch.full((len(queries), 0), torch.inf)
    indices = torch.zeros((len(queries), 0), dtype=torch.long)
    for block in iterate_blocks(source.size):
        distances = torch.cdist(queries, measure(take_rows(source, block)))
        best = torch.cat([best, distances], 1)
        indices = torch.cat([indices, block.expand(len(queries), -1)], 1)
        best, order = best.topk(min(NEAREST, best.shape[1]), largest=False)
        indices = indices.gather(1, order)
        tell(int(block[-1]) + 1, source.size)
    return indices


def iterate_blocks(size: int) -> Iterator[Tensor]:
    """Yield the indices of all training data in blocks."""
    import torch

    return iter(torch.arange(size).split(BLOCK))


def take_rows(source: Source, indices: Tensor) -> Tensor:
    """Return training samples at these indices in float32 on the CPU."""
    from ganbench.engine.pixels import scale_bytes

    assert source.take is not None
    return scale_bytes(source.take(indices).cpu(), source)


def read_reference(rebuilt: RebuiltBatch) -> Array:
    """Return some reference samples of a batch's data, whose range is the scale of all images of a sheet."""
    from ganbench.engine.pixels import scale_bytes

    source = rebuilt.training.source
    reference: Array = scale_bytes(source.reference(POINTS), source).cpu().numpy()
    return reference


def require_images(rebuilt: RebuiltBatch) -> None:
    """Raise GanbenchError unless the samples of a batch are images."""
    shape: Sequence[int] = rebuilt.training.source.shape
    if len(shape) != 3:
        raise GanbenchError(
            f"{rebuilt.batch.label}: its samples have the shape {list(shape)}, and this sheet is of images "
            "[channels, height, width]. `ganbench samples` draws others over the data."
        )
