"""Later methods, rehearsed: the records hold BEGAN, InfoGAN, growing networks and others, mapped and looped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from ganbench import Constraint, Input, Space
from ganbench.engine.ensemble import Ensemble
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import interpolate

from tests.support import rehearsed_methods as rehearsals
from tests.support.small_games import GP, LATENT, NS, images, ring, training


def link(name: str, part: object, weight: float = 1.0) -> tuple[Link, ...]:
    return (Link(name, weight, part),)


REHEARSALS: dict[str, tuple[Program, Callable[[], Space]]] = {
    "began": (Program(objective=rehearsals.began()), rehearsals.answering),
    "ebgan, pulling away": (
        Program(
            objective=rehearsals.ebgan(),
            constraints=link("away", Constraint(generator=rehearsals.pulling_away), 0.1),
        ),
        rehearsals.answering,
    ),
    "infogan": (Program(objective=NS, inputs=link("codes", rehearsals.infogan())), rehearsals.answering),
    "path length": (
        Program(objective=NS, constraints=link("path", rehearsals.path_length()), critic_steps=lambda t: 2),
        rehearsals.answering,
    ),
    "pacgan": (Program(objective=NS, inputs=link("pack", Input(pack=2))), rehearsals.answering),
    "pacgan under a gradient penalty": (
        Program(objective=NS, inputs=link("pack", Input(pack=2)), constraints=link("gp", GP)),
        rehearsals.answering,
    ),
    "mmd-gan under a gradient penalty": (
        Program(objective=rehearsals.mmd_gan(), constraints=link("gp", GP)),
        rehearsals.answering,
    ),
    "virtual batch norm": (Program(objective=NS), lambda: rehearsals.answering(rehearsals.Virtual)),
    "sinkhorn, no critic": (
        Program(objective=rehearsals.sinkhorn(), critic_steps=lambda t: 0),
        rehearsals.critic_free,
    ),
    "gradient normalisation": (
        Program(objective=NS, constraints=link("norm", rehearsals.gradient_normalisation())),
        rehearsals.answering,
    ),
    "growing": (Program(objective=NS), rehearsals.growing),
}


def rehearse(name: str, mode: str, steps: int = 6, **changes: object) -> Training:
    program, space = REHEARSALS[name]
    source = images() if name == "growing" else ring()
    return training(program, space(), source, mode=mode, steps=steps, **changes)


def final(run: Training) -> Snapshot:
    *_, last = run.run()
    return last


def generated(ensemble: Ensemble, parameters: dict[str, Tensor], z: Tensor) -> Tensor:
    """Every member's samples of the same latents, in full precision."""
    own = [
        {name: t[i] for held in (parameters, ensemble.buffers["generator"]) for name, t in held.items()}
        for i in range(len(next(iter(parameters.values()))))
    ]
    return torch.stack([functional_call(ensemble.networks.generator, each, (z,)) for each in own]).detach()


def latents(width: int = LATENT) -> Tensor:
    return torch.randn(16, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("name", REHEARSALS)
def test_mapped_is_looped(name: str) -> None:
    runs = [rehearse(name, mode) for mode in ("stack", "loop")]
    stacked, looped = map(final, runs)
    z = latents(LATENT + 4 if name == "infogan" else LATENT)
    ours, theirs = (generated(last.ensemble, last.generators, z) for last in (stacked, looped))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    assert (ours[0] - ours[1]).abs().max() > 1e-3, "two seeds must not be one"
    judged = [run.draw_samples(last, 20) for run, last in zip(runs, (stacked, looped), strict=True)]
    assert judged[0].shape == (3, 20, *runs[0].source.shape)
    torch.testing.assert_close(*judged, rtol=0, atol=1e-6)
    assert stacked.diverged_at == looped.diverged_at == [-1, -1, -1]
    for signal, (steps, values) in stacked.signals.items():
        assert looped.signals[signal][0] == steps
        torch.testing.assert_close(values, looped.signals[signal][1], rtol=0, atol=1e-9, equal_nan=True)


# BEGAN


def test_began_steers_k_by_its_rule_and_keeps_it_within_its_bounds() -> None:
    """The rule: k <- clip(k + l (g L(x) - L(G)), 0, 1), M = L(x) + |g L(x) - L(G)|, from k = 0."""
    signals = final(rehearse("began", "stack", steps=40)).signals
    k, measure, real, fake = (signals[f"objective.{name}"][1] for name in ("k", "measure", "real", "fake"))
    before = torch.cat([torch.zeros(3, 1, dtype=torch.float64), k[:, :-1]], 1)
    torch.testing.assert_close(k, (before + 0.5 * (0.5 * real - fake)).clamp(0, 1), rtol=0, atol=1e-14)
    torch.testing.assert_close(measure, real + (0.5 * real - fake).abs(), rtol=0, atol=1e-14)
    assert k.max() > 0.01
    torch.testing.assert_close(signals["loss.critic"][1], real - before * fake, rtol=0, atol=1e-14)


# EBGAN


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_ebgans_least_critic_loss_is_the_margin_times_the_laws_common_mass(margin: float) -> None:
    """It is m sum min(p, q): with a free energy per atom of p = (3, 1, 0) / 4 and q = (1, 1, 2) / 4, half of m."""
    real, fake = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 2])
    objective = rehearsals.ebgan(margin)
    ticks = torch.linspace(0, 1.5 * margin, 7, dtype=torch.float64)
    energies = torch.cartesian_prod(ticks, ticks, ticks)  # the loss is linear between 0 and m, and rises above
    losses = [objective.critic(energy[real], energy[fake]).item() for energy in energies]
    assert min(losses) == pytest.approx(margin / 2, abs=1e-12)
    assert objective.generator(None, ticks).item() == pytest.approx(0.75 * margin, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0]], 1.0),
        ([[1.0, 0.0], [0.0, 5.0]], 0.0),
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 1 / 3),
    ],
)
def test_pulling_away_is_the_mean_squared_cosine_of_different_rows(rows: list[list[float]], value: float) -> None:
    play = SimpleNamespace(answers_fake={"embedding": torch.tensor(rows)})
    assert float(rehearsals.pulling_away(play)) == pytest.approx(value, abs=1e-6)


# InfoGAN


def test_infogans_bound_rises_towards_the_entropy_of_its_codes_and_never_above() -> None:
    """L_I <= H(c): log 3 for the category, -log(2 pi) / 2 for a tilt on [0, 1] with a fixed std of 1."""

    def quick(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.02)  # type: ignore[arg-type]

    signals = final(rehearse("infogan", "stack", steps=120, optimizer=quick)).signals
    category, tilt = signals["codes.category"][1], signals["codes.tilt"][1]
    assert category.max() < math.log(3)
    assert tilt.max() < -math.log(2 * math.pi) / 2
    assert (category[:, -10:].mean(1) > 0.8 * math.log(3)).all()
    assert (category[:, 0] < 0.3 * math.log(3)).all()


# Path length


def test_path_length_is_due_at_every_fourth_generator_step_and_remembers_the_mean() -> None:
    mean = final(rehearse("path length", "stack", steps=9)).signals["path.mean"][1]
    changes = (mean.diff(dim=1) != 0).all(0).nonzero().flatten().tolist()
    assert changes == [3, 7]  # after steps 4 and 8, counted from 0; the first is due at step 0
    assert (mean.diff(dim=1)[:, [0, 1, 2, 4, 5, 6]] == 0).all()
    assert (mean[:, 0] > 0).all()


def test_the_path_length_of_a_linear_generator_is_that_of_the_pulled_back_noise() -> None:
    """G(z) = W z with W = diag(3, 4), y = (1, 1): |W'y| = 5; from mean 0 the mean moves a quarter of the way."""
    play = SimpleNamespace(
        generator=lambda z: z * torch.tensor([3.0, 4.0]), latent=torch.randn(5, 2), draws={"y": torch.ones(5, 2)}
    )
    value, state = rehearsals.path_length().generator(play, {"mean": torch.zeros(())})
    assert float(state["mean"]) == pytest.approx(1.25, abs=1e-6)
    assert float(value) == pytest.approx(3.75**2, rel=1e-6)


# Distances, with a critic and without


def test_the_unbiased_mmd_of_a_batch_with_itself_is_below_zero_as_it_must_be() -> None:
    """Two points at distance 1, c = e^(-1/2): c + c - 2 (2 + 2c) / 4 = c - 1."""
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    assert float(rehearsals.mmd(x, x)) == pytest.approx(math.exp(-0.5) - 1, abs=1e-12)


def test_the_sinkhorn_divergence_is_zero_on_equal_batches_and_falls_in_training() -> None:
    x = latents()
    assert float(rehearsals.sinkhorn_divergence(x, x)) == pytest.approx(0, abs=1e-12)
    assert float(rehearsals.sinkhorn_divergence(x, x + 3)) > 1

    def quick(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.05)  # type: ignore[arg-type]

    here = ring()
    away = replace(here, draw=lambda generator, n: here.draw(generator, n) + 3)  # type: ignore[misc]
    program, space = REHEARSALS["sinkhorn, no critic"]
    last = final(training(program, space(), away, steps=80, optimizer=quick))
    value = last.signals["loss.generator"][1]
    assert (value[:, :3].mean(1) > 10).all()
    assert (value[:, -3:].mean(1) < 2).all()
    assert (last.updates["critic"], last.updates["generator"]) == (0, 80)


# What changes the critic's function


def test_a_normalised_linear_critic_scores_its_distance_over_one_plus_itself() -> None:
    """By hand, f / (|w| + |f|): with w = (3, 4) and f = 5, 1/2; it never leaves (-1, 1)."""
    wrapped = rehearsals.gradient_normalisation().wrap(lambda x: x @ torch.tensor([3.0, 4.0]))
    scores = wrapped(torch.tensor([[1.0, 0.5], [-1.0, -0.5], [0.0, 0.0], [300.0, 400.0]]))
    assert scores.tolist() == pytest.approx([0.5, -0.5, 0.0, 500 / 501], abs=1e-6)


# Architectures


def test_virtual_batch_norm_lets_no_row_see_another_and_keeps_its_reference() -> None:
    run = rehearse("virtual batch norm", "stack")
    last, z = final(run), latents()
    whole = generated(last.ensemble, last.generators, z)
    halves = [generated(last.ensemble, last.generators, half) for half in z.split(8)]
    torch.testing.assert_close(whole, torch.cat(halves, 1), rtol=0, atol=1e-12)
    untrained = rehearse("virtual batch norm", "stack", steps=1)
    reference = final(untrained).ensemble.buffers["generator"]["reference"]
    assert torch.equal(last.ensemble.buffers["generator"]["reference"], reference)
    assert not torch.equal(reference[0], reference[1]), "each seed has its own reference"


def test_a_grown_network_starts_as_the_small_one_upsampled_exactly() -> None:
    run, opened = rehearse("growing", "stack", steps=6), []
    open_ = run.open_game

    def spy(ensemble: Ensemble, before: object) -> object:
        held = {name: p.detach().clone() for name, p in ensemble.parameters["generator"].items()}
        opened.append((ensemble, held))
        return open_(ensemble, before)

    run.open_game = spy
    run.budget = replace(run.budget, snapshots=(3, 6))
    middle, last = run.run()
    (_, _), (grown, born) = opened
    z = latents()
    small = generated(middle.ensemble, middle.generators, z)
    grown.set_progress(0.0)
    large = generated(grown, born, z)
    upsampled = interpolate(small.flatten(0, 1), scale_factor=2).view_as(large)
    assert torch.equal(large, upsampled)
    for name, value in middle.generators.items():
        assert torch.equal(born[name], value), name
    assert any((born[name] != value).any() for name, value in last.generators.items())


def test_a_stage_prepares_its_data_by_its_own_progress() -> None:
    seen: list[tuple[tuple[int, ...], float]] = []
    space = rehearsals.growing()

    def networks(spec: object, ask: object) -> object:
        def spied(stage: object) -> object:
            def prepare(x: Tensor, progress: Tensor) -> Tensor:
                made = stage.prepare(x, progress)  # type: ignore[attr-defined]
                seen.append((tuple(made.shape[1:]), float(progress)))
                return made

            return replace(stage, prepare=prepare)  # type: ignore[type-var]

        return tuple(spied(stage) for stage in space.networks(spec, ask))  # type: ignore[arg-type,union-attr]

    run = training(Program(objective=NS), replace(space, networks=networks), images(), seeds=(0,), mode="loop", steps=8)
    final(run)
    # once to learn the shape, then in each of the critic's four steps
    assert [at for at in seen if at[0] == (1, 2, 2)] == [((1, 2, 2), t) for t in (0, 0, 0.25, 0.5, 0.75)]
    assert [at for at in seen if at[0] == (1, 4, 4)] == [((1, 4, 4), t) for t in (0, 0, 0.25, 0.5, 0.75)]
