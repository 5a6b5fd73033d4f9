"""Planted mistakes in constraints with a state, a wrap or a change of samples: what goes wrong in public code."""

from __future__ import annotations

from typing import Any

import torch
from ganbench import Constraint, Draw, Offer
from torch import Tensor
from torch.func import grad

from tests.support.planted_mistakes import Planted


def constraint(mistake: str, message: str, **fields: Any) -> Planted:
    """Return a constraint with a planted mistake."""
    return Planted("constraints", Offer(mistake, lambda: Constraint(**fields), "A constraint."), message)


def averages(parameters: Any, rng: torch.Generator) -> dict[str, Tensor]:
    return {"real": torch.zeros(()), "fake": torch.zeros(())}


def distance_to_average(play: Any, state: Any) -> Tensor:
    value: Tensor = (play.scores_real - state["fake"]).square().mean()
    return value


def lecam_that_forgets_an_average(play: Any, state: Any) -> Any:
    return distance_to_average(play, state), {"real": play.scores_real.mean()}


def lecam_of_every_score(play: Any, state: Any) -> Any:
    return distance_to_average(play, state), {"real": play.scores_real, "fake": play.scores_fake}


def lecam_in_place(play: Any, state: Any) -> Any:
    value = distance_to_average(play, state)
    state["fake"].add_(0.1 * play.scores_fake.detach().mean())
    return value, state


def drift_of_detached_scores(play: Any) -> Tensor:
    value: Tensor = play.scores_real.detach().square().mean()
    return value


def orthogonality_of_the_other_player(play: Any) -> Tensor:
    weights = [p for p in play.generator_parameters.values() if p.ndim >= 2]
    return sum(((w @ w.T).square().sum() for w in weights), torch.zeros(()))


def consistency_with_one_shift_for_all(play: Any) -> Tensor:
    changed = play.real + play.draws["shift"][:1]
    value: Tensor = (play.scores_real - play.critic(changed)).square().mean()
    return value


def dragan_with_noise_of_its_own(play: Any) -> Tensor:
    place = play.real + 0.5 * play.real.std() * torch.rand_like(play.real)
    slopes = grad(lambda x: play.critic(x).sum())(place).flatten(1).square().sum(1)
    value: Tensor = ((slopes + 1e-12).sqrt() - 1).square().mean()
    return value


def normalise_by_a_bare_root(critic: Any) -> Any:
    def normalised(x: Tensor) -> Tensor:
        slopes = grad(lambda at: critic(at).sum())(x).flatten(1).square().sum(1).sqrt()
        value: Tensor = critic(x) / slopes
        return value

    return normalised


def path_length_of_the_first_row(play: Any) -> Tensor:
    gradient = grad(lambda z: (play.generator(z) * play.draws["y"]).sum())(play.latent)
    lengths = (gradient.square().sum(1) + 1e-12).sqrt()
    value: Tensor = (lengths[0] - 1).square()
    return value


NEW_CONSTRAINTS = (
    constraint(
        "lecam that forgets an average", "return every leaf", critic=lecam_that_forgets_an_average, init=averages
    ),
    constraint("lecam of every score", "[4] after a step", critic=lecam_of_every_score, init=averages),
    constraint("lecam in place", "in place", critic=lecam_in_place, init=averages),
    constraint("drift of detached scores", "no gradient in the critic's parameters", critic=drift_of_detached_scores),
    constraint(
        "orthogonality of the other player",
        "no gradient in the critic's parameters",
        critic=orthogonality_of_the_other_player,
    ),
    constraint(
        "one shift for all samples",
        "not the first sample's",
        critic=consistency_with_one_shift_for_all,
        draws={"shift": Draw("uniform", "sample")},
    ),
    constraint("noise of its own", "draws random numbers", critic=dragan_with_noise_of_its_own),
    constraint("a slope by a bare root", "put 1e-12 under the root", wrap=normalise_by_a_bare_root),
    constraint(
        "a path length of the first row",
        "not the first sample's",
        generator=path_length_of_the_first_row,
        draws={"y": Draw("normal", "data")},
    ),
)
