"""Networks that grow while they train, from images of 4 x 4 pixels to those of the data; or the same at full size.

Karras et al. 2017, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", arXiv:1710.10196,
section 2 and table 2; details from the authors' code. Both networks have as many blocks as the side of the images has
doublings from 4 pixels. In the first part of a stage its new block fades in: the networks, and the real images, go from
those of the stage before, enlarged to the nearest pixels, to their own. Weights are equalised in every layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from ganbench import Ask, GanbenchError, Networks, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganbench_plugins.architectures.convolutions import SMALLEST, count_doublings, read_side
from ganbench_plugins.architectures.mlp import refuse_less_than_one
from ganbench_plugins.architectures.parts import EqualConv2d, EqualLinear, MinibatchStd, PixelNorm

SLOPE = 0.2
"""The slope of the leaky rectifiers below 0."""


def double(x: Tensor) -> Tensor:
    """Return maps or images of twice the side; each pixel becomes four."""
    return interpolate(x, scale_factor=2)


def find_alpha(progress: Tensor, fade: float) -> Tensor:
    """Return the weight of a stage's new layers at this progress of the stage: it rises to 1 in the part `fade`."""
    return (progress / fade).clamp(max=1)


def make_generator_block(inputs: int, outputs: int) -> nn.Sequential:
    """Build the layers between two sides: two convolutions at the larger one, each with pixel norm."""
    layers = (EqualConv2d(inputs, outputs, 3), EqualConv2d(outputs, outputs, 3))
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.LeakyReLU(SLOPE), PixelNorm())))


class Generator(nn.Module):
    """A generator for images of the last of these sides, from latents [n, inputs] to [n, channels, side, side].

    `widths` are the channels of its maps by side, from the smallest on. `colours` are the sides at which maps become
    images: the last one, and those that it once had. With two or more and a `fade`, the last block fades in by the
    buffer `progress`.
    """

    progress: Tensor

    def __init__(self, inputs: int, channels: int, widths: Mapping[int, int], colours: list[int], fade: float) -> None:
        super().__init__()
        self.sides, self.fade, self.fades = list(widths), fade, fade > 0 and len(colours) > 1
        width = widths[SMALLEST]
        self.norm = PixelNorm()
        # the gain of the authors' code, a quarter of that of the other layers
        self.project = EqualLinear(inputs, width * SMALLEST**2, gain=2**0.5 / 4)
        self.first = nn.Sequential(
            nn.Unflatten(1, (width, SMALLEST, SMALLEST)),
            nn.LeakyReLU(SLOPE),
            PixelNorm(),
            EqualConv2d(width, width, 3),
            nn.LeakyReLU(SLOPE),
            PixelNorm(),
        )
        self.blocks = nn.ModuleDict(
            {str(side): make_generator_block(widths[side // 2], widths[side]) for side in self.sides[1:]}
        )
        self.images = nn.ModuleDict({str(side): EqualConv2d(widths[side], channels, 1, gain=1.0) for side in colours})
        if self.fades:
            self.register_buffer("progress", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """Return images [n, channels, side, side]; they are not bounded."""
        x = self.first(self.project(self.norm(z)))
        before = x
        for side in self.sides[1:]:
            before, x = x, self.blocks[str(side)](double(x))
        image: Tensor = self.images[str(self.sides[-1])](x)
        if not self.fades:
            return image
        small = self.images[str(self.sides[-2])](before)
        return torch.lerp(double(small), image, find_alpha(self.progress, self.fade))


def make_critic_block(inputs: int, outputs: int) -> nn.Sequential:
    """Build the layers between two sides: two convolutions at the larger one, then means of 2 x 2 pixels."""
    return nn.Sequential(
        EqualConv2d(inputs, inputs, 3),
        nn.LeakyReLU(SLOPE),
        EqualConv2d(inputs, outputs, 3),
        nn.AvgPool2d(2),
        nn.LeakyReLU(SLOPE),
    )


class Critic(nn.Module):
    """The mirror image of a generator with these widths and colours, with the answers that the method asks for.

    With `minibatch_std`, one more map before its last convolution tells how much the samples of a group differ.
    """

    progress: Tensor

    def __init__(
        self, ask: Ask, widths: Mapping[int, int], colours: list[int], fade: float, minibatch_std: bool
    ) -> None:
        super().__init__()
        self.sides, self.fade, self.fades = list(widths), fade, fade > 0 and len(colours) > 1
        self.shows_features = ask.head == "features"
        width = widths[SMALLEST]
        self.images = nn.ModuleDict(
            {
                str(side): nn.Sequential(EqualConv2d(ask.pack * ask.shape[0], widths[side], 1), nn.LeakyReLU(SLOPE))
                for side in colours
            }
        )
        self.blocks = nn.ModuleDict(
            {str(side): make_critic_block(widths[side], widths[side // 2]) for side in self.sides[1:]}
        )
        self.last = nn.Sequential(
            *[MinibatchStd()] * minibatch_std,
            EqualConv2d(width + minibatch_std, width, 3),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            EqualLinear(width * SMALLEST**2, width),
            nn.LeakyReLU(SLOPE),
        )
        self.score = EqualLinear(width, 1, gain=1.0)
        self.heads = nn.ModuleDict({name: EqualLinear(width, wide, gain=1.0) for name, wide in ask.heads.items()})
        if self.fades:
            self.register_buffer("progress", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Return the score [n], or a dict of all answers by name if the method asks for more."""
        *earlier, full = self.sides
        hidden = self.images[str(full)](x)
        if self.fades:
            small = self.images[str(earlier[-1])](avg_pool2d(x, 2))
            hidden = torch.lerp(small, self.blocks[str(full)](hidden), find_alpha(self.progress, self.fade))
            full, earlier = earlier[-1], earlier[:-1]
        for side in reversed([*earlier, full][1:]):
            hidden = self.blocks[str(side)](hidden)
        hidden = self.last(hidden)
        answers = {"score": self.score(hidden).squeeze(1)} | {name: head(hidden) for name, head in self.heads.items()}
        if self.shows_features:
            answers["features"] = hidden
        return answers if len(answers) > 1 else answers["score"]


def shrink(x: Tensor, side: int) -> Tensor:
    """Return images of this side, by means of 2 x 2 pixels, as often as it takes: stages agree in every bit."""
    while x.shape[-1] > side:
        x = avg_pool2d(x, 2)
    return x


def prepare(x: Tensor, progress: Tensor, side: int, fade: float) -> Tensor:
    """Return real images as those of a stage of this side: they fade in as the generator's new block does."""
    image = shrink(x, side)
    if side == SMALLEST or not fade:
        return image
    return torch.lerp(double(shrink(image, side // 2)), image, find_alpha(progress, fade))


def build(
    grow: tuple[bool, ...] = (True,),
    fade: float = 0.5,
    shares: tuple[float, ...] = (1.0, 2.0),
    filters: int = 32,
    widest: int = 512,
    latent: int = 128,
    minibatch_std: bool = True,
) -> Space:
    """Build networks for square images that are trained in stages of 4, 8, 16, ... pixels.

    With `grow = [false]` the same networks are trained at full size from the beginning, and with `grow = [true, false]`
    the space has both. New layers fade in during the part `fade`
    of a stage. `shares` are the stages' shares of the generator steps, relative to each other; the last one holds for
    all further stages. `filters` are the channels at the full side; they double at each halving, up to `widest`. The
    authors' networks for 1,024 pixels have 16, 512 and latents of 512. Images are in [-1, 1]; the generator's are not
    bounded.
    """
    refuse_less_than_one(filters=filters, widest=widest, latent=latent)
    if not grow or len(set(grow)) < len(grow):
        raise GanbenchError(f"grow = {list(grow)}: give true, false, or both, each once.")
    if not 0 <= fade < 1:
        raise GanbenchError(f"fade = {fade:g} is a part of a stage: give a number from 0 (at once) to below 1.")
    if not shares or min(shares) <= 0:
        raise GanbenchError(f"shares = {list(shares)}: give one positive number or more.")

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks | tuple[Networks, ...]:
        side = read_side("progressive", ask.shape)
        sides = [SMALLEST * 2**k for k in range(count_doublings(side) + 1)]
        widths = {at: min(widest, filters * side // at) for at in sides}

        def make(stage: int, colours: list[int]) -> Networks:
            own = {at: widths[at] for at in sides[: stage + 1]}
            return Networks(
                generator=Generator(latent + ask.latent, ask.shape[0], own, colours, fade),
                critic=Critic(ask, own, colours, fade, minibatch_std),
                latent=latent,
                rowwise=not minibatch_std,
                share=shares[min(stage, len(shares) - 1)],
                prepare=partial(prepare, side=sides[stage], fade=fade) if spec["grow"] else None,
            )

        if not spec["grow"]:
            return make(len(sides) - 1, [side])
        return tuple(make(stage, sides[: stage + 1]) for stage in range(len(sides)))

    return Space(sample=lambda rng: {"grow": rng.choice(grow)}, networks=networks, size=len(grow))


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "progressive",
        build,
        "Networks that grow from 4 x 4 pixels to the images of the data, with equalised layers.",
        reference="Karras et al. 2017, arXiv:1710.10196, section 2, table 2",
    )
