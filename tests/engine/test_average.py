"""The average of the generator's weights follows its formula: from the start, from a later step, and with a ramp-up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench.api.schedules import AverageDecay, harmonic_number
from ganbench.engine.snapshot import Snapshot

from tests.support.small_games import make_training, mlp, ns_gan, ring

STEPS = 8


def train_average(**average: Any) -> list[Snapshot]:
    """Return the snapshots at every step of a short training with an average."""
    training = make_training(replace(ns_gan(), **average), mlp(), ring(), steps=STEPS)
    training.budget = replace(training.budget, snapshots=tuple(range(1, STEPS + 1)))
    return list(training.run())


def get(snapshot: Snapshot, averaged: bool) -> torch.Tensor:
    """Return one parameter of a snapshot, averaged or as it is."""
    tensors = snapshot.average if averaged else snapshot.generators
    assert tensors is not None
    return next(iter(tensors.values()))


def stylegan2_ada(step: int, half_life: float, rampup: float, batch: int = 64) -> float:
    """Return the decay as training_loop.py of StyleGAN2-ADA computes it, in images; `step` is counted from 0."""
    images = batch * half_life
    images = min(images, step * batch * rampup)
    return float(0.5 ** (batch / max(images, 1e-8)))


def test_an_average_with_a_start_is_the_weights_until_then_and_averages_from_there_on() -> None:
    snapshots = train_average(ema=0.75, ema_start=3)
    for snapshot in snapshots[:3]:
        assert torch.equal(get(snapshot, True), get(snapshot, False))
    by_hand = get(snapshots[2], False)
    for snapshot in snapshots[3:]:
        by_hand = 0.75 * by_hand + 0.25 * get(snapshot, False)
        assert torch.allclose(get(snapshot, True), by_hand, rtol=1e-12)
        assert not torch.equal(get(snapshot, True), get(snapshot, False))


def test_an_average_with_a_rampup_is_that_of_stylegan2_ada() -> None:
    """A half-life of 3 steps at last, at most 0.6 times the steps so far: the ramp ends at step 5."""
    decay = 0.5 ** (1 / 3)
    by_hand = torch.zeros(())
    for step, snapshot in enumerate(train_average(ema=decay, ema_rampup=0.6)):
        beta = stylegan2_ada(step, 3.0, 0.6)
        assert AverageDecay(decay, 0, 0.6)(step) == pytest.approx(beta, rel=1e-12)
        by_hand = beta * by_hand + (1 - beta) * get(snapshot, False)
        assert torch.allclose(get(snapshot, True), by_hand, rtol=1e-12)


def test_a_rampup_counts_from_the_start() -> None:
    """Decays by hand, half-lives of 0.5, 1, 1.5 steps: 0.5^2, 0.5, 0.5^(2/3); never above the decay 0.6."""
    average = AverageDecay(0.6, start=2, rampup=0.5)
    assert [average(step) for step in range(7)] == pytest.approx([0, 0, 0, 0.25, 0.5, 0.6, 0.6])
    by_hand = torch.zeros(())
    for step, snapshot in enumerate(train_average(ema=0.6, ema_start=2, ema_rampup=0.5)):
        by_hand = average(step) * by_hand + (1 - average(step)) * get(snapshot, False)
        assert torch.allclose(get(snapshot, True), by_hand, rtol=1e-12)


def test_without_a_start_the_first_average_is_the_initial_weights() -> None:
    first = train_average(ema=0.75)[0]
    initial = next(iter(make_training(ns_gan(), mlp(), ring()).ensembles[0].detached["generator"].values()))
    assert torch.allclose(get(first, True), 0.75 * initial + 0.25 * get(first, False), rtol=1e-12)


@pytest.mark.parametrize("average", [(0.9,), (0.9, 5), (0.99, 0, 0.5), (0.99, 3, 2.0), (0.9, 0, 0.05), (0.999, 0, 1e3)])
@pytest.mark.parametrize("steps", [1, 6, 40, 3000])
def test_the_share_of_the_first_weights_is_the_product_of_all_decays(average: Any, steps: int) -> None:
    decay = AverageDecay(*average)
    product, first = 1.0, decay.start + (decay.rampup > 0)
    for step in range(first, steps):
        product *= decay(step)
    assert decay.share_of_first(steps) == pytest.approx(product if steps > first else 0.0, rel=1e-9)


def test_the_harmonic_numbers_agree_where_they_meet() -> None:
    assert harmonic_number(3) == pytest.approx(11 / 6)
    assert harmonic_number(1001) == pytest.approx(harmonic_number(1000) + 1 / 1001, rel=1e-12)
