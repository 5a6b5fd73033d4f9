"""Sheets on labels and codes of a generator's input: a row for each label, each class of a code, each code swept.

Chen et al. 2016, InfoGAN, arXiv:1606.03657, figure 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError
from ganbench.report.figures import Picture
from ganbench.report.output import file_names
from ganbench.report.sample_relations import PLACES, choose_trials, read_reference
from ganbench.report.sample_source import SampleSource, TrialSamples
from ganbench.report.samples import draw_sheet
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.runner.rebuild import RebuiltBatch, restore_members

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.api.training import Draw
    from ganbench.registry.registry import Registry

ENDS = {"uniform": (0.0, 1.0), "normal": (-2.0, 2.0), "sign": (-1.0, 1.0)}
"""Where the sweep of a code of each law begins and ends."""


def list_codes(folder: Path, frames: Frames, plugins: Registry, key: str = "") -> list[Picture]:
    """Return a sheet of the codes of one trial, whose key may be shortened, or for each method that has codes.

    Labels that the generator takes are codes, too. Raise GanbenchError if no method of the results has any.
    """
    source = SampleSource(folder, frames, plugins)
    chosen = [each for each in choose_trials(source, key) if has_codes(source, each[0])]
    if not chosen:
        whose = f"the method of trial {key} adds no" if key else "no method with a trained trial adds"
        raise GanbenchError(
            f"{folder}: {whose} codes or labels to the generator's input, and --codes draws what they do. The inputs "
            "'infogan' and 'class-labels' add some."
        )
    names = file_names([f"{about} codes" for _, _, about, _ in chosen])
    return [
        (f"{name}.png", partial(draw_codes, source, each, title))
        for name, (each, _, _, title) in zip(names, chosen, strict=True)
    ]


def has_codes(source: SampleSource, key: str) -> bool:
    """Return whether the inputs of a trial's method add codes or labels to the generator's input."""
    with Store(source.folder, readonly=True) as store:
        inputs = restore_members(store.detail(key))[0].recipe.inputs
    built = (source.plugins.build("inputs", part.name, part.options) for part in inputs)
    return any(part.latent or part.conditional for part in built)


def draw_codes(source: SampleSource, key: str, title: str) -> bytes:
    """Return the sheet of a trial as PNG: images in rows, everything else as points over the data, a panel a row."""
    rebuilt = source.open(key)
    reference, place = read_reference(rebuilt), list(rebuilt.files).index(key)
    columns = PLACES if len(rebuilt.training.source.shape) == 3 else rebuilt.training.budget.batch_size
    rows = [(name, TrialSamples(samples.numpy(), reference)) for name, samples in vary_codes(rebuilt, place, columns)]
    return draw_sheet(rows, f"{title}: its codes", columns)


def vary_codes(rebuilt: RebuiltBatch, at: int, columns: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the samples [n, *shape] of each row of one member's sheet.

    A label, and a class of a code, has a row of samples with different noise, the same for every row. The row of a code
    that is swept is one sample. The latents are the first that were scored; each change is made in a batch of the
    training's size, whose other rows stay, because batch normalisation depends on them.
    """
    import torch

    from ganbench.engine.model import Model
    from ganbench.engine.step_inputs import declare_latents, draw_evaluation_latent

    training, snapshot = rebuilt.training, rebuilt.snapshot
    model, rows = Model(training, snapshot, at), training.budget.batch_size
    members, count = [training.members[snapshot.members[at]]], -(-rebuilt.batch.measurement.samples // rows)
    latents = draw_evaluation_latent(training.program, model.networks, members, rows, count, training.data)[0, 0]
    labels = model.draw_labels(rows * count)
    labels = None if labels is None else labels[:rows]

    @torch.no_grad()
    def generate(number: int, places: slice, code: Tensor) -> Tensor:
        """Return the first samples with this code at these places of their latents."""
        changed = latents.clone()
        changed[:number, places] = code.to(latents)
        return model.generator(changed, labels)[:number].float()

    if labels is not None:
        for label in range(training.source.classes):
            of_label = labels.clone()
            of_label[:columns] = label
            with torch.no_grad():
                yield f"label: {label}", model.generator(latents, of_label)[:columns].float()
    start = 0
    for name, draw in declare_latents(training.program, model.networks).items():
        width = draw_width(draw)
        if name != "noise":
            yield from vary_code(name, draw, start, width, generate, columns)
        start += width


def vary_code(
    name: str, draw: Draw, start: int, width: int, generate: Callable[[int, slice, Tensor], Tensor], columns: int
) -> Iterator[tuple[str, Tensor]]:
    """Yield the rows of one code, whose numbers begin at `start` of the latents: of its classes, or of its sweeps."""
    import torch

    size = draw.shape[-1] if draw.law == "onehot" and isinstance(draw.shape, tuple) else 1
    for part in range(width // size):
        places = slice(start + part * size, start + (part + 1) * size)
        title = name if width == size else f"{name} {part + 1}"
        if draw.law == "onehot":
            for index, code in enumerate(torch.eye(size)):
                yield f"{title}: {index}", generate(columns, places, code)
        else:
            low, high = ENDS[draw.law]
            sweep = [generate(1, places, at) for at in torch.linspace(low, high, columns)]
            yield f"{title}: {low:g} to {high:g}", torch.cat(sweep)


def draw_width(draw: Draw) -> int:
    """Return how many numbers of a latent a code takes."""
    return math.prod(draw.shape) if isinstance(draw.shape, tuple) else 1
