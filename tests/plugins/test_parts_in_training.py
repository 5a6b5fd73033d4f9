"""Parts of networks train the same stacked and in a loop, and keep what they must."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import torch
from ganbench import Space
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training

from ganbench_plugins.architectures import mlp
from tests.support.small_games import GP, NS, make_training, ring

GENERATOR: tuple[Any, ...] = ("equalised", "pixel-norm", {"name": "virtual-batch-norm", "rows": 6})
CRITIC: tuple[Any, ...] = (
    "equalised",
    {"name": "maxout", "pieces": 2},
    {"name": "minibatch-discrimination", "kernels": 3, "width": 2},
    "minibatch-stddev",
)
LATENT = 3


def make_space() -> Space:
    sizes: dict[str, Any] = {
        f"{player}_{size}": n for player in ("generator", "critic") for size, n in (("depth", 2), ("width", 8))
    }
    space = mlp.build_mlp(
        **sizes, generator_normalised=True, latent=LATENT, generator_parts=GENERATOR, critic_parts=CRITIC
    )
    return replace(space, networks=lambda _, ask: space.networks(space.sample(Random(0)), ask))


def train(mode: str, steps: int = 6) -> tuple[Training, Snapshot]:
    program = Program(objective=NS, constraints=(Link("gp", 1.0, GP),))
    training = make_training(program, make_space(), ring(), mode=mode, steps=steps)
    *_, last = training.run()
    return training, last


def test_stack_mode_and_loop_mode_give_the_same_result_through_a_gradient_penalty() -> None:
    (_, stacked), (_, looped), (_, early) = train("stack"), train("loop"), train("stack", steps=1)
    assert stacked.diverged_at == [-1, -1, -1]
    for player in ("generator", "critic"):
        for name, weight in stacked.ensemble.detached[player].items():
            assert (weight != early.ensemble.detached[player][name]).any(), name
            torch.testing.assert_close(weight, looped.ensemble.detached[player][name], rtol=0, atol=1e-9)


def test_each_seed_has_a_reference_batch_of_its_own_which_training_does_not_change() -> None:
    references = [train("stack", steps)[1].ensemble.buffers["generator"]["reference"] for steps in (1, 6)]
    assert torch.equal(*references)
    assert references[0].shape == (3, 6, LATENT)
    assert not torch.equal(references[0][0], references[0][1])


def test_a_sample_of_a_trained_generator_with_virtual_batch_norm_does_not_depend_on_its_batch() -> None:
    training, last = train("stack")
    ensemble = last.ensemble
    member = {
        name: tensor[1]
        for stacked in (last.generators, ensemble.buffers["generator"])
        for name, tensor in stacked.items()
    }
    z = torch.randn(16, LATENT, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(training.device)

    def generate(z: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(ensemble.networks.generator, member, (z,))

    together = generate(z)
    torch.testing.assert_close(together, torch.cat([generate(half) for half in z.split(8)]), rtol=0, atol=1e-12)
    assert together.std(0).min() > 1e-3
