"""Planted mistakes in networks that grow: each is `progressive` with one thing wrong in its second stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from ganbench import Networks, Offer, Space
from torch import Tensor

from ganbench_plugins.architectures import progressive
from tests.support.planted_mistakes import Planted


def stages(mistake: str, message: str, spoil: Callable[[Networks], Networks]) -> Planted:
    """Return the space with the last stage as `spoil` returns it."""

    def build() -> Space:
        space = progressive.build(filters=2, widest=4, latent=3)

        def networks(spec: Any, ask: Any) -> tuple[Networks, ...]:
            built = space.networks(spec, ask)
            assert isinstance(built, tuple)
            return *built[:-1], spoil(built[-1])

        return replace(space, networks=networks)

    return Planted("architectures", Offer(mistake, build, "An architecture."), message)


def prepare_by(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Networks], Networks]:
    return lambda networks: replace(networks, prepare=change)


def show_at_once(player: str) -> Callable[[Networks], Networks]:
    def spoil(networks: Networks) -> Networks:
        setattr(getattr(networks, player), "fades", False)  # noqa: B010
        return networks

    return spoil


def count_progress(networks: Networks) -> Networks:
    networks.generator.register_buffer("progress", torch.zeros((), dtype=torch.long))
    return networks


def fade(x: Tensor, progress: Tensor) -> Tensor:
    return progressive.prepare(x, progress, x.shape[-1], 0.5)


STAGE_MISTAKES = (
    stages("a stage without steps", "share = 0.0: give a positive", lambda networks: replace(networks, share=0.0)),
    stages("a progress of integers", "torch.int64, and the engine writes a number between 0 and 1", count_progress),
    stages("a generator that jumps", "the generator's samples are not those", show_at_once("generator")),
    stages("a critic that jumps", "the critic's answers to enlarged samples", show_at_once("critic")),
    stages(
        "real images that jump", "real samples are not those", prepare_by(partial(progressive.prepare, side=8, fade=0))
    ),
    stages(
        "real images that stay blurred",
        "return x there",
        prepare_by(lambda x, progress: progressive.double(progressive.shrink(x, x.shape[-1] // 2))),
    ),
    stages(
        "real images less their mean",
        "treat each row on its own",
        prepare_by(lambda x, progress: fade(x - (1 - progress) * x.mean(0), progress)),
    ),
    stages(
        "real images with noise",
        "no random numbers in `prepare`",
        prepare_by(lambda x, progress: fade(x + (1 - progress) * torch.randn_like(x), progress)),
    ),
    stages(
        "real images that grow at last",
        "return one, whatever the progress",
        prepare_by(lambda x, progress: fade(x, progress) if progress > 0.25 else progressive.shrink(x, 4)),
    ),
)
