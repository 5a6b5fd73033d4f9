"""What a page is made from: the results of one suite, and the names under which it shows them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError
from ganbench.escaping import escape_unprintable
from ganbench.page.packing import show_text
from ganbench.report.shown import limit_values
from ganbench.results.files import list_networks
from ganbench.results.history import refuse_unplanned
from ganbench.suite.loading import restore

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry
    from ganbench.report.comparison import Comparison
    from ganbench.report.sides import Side
    from ganbench.results.frames import Frames
    from ganbench.suite.success import SuccessRule
    from ganbench.suite.suite import Suite

SHORT_KEY = 12
"""Characters of a trial's key that the page shows; every command takes them."""


@dataclass(frozen=True, eq=False)
class Source:
    """The results of one suite: `frames`, read with signals; `suite`; the `title` and the `folder` that readers see.

    `pictures` are samples side by side, each its title, what it shows in words, and its PNG; or `no_pictures` says why
    there are none. `thumbnails` are the samples of single trials by key, each what it shows in words and its PNG. Of a
    comparison, `frames` are the matched trials of all sides.
    """

    frames: Frames
    suite: Suite
    title: str
    folder: str
    pictures: tuple[tuple[str, str, bytes], ...] = ()
    no_pictures: str = ""
    thumbnails: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    comparison: Comparison | None = None

    @cached_property
    def shown(self) -> Frames:
        """The frames without the values that no table shows, where there are very many (`report.shown`)."""
        return limit_values(self.frames, self.rules)[0]

    @property
    def rules(self) -> tuple[SuccessRule, ...]:
        """The success rules of the suite, or those that all sides of a comparison have."""
        return self.comparison.rules if self.comparison else self.suite.success

    @cached_property
    def methods(self) -> Mapping[str, int]:
        """The methods by name, with the place of each: in the order of the suite, then any others of the results."""
        found = self.frames.trials["method"].drop_duplicates().tolist()
        known = [name for name in self.suite.method_names if name in set(found)]
        return {name: place for place, name in enumerate(dict.fromkeys([*known, *found]))}

    @property
    def datasets(self) -> list[str]:
        """The datasets in the order of the plan."""
        return self.frames.trials["dataset"].drop_duplicates().tolist()

    @cached_property
    def homes(self) -> Mapping[str, Frames]:
        """The results folders that the trials come from, as commands take them: the frames of each."""
        return {show_folder(side.folder): side.frames for side in self.sides} or {self.folder: self.frames}

    @property
    def sides(self) -> tuple[Side, ...]:
        """The results folders that a comparison opened, each as a side; none where it is no comparison."""
        return tuple(home for side in (self.comparison.opened if self.comparison else ()) for home in side.homes)

    def locate(self, key: str) -> tuple[str, str]:
        """Return the results folder of a trial, and the start of its key there, as commands take them."""
        if self.comparison is None:
            return self.folder, key[:SHORT_KEY]
        side, _, own = key.partition(":")
        folder, found = self.comparison.opened[int(side)].locate(own)
        return show_folder(folder), found[:SHORT_KEY]


def compared_source(comparison: Comparison) -> Source:
    """Return a comparison as what a page is made from."""
    title = " against ".join(show_text(side) for side in comparison.sides)
    folders = dict.fromkeys(show_folder(home.folder) for side in comparison.opened for home in side.homes)
    drawn = " and ".join(f"`ganbench samples {shlex.quote(folder)}`" for folder in folders)
    return Source(
        comparison.frames,
        comparison.opened[0].suite,
        title,
        next(iter(folders)),
        no_pictures=f"A comparison has no samples: {drawn} draws those of each side.",
        comparison=comparison,
    )


def show_folder(results: Path) -> str:
    """Return a results folder as a page names it: as it was typed, or its last name, so that no page tells a home."""
    return results.resolve().name if results.is_absolute() else str(results)


def read_source(results: Path, plugins: Registry | None = None) -> Source:
    """Return the results of a folder; raise GanbenchError where nothing is planned, naming the folder.

    With `plugins`, samples are drawn too: that builds the networks that the results name.
    """
    from ganbench.results.store import read

    frames = read(results)
    refuse_unplanned(frames.runs, results)
    try:
        suite = restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{results}: {error}") from error
    name = results.resolve().name
    source = Source(frames, suite, show_text(name), show_folder(results))
    if suite.imported and not list_networks(results):
        return replace(source, no_pictures="Trained elsewhere and imported: there are no models to draw samples of.")
    if plugins is None:
        return replace(source, no_pictures="This page was written without samples: `ganbench samples` draws them.")
    return draw_samples(source, results, plugins)


def draw_samples(source: Source, results: Path, plugins: Registry) -> Source:
    """Return the source with pictures of samples; with the reason, where the folder has no models or lacks a plugin."""
    from ganbench.report.sample_source import SampleSource, refuse_kept_none
    from ganbench.report.samples import draw_cells, list_cells
    from ganbench.report.thumbnails import choose_pictured, draw_thumbnails

    try:
        refuse_kept_none(results, source.frames)
        if not list_networks(results):
            return replace(source, no_pictures="No models are stored in this folder, so there are no samples to show.")
        samples, cells = SampleSource(results, source.frames, plugins), list_cells(source.frames)
        sheets = draw_cells(samples, cells)
        small = draw_thumbnails(samples, choose_pictured(source.frames, cells))
    except GanbenchError as error:
        return replace(source, no_pictures=f"No samples could be drawn: {escape_unprintable(str(error))}")
    pictures = tuple((title, alt, reduce_colours(png)) for title, alt, png in sheets)
    return replace(source, pictures=pictures, thumbnails=small)


def reduce_colours(png: bytes) -> bytes:
    """Return a picture with 64 colours: a third of its size."""
    from io import BytesIO

    from PIL import Image

    content = BytesIO()
    with Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").quantize(64).save(content, format="png", optimize=True)
    return content.getvalue()
