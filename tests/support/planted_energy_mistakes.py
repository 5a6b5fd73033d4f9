"""Planted mistakes in losses on a reconstruction with a controller, and in recipes with a plateau."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from ganbench import Example, Method, Objective, Offer, State, Use
from torch import Tensor

from tests.support.planted_mistakes import Planted

GAMMA, RATE = 0.5, 0.001


def read_error(answer: Tensor, x: Tensor) -> Tensor:
    return (answer - x).abs().flatten(1).mean(1)


def start() -> State:
    return {"k": torch.zeros(())}


def critic(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
    k = (state["k"] + RATE * (GAMMA * real.mean() - fake.mean())).clamp(0, 1)
    return real.mean() - state["k"] * fake.mean(), {"k": k}


def generator(_real: Tensor | None, fake: Tensor, state: State) -> tuple[Tensor, State]:
    return fake.mean(), state


def rename_the_state(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
    value, after = critic(real, fake, state)
    return value, {"k_next": after["k"]}


def widen_the_state(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
    value, after = critic(real, fake, state)
    return value, {"k": after["k"] + 0 * real}


def read_k_as_a_number(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
    k = min(max(float(state["k"]) + RATE * float(GAMMA * real.mean() - fake.mean()), 0.0), 1.0)
    return real.mean() - k * fake.mean(), {"k": torch.tensor(k)}


def clip_by_an_if(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
    k = state["k"] + RATE * (GAMMA * real.mean() - fake.mean())
    if k < 0:
        k = torch.zeros_like(k)
    return real.mean() - state["k"] * fake.mean(), {"k": k}


def away_from_real(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
    value, after = critic(real, fake, state)
    return -value, after


def up_with_the_fakes(_real: Tensor | None, fake: Tensor, state: State) -> tuple[Tensor, State]:
    return -fake.mean(), state


def planted_loss(mistake: str, message: str, critic=critic, generator=generator, **facts) -> Planted:
    """Return a BEGAN with a planted mistake; `facts` are fields of the offer, or of the objective."""
    fields = {name: facts.pop(name) for name in ("read", "init") if name in facts}
    fields = {"read": read_error, "init": start, "head": "reconstruction", **fields}
    offer = Offer(
        mistake, lambda: Objective(critic, generator, **fields), "A loss.", **{"high_is_real": False, **facts}
    )
    return Planted("losses", offer, message)


def planted_recipe(mistake: str, message: str, plateau: Mapping[str, object]) -> Planted:
    return Planted(
        "methods", Offer(mistake, lambda: Method(loss=Use("wasserstein"), plateau=plateau), "A recipe."), message
    )


ERRORS = {"real": [[3.0], [0.0]], "fake": [[4.0], [-2.0]]}
SQUARED = (Example(ERRORS, {"critic": 4.5}, "(9 + 0)/2, with exponent 2"),)

ENERGY_MISTAKES = (
    planted_loss("a controller whose state changes its name", "return every leaf", rename_the_state),
    planted_loss("a controller with a state per sample", "keep its dtype and shape", widen_the_state),
    planted_loss("a controller of Python's numbers", "takes a number out of a tensor", read_k_as_a_number),
    planted_loss("a controller clipped by an if", "decides by a tensor's value", clip_by_an_if),
    planted_loss("an autoencoder that forgets real samples", "never puts fake above real", away_from_real),
    planted_loss(
        "a generator that wants to be reconstructed badly", "never moves fake scores down", generator=up_with_the_fakes
    ),
    planted_loss("an error of exponent 1 for 2", "but its example says 4.5", examples=SQUARED),
    planted_recipe("a plateau of a factor above 1", "factor = 2 must be in (0, 1)", {"factor": 2.0}),
    planted_recipe("a plateau without patience", "patience = 0 is not a number", {"patience": 0}),
    planted_recipe(
        "a plateau without a signal",
        "objective.measure, and its loss 'wasserstein' has none",
        {"signal": "objective.measure"},
    ),
    planted_recipe(
        "a plateau of a misspelt setting", "unknown 'patiense'", {"signal": "objective.measure", "patiense": 5}
    ),
)
