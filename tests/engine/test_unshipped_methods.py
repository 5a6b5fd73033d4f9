"""Methods that ganbench does not ship fit the plugin API, in both modes: BEGAN and virtual batch norm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from ganbench import Space
from ganbench.engine.ensemble import Ensemble
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from torch import Tensor
from torch.func import functional_call

from tests.support import device, unshipped_methods
from tests.support.small_games import LATENT, NS, make_training, ring


def link(name: str, part: object, weight: float = 1.0) -> tuple[Link, ...]:
    return (Link(name, weight, part),)


CASES: dict[str, tuple[Program, Callable[[], Space]]] = {
    "began": (Program(objective=unshipped_methods.began()), unshipped_methods.make_space),
    "virtual batch norm": (
        Program(objective=NS),
        lambda: unshipped_methods.make_space(unshipped_methods.VirtualNormGenerator),
    ),
}


def make_case(name: str, mode: str, steps: int = 6, **changes: object) -> Training:
    program, space = CASES[name]
    return make_training(program, space(), ring(), mode=mode, steps=steps, **changes)


def train(run: Training) -> Snapshot:
    *_, last = run.run()
    return last


def generate(ensemble: Ensemble, parameters: dict[str, Tensor], z: Tensor) -> Tensor:
    """Return every member's samples for the same latents, in double precision."""
    members = [
        {name: t[i] for stacked in (parameters, ensemble.buffers["generator"]) for name, t in stacked.items()}
        for i in range(len(next(iter(parameters.values()))))
    ]
    return torch.stack([functional_call(ensemble.networks.generator, tensors, (z,)) for tensors in members]).detach()


def draw_latents(width: int = LATENT) -> Tensor:
    latents = torch.randn(16, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return latents.to(device.DEVICE)


@pytest.mark.parametrize("name", CASES)
def test_stack_mode_and_loop_mode_give_the_same_result(name: str) -> None:
    runs = [make_case(name, mode) for mode in ("stack", "loop")]
    stacked, looped = map(train, runs)
    z = draw_latents()
    stacked_samples, looped_samples = (generate(last.ensemble, last.generators, z) for last in (stacked, looped))
    torch.testing.assert_close(stacked_samples, looped_samples, rtol=0, atol=1e-9)
    assert (stacked_samples[0] - stacked_samples[1]).abs().max() > 1e-3, "two seeds must give different samples"
    scored_samples = [run.draw_samples(last, 20) for run, last in zip(runs, (stacked, looped), strict=True)]
    assert scored_samples[0].shape == (3, 20, *runs[0].source.shape)
    torch.testing.assert_close(*scored_samples, rtol=0, atol=1e-6)
    assert stacked.diverged_at == looped.diverged_at == [-1, -1, -1]
    for signal, (steps, values) in stacked.signals.items():
        assert looped.signals[signal][0] == steps
        torch.testing.assert_close(values, looped.signals[signal][1], rtol=0, atol=1e-9, equal_nan=True)


# BEGAN


def test_began_steers_k_by_its_rule_and_keeps_it_within_its_bounds() -> None:
    """The rule: k <- clip(k + l (g L(x) - L(G)), 0, 1), M = L(x) + |g L(x) - L(G)|, from k = 0."""
    signals = train(make_case("began", "stack", steps=40)).signals
    k, measure, real, fake = (signals[f"objective.{name}"][1] for name in ("k", "measure", "real", "fake"))
    before = torch.cat([torch.zeros(3, 1, dtype=torch.float64), k[:, :-1]], 1)
    torch.testing.assert_close(k, (before + 0.5 * (0.5 * real - fake)).clamp(0, 1), rtol=0, atol=1e-14)
    torch.testing.assert_close(measure, real + (0.5 * real - fake).abs(), rtol=0, atol=1e-14)
    assert k.max() > 0.01
    torch.testing.assert_close(signals["loss.critic"][1], real - before * fake, rtol=0, atol=1e-14)


# Architectures


def test_virtual_batch_norm_treats_rows_independently_and_keeps_its_reference() -> None:
    last, z = train(make_case("virtual batch norm", "stack")), draw_latents()
    together = generate(last.ensemble, last.generators, z)
    halves = [generate(last.ensemble, last.generators, half) for half in z.split(8)]
    torch.testing.assert_close(together, torch.cat(halves, 1), rtol=0, atol=1e-12)
    short_run = make_case("virtual batch norm", "stack", steps=1)
    reference = train(short_run).ensemble.buffers["generator"]["reference"]
    assert torch.equal(last.ensemble.buffers["generator"]["reference"], reference)
    assert not torch.equal(reference[0], reference[1]), "each seed must have its own reference"
