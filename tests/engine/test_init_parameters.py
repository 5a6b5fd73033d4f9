"""Spectral normalisation, and other terms that ask for weights only, leave the normalisations of a critic alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ganbench import Ask, Networks, Space
from ganbench.api.trials import Mode
from ganbench.engine.program import Link, Program
from torch import Tensor, nn

from ganbench_plugins.constraints import spectral_norm
from tests.support.small_games import LATENT, NS, images, make_training


class ForeignNorm(nn.Module):
    """A normalisation that is not torch's: its gain has one axis, its bias those of the maps."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain[:, None, None] + self.bias


def normalised_critics(norm: Any) -> Space:
    """Return a space whose critic normalises its maps of 4 x 2 x 2."""

    def networks(spec: Any, ask: Ask) -> Networks:
        generator = nn.Sequential(nn.Linear(LATENT, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
        critic = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2), norm(), nn.Tanh(), nn.Flatten(), nn.Linear(16, 1, bias=False), nn.Flatten(0)
        )
        return Networks(generator=generator, critic=critic, latent=LATENT, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks)


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("norm", [lambda: nn.LayerNorm([4, 2, 2]), lambda: nn.RMSNorm([4, 2, 2]), ForeignNorm])
def test_spectral_norm_constrains_the_layers_of_a_critic_and_not_its_norms(norm: Any, mode: Mode) -> None:
    """The bias of a LayerNorm over [C, H, W] has three axes and begins with zeros: divided by its norm, it is NaN."""
    program = Program(objective=NS, constraints=(Link("part", 1.0, spectral_norm.build()),))
    *_, last = make_training(program, normalised_critics(norm), images(), mode=mode, steps=3).run()
    assert last.state["part"].keys() == {"0.weight", "4.weight"}
    assert all(bool(p.isfinite().all()) for p in last.ensemble.detached["critic"].values())
