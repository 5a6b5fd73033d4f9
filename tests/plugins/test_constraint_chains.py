"""Constraints in a chain, each with its weight, train the same in a stack of seeds as in a loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ganbench import registry
from ganbench.engine.program import Link, Program
from torch import Tensor

from ganbench_plugins.constraints import weight_clipping
from tests.support import device as test_device
from tests.support.small_games import NS, conv, images, make_training, mlp, ring

PLUGINS = registry.load()


def link(name: str, weight: float = 1.0, suffix: str = "", **options: Any) -> Link:
    return Link(name + suffix, weight, PLUGINS.build("constraints", name, options))


SLOPES = (link("gradient-penalty", 0.1), link("r1", 0.2), link("r2", 0.3), link("dragan", 0.1))
SCORES = (link("drift", 1e-3), link("lecam", 0.1), link("weight-decay", 1e-3))
GENERATOR = (link("path-length", 0.5), link("orthogonal", 1e-4))
IMAGES = (link("consistency", 1.0, pixels=1), link("balanced-consistency", 0.5, pixels=1))
CHAINS = {
    "r1 and r2": (link("r1", 5.0), link("r2", 5.0)),
    "slopes, scores and the generator": (*SLOPES, *SCORES, *GENERATOR),
    "r1 twice": (link("r1", 0.5), link("r1", 0.5, ".2")),
    "both reparametrised and wrapped": (link("spectral-norm"), link("gradient-normalisation"), *SCORES),
    "clipped and penalised": (link("gradient-penalty", 0.1), link("weight-clipping", bound=0.3)),
    "all on images": (*SLOPES, *SCORES, *GENERATOR, *IMAGES, link("gradient-normalisation"), link("spectral-norm")),
    "the exact norm": (link("spectral-norm", operator="convolution", side=4), link("lecam", 0.1)),
}


def train(name: str, mode: str) -> tuple[Any, Tensor]:
    """Return the last snapshot of three seeds, and their samples."""
    on_images = name in ("all on images", "the exact norm")
    program = Program(objective=NS, constraints=CHAINS[name])
    run = make_training(program, conv() if on_images else mlp(), images() if on_images else ring(), mode=mode, steps=6)
    *_, last = run.run()
    return last, run.draw_samples(last, 20)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_ends_alike_stacked_and_looped(name: str) -> None:
    (stacked, samples), (looped, others) = train(name, "stack"), train(name, "loop")
    torch.testing.assert_close(samples, others, rtol=0, atol=1e-6)
    assert stacked.diverged_at == looped.diverged_at == [-1, -1, -1]
    for part in CHAINS[name]:
        if part.part.critic is not None:
            values = stacked.signals[f"term.{part.name}"][1]
            torch.testing.assert_close(values, looped.signals[f"term.{part.name}"][1], rtol=0, atol=1e-8)
            assert (values != 0).all()


def test_the_terms_of_a_chain_add_up_each_with_its_weight() -> None:
    """R1 twice with weight 1/2 is R1 once with weight 1."""
    once = make_training(Program(objective=NS, constraints=(link("r1", 1.0),)), mlp(), ring(), steps=6)
    *_, last = once.run()
    torch.testing.assert_close(train("r1 twice", "stack")[1], once.draw_samples(last, 20), rtol=0, atol=1e-9)


def test_a_chain_with_a_weight_of_0_is_training_without_it() -> None:
    parts = tuple(Link(part.name, 0.0, part.part) for part in (*SLOPES, *SCORES))
    idle, plain = (
        make_training(Program(objective=NS, constraints=constraints), mlp(), ring(), steps=6)
        for constraints in (parts, ())
    )
    samples = []
    for run in (idle, plain):
        *_, last = run.run()
        samples.append(run.draw_samples(last, 20))
    torch.testing.assert_close(*samples, rtol=0, atol=1e-12)


def test_clipping_follows_an_annealed_bound() -> None:
    """A bound that is a scheduled number: the weights are within it after each step."""
    bound = torch.tensor(0.5, dtype=torch.float64, device=test_device.DEVICE)
    program = Program(objective=NS, constraints=(Link("weight-clipping", 1.0, weight_clipping.build(bound=bound)),))
    run = make_training(program, mlp(), ring(), steps=6)
    stage = run.begin_stage(0)
    for t, value in enumerate((0.5, 0.2, 0.1, 0.05)):
        bound.fill_(value)
        run.train_step(t, stage.game, stage.inputs)
        largest = max(float(p.abs().max()) for p in stage.game.ensemble.detached["critic"].values())
        assert largest <= value
        assert largest > 0.9 * value


def test_path_length_is_due_in_every_fourth_step_and_keeps_its_mean_between() -> None:
    run = make_training(Program(objective=NS, constraints=(link("path-length"),)), mlp(), ring(), steps=9)
    *_, last = run.run()
    moves = (last.signals["path-length.mean"][1].diff(dim=1) != 0).all(0).nonzero().flatten().tolist()
    assert moves == [3, 7]  # after steps 4 and 8, counted from 0; the first is due at step 0
