"""Differentiable augmentation: real and generated images are changed by one law before the critic sees them.

Zhao, Liu, Lin, Zhu, Han 2020, "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738, and the
authors' code, whose ranges are those for images in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from ganbench import Draw, GanbenchError, Input, Offer, hookimpl
from torch import Tensor

Policy = Literal["color", "translation", "cutout"]
Draws = Mapping[str, Tensor]
DRAWS: dict[Policy, tuple[str, ...]] = {
    "color": ("brightness", "saturation", "contrast"),
    "translation": ("down", "right"),
    "cutout": ("row", "column"),
}
"""The numbers from U[0, 1], one per sample, that each change reads."""


def change_color(x: Tensor, draws: Draws) -> Tensor:
    """Return images of other brightness (-0.5 to 0.5), then saturation (0 to 2), then contrast (0.5 to 1.5)."""
    x = x + (draws["brightness"] - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * 2 * draws["saturation"]
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.5 + draws["contrast"])


def choose(draw: Tensor, first: int, count: int) -> Tensor:
    """Return one of `count` integers from `first` on for each number of U[0, 1], all with the same probability."""
    return first + (draw * count).floor().remainder(count).long()


def share(ratio: float, size: int) -> int:
    """Return a share of a side in pixels, rounded half up."""
    return int(ratio * size + 0.5)


def translate(x: Tensor, draws: Draws, ratio: float) -> Tensor:
    """Return images moved by up to `ratio` of a side along either axis; the pixels that come in are 0."""
    for axis, name in ((2, "down"), (3, "right")):
        size = x.shape[axis]
        reach = share(ratio, size)
        places = torch.arange(size, device=x.device).reshape([-1 if i == axis else 1 for i in range(4)])
        source = places - choose(draws[name], -reach, 2 * reach + 1)
        is_inside = (source >= 0) & (source < size)
        x = x.gather(axis, source.clamp(0, size - 1).expand_as(x)) * is_inside
    return x


def cut_out(x: Tensor, draws: Draws, ratio: float) -> Tensor:
    """Return images with a rectangle of 0, `ratio` of either side; a part of it may lie outside."""
    is_cut = torch.ones_like(x[:, :1], dtype=torch.bool)
    for axis, name in ((2, "row"), (3, "column")):
        size, side = x.shape[axis], share(ratio, x.shape[axis])
        places = torch.arange(size, device=x.device).reshape([-1 if i == axis else 1 for i in range(4)])
        first = choose(draws[name], -(side // 2), size + 1 - side % 2)
        is_cut = is_cut & (places >= first) & (places < first + side)
    return x * ~is_cut


def build(
    policy: tuple[Policy, ...] = ("color", "translation", "cutout"),
    translation: Annotated[float, Gt(0), Le(1)] = 0.125,
    cutout: Annotated[float, Gt(0), Le(1)] = 0.5,
) -> Input:
    """Build the changes of `policy`, one after another, drawn anew for each sample in each step of either player.

    `translation` is the farthest shift and `cutout` the side of the rectangle, both as a share of the image's side.
    Grey images have no saturation to change.
    """
    if not policy or len(set(policy)) < len(policy):
        raise GanbenchError(f"policy = {list(policy)}: give each change once, at least one of {', '.join(DRAWS)}.")
    changes: dict[Policy, Callable[[Tensor, Draws], Tensor]] = {
        "color": change_color,
        "translation": lambda x, draws: translate(x, draws, translation),
        "cutout": lambda x, draws: cut_out(x, draws, cutout),
    }

    def view(x: Tensor, draws: Draws, progress: Tensor) -> Tensor:
        if x.ndim != 4:
            raise GanbenchError(
                f"input 'differentiable-augmentation' changes images [channels, height, width]; these samples are "
                f"{list(x.shape[1:])}. Choose a dataset of images, or remove it."
            )
        for name in policy:
            x = changes[name](x, draws)
        return x

    return Input(view=view, draws={name: Draw("uniform", "sample") for part in policy for name in DRAWS[part]})


@hookimpl
def ganbench_inputs() -> Iterator[Offer]:
    yield Offer(
        "differentiable-augmentation",
        build,
        "Changes colour and place of all images that the critic sees, and cuts out a part of them.",
        reference="Zhao et al. 2020, arXiv:2006.10738, section 3, and the authors' code",
        formula="D(T(x)), D(T(G(z))), T differentiable and drawn anew each time",
    )
