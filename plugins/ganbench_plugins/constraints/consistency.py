"""Consistency regularisation: the critic shall score a sample and a slightly changed one alike.

Zhang, Zhang, Odena, Lee 2020, "Consistency Regularization for Generative Adversarial Networks", arXiv:1910.12027; Zhao,
Singh, Lee, Zhang, Odena, Zhang 2021, "Improved Consistency Regularization for GANs", arXiv:2002.04724.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from ganbench import Constraint, Draw, GanbenchError, Offer, Play, Scalar, hookimpl
from torch import Tensor

Augment = Literal["flip-and-shift", "jitter"]
Change = Callable[[Tensor, Mapping[str, Tensor], str], Tensor]


def reflect(places: Tensor, size: int) -> Tensor:
    """Return places in [0, size), those outside reflected at the edge pixel."""
    return (size - 1) - ((size - 1) - places.abs()).abs()


def flip_and_shift(x: Tensor, draws: Mapping[str, Tensor], side: str, pixels: int) -> Tensor:
    """Return images [n, c, h, w], half of them mirrored, each shifted by up to `pixels` along either axis.

    What comes in at an edge is the reflection of what is there.
    """
    if x.ndim != 4:
        raise GanbenchError(
            f"augment = 'flip-and-shift' changes images [channels, height, width]; these samples are "
            f"{list(x.shape[1:])}. Use augment = 'jitter', or a dataset of images."
        )
    count = 2 * pixels + 1
    for axis, name, mirrored in ((2, "down", 1), (3, "right", 2)):
        size = x.shape[axis]
        places = torch.arange(size, device=x.device).reshape([-1 if i == axis else 1 for i in range(4)])
        choice = (draws[f"{side}.{name}"] * count * mirrored).floor().remainder(count * mirrored).long()
        source = reflect(places - choice.remainder(count) + pixels, size)
        x = x.gather(axis, torch.where(choice < count, source, size - 1 - source).expand_as(x))
    return x


def make_change(augment: Augment, pixels: int, sigma: Scalar) -> tuple[Change, dict[str, Draw]]:
    """Return the change, and the draws that it needs for a side, by name."""
    if augment == "jitter":
        return lambda x, draws, side: x + sigma * draws[f"{side}.noise"], {"noise": Draw("normal", "data")}
    draws = {"down": Draw("uniform"), "right": Draw("uniform")}
    return lambda x, draws, side: flip_and_shift(x, draws, side, pixels), draws


def build_consistency(
    augment: Augment = "flip-and-shift", pixels: Annotated[int, Ge(0)] = 2, sigma: Scalar = 0.05
) -> Constraint:
    """Build E (D(x) - D(T(x)))^2 at real samples.

    T mirrors half of the images and shifts each by up to `pixels`, or with "jitter", for data of any shape, adds
    N(0, sigma^2). The authors' weight is 10.
    """
    change, draws = make_change(augment, pixels, sigma)

    def term(play: Play) -> Tensor:
        return (play.scores_real - play.critic(change(play.real, play.draws, "real"))).square().mean()

    return Constraint(critic=term, draws={f"real.{name}": draw for name, draw in draws.items()})


def build_balanced_consistency(
    augment: Augment = "flip-and-shift",
    pixels: Annotated[int, Ge(0)] = 2,
    sigma: Scalar = 0.05,
    real: Scalar = 1.0,
    fake: Scalar = 1.0,
) -> Constraint:
    """Build the term at real and at fake samples: `real` E (D(x) - D(T(x)))^2 + `fake` E (D(x~) - D(T(x~)))^2.

    T is that of `consistency`. The authors' weight is 10 on both sides.
    """
    change, draws = make_change(augment, pixels, sigma)

    def term(play: Play) -> Tensor:
        on_real = (play.scores_real - play.critic(change(play.real, play.draws, "real"))).square().mean()
        on_fake = (play.scores_fake - play.critic(change(play.fake, play.draws, "fake"))).square().mean()
        return real * on_real + fake * on_fake

    sides = {f"{side}.{name}": draw for side in ("real", "fake") for name, draw in draws.items()}
    return Constraint(critic=term, draws=sides)


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "consistency",
        build_consistency,
        "Makes the critic score a real sample and a changed one alike.",
        reference="Zhang et al. 2020, arXiv:1910.12027, equation 3",
        formula="E (D(x) - D(T(x)))^2, T a flip and a shift",
    )
    yield Offer(
        "balanced-consistency",
        build_balanced_consistency,
        "Makes the critic score samples and changed ones alike, real and fake.",
        reference="Zhao et al. 2021, arXiv:2002.04724, algorithm 1 (bCR)",
        formula="E (D(x) - D(T(x)))^2 + E (D(x~) - D(T(x~)))^2",
    )
