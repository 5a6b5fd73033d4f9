"""Methods that ganbench does not ship fit the plugin API, in both modes: growing networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from ganbench import Space
from ganbench.engine.ensemble import Ensemble
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import interpolate

from tests.support import device, unshipped_methods
from tests.support.small_games import LATENT, NS, Spy, images, make_training, ring


def link(name: str, part: object, weight: float = 1.0) -> tuple[Link, ...]:
    return (Link(name, weight, part),)


CASES: dict[str, tuple[Program, Callable[[], Space]]] = {
    "growing": (Program(objective=NS), unshipped_methods.make_growing_space),
}


def make_case(name: str, mode: str, steps: int = 6, **changes: object) -> Training:
    program, space = CASES[name]
    source = images() if name == "growing" else ring()
    return make_training(program, space(), source, mode=mode, steps=steps, **changes)


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


# Architectures


def test_a_grown_network_starts_as_the_small_one_upsampled_exactly() -> None:
    run, starts = make_case("growing", "stack", steps=6), []
    open_game = run.open_game

    def spy(ensemble: Ensemble, previous: object) -> object:
        parameters = {name: p.detach().clone() for name, p in ensemble.parameters["generator"].items()}
        starts.append((ensemble, parameters))
        return open_game(ensemble, previous)

    run.open_game = spy
    run.budget = replace(run.budget, snapshots=(3, 6))
    middle, last = run.run()
    (_, _), (grown, initial) = starts
    z = draw_latents()
    small = generate(middle.ensemble, middle.generators, z)
    grown.set_progress(0.0)
    large = generate(grown, initial, z)
    upsampled = interpolate(small.flatten(0, 1), scale_factor=2).view_as(large)
    assert torch.equal(large, upsampled)
    for name, value in middle.generators.items():
        assert torch.equal(initial[name], value), name
    assert any((initial[name] != value).any() for name, value in last.generators.items())


def test_a_stage_prepares_its_data_by_its_own_progress() -> None:
    spy = Spy()
    space = unshipped_methods.make_growing_space()

    def networks(spec: object, ask: object) -> object:
        def with_spy(stage: object) -> object:
            def prepare(x: Tensor, progress: Tensor) -> Tensor:
                prepared = stage.prepare(x, progress)  # type: ignore[attr-defined]
                spy.note((tuple(prepared.shape[1:]), float(progress)))
                return prepared

            return replace(stage, prepare=prepare)  # type: ignore[type-var]

        return tuple(with_spy(stage) for stage in space.networks(spec, ask))  # type: ignore[arg-type,union-attr]

    run = make_training(
        Program(objective=NS), replace(space, networks=networks), images(), seeds=(0,), mode="loop", steps=8
    )
    train(run)
    calls = spy.notes()
    # one call to find the shape of a sample, then one in each of the critic's four steps
    assert [call for call in calls if call[0] == (1, 2, 2)] == [((1, 2, 2), t) for t in (0, 0, 0.25, 0.5, 0.75)]
    assert [call for call in calls if call[0] == (1, 4, 4)] == [((1, 4, 4), t) for t in (0, 0, 0.25, 0.5, 0.75)]
