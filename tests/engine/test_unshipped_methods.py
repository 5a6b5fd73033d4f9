"""Methods that ganbench does not ship fit the plugin API, in both modes: InfoGAN, growing networks and more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from ganbench import Input, Space
from ganbench.engine.ensemble import Ensemble
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import interpolate

from tests.support import unshipped_methods
from tests.support.small_games import GP, LATENT, NS, Spy, images, make_training, ring


def link(name: str, part: object, weight: float = 1.0) -> tuple[Link, ...]:
    return (Link(name, weight, part),)


CASES: dict[str, tuple[Program, Callable[[], Space]]] = {
    "infogan": (Program(objective=NS, inputs=link("codes", unshipped_methods.infogan())), unshipped_methods.make_space),
    "path length": (
        Program(objective=NS, constraints=link("path", unshipped_methods.path_length()), critic_steps=lambda t: 2),
        unshipped_methods.make_space,
    ),
    "pacgan": (Program(objective=NS, inputs=link("pack", Input(pack=2))), unshipped_methods.make_space),
    "pacgan under a gradient penalty": (
        Program(objective=NS, inputs=link("pack", Input(pack=2)), constraints=link("gp", GP)),
        unshipped_methods.make_space,
    ),
    "virtual batch norm": (
        Program(objective=NS),
        lambda: unshipped_methods.make_space(unshipped_methods.VirtualNormGenerator),
    ),
    "gradient normalisation": (
        Program(objective=NS, constraints=link("norm", unshipped_methods.gradient_normalisation())),
        unshipped_methods.make_space,
    ),
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
    return torch.randn(16, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("name", CASES)
def test_stack_mode_and_loop_mode_give_the_same_result(name: str) -> None:
    runs = [make_case(name, mode) for mode in ("stack", "loop")]
    stacked, looped = map(train, runs)
    z = draw_latents(LATENT + 4 if name == "infogan" else LATENT)
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


# InfoGAN


def test_infogans_bound_rises_towards_the_entropy_of_its_codes_and_never_exceeds_it() -> None:
    """L_I <= H(c): log 3 for the category, -log(2 pi) / 2 for a tilt on [0, 1] with a fixed std of 1."""

    def fast_adam(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.02)  # type: ignore[arg-type]

    signals = train(make_case("infogan", "stack", steps=120, optimizer=fast_adam)).signals
    category, tilt = signals["codes.category"][1], signals["codes.tilt"][1]
    assert category.max() < math.log(3)
    assert tilt.max() < -math.log(2 * math.pi) / 2
    assert (category[:, -10:].mean(1) > 0.8 * math.log(3)).all()
    assert (category[:, 0] < 0.3 * math.log(3)).all()


# Path length


def test_path_length_is_due_at_every_fourth_generator_step_and_keeps_the_mean_in_its_state() -> None:
    mean = train(make_case("path length", "stack", steps=9)).signals["path.mean"][1]
    changes = (mean.diff(dim=1) != 0).all(0).nonzero().flatten().tolist()
    assert changes == [3, 7]  # after steps 4 and 8, counted from 0; the first is due at step 0
    assert (mean.diff(dim=1)[:, [0, 1, 2, 4, 5, 6]] == 0).all()
    assert (mean[:, 0] > 0).all()


def test_the_path_length_of_a_linear_generator_is_the_norm_of_the_transposed_map_of_the_noise() -> None:
    """G(z) = W z with W = diag(3, 4), y = (1, 1): |W'y| = 5; the mean moves from 0 by a quarter of the distance."""
    play = SimpleNamespace(
        generator=lambda z: z * torch.tensor([3.0, 4.0]), latent=torch.randn(5, 2), draws={"y": torch.ones(5, 2)}
    )
    value, state = unshipped_methods.path_length().generator(play, {"mean": torch.zeros(())})
    assert float(state["mean"]) == pytest.approx(1.25, abs=1e-6)
    assert float(value) == pytest.approx(3.75**2, rel=1e-6)


# Constraints that change the critic's function


def test_the_score_of_a_normalised_linear_critic_is_its_value_over_the_sum_of_slope_and_absolute_value() -> None:
    """By hand, f / (|w| + |f|): with w = (3, 4) and f = 5 it is 1/2; it is always in (-1, 1)."""
    wrapped = unshipped_methods.gradient_normalisation().wrap(lambda x: x @ torch.tensor([3.0, 4.0]))
    scores = wrapped(torch.tensor([[1.0, 0.5], [-1.0, -0.5], [0.0, 0.0], [300.0, 400.0]]))
    assert scores.tolist() == pytest.approx([0.5, -0.5, 0.0, 500 / 501], abs=1e-6)


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
