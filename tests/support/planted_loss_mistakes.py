"""Planted mistakes in losses of other families, and in a term on features: what papers' formulas go wrong by."""

from __future__ import annotations

import math

import ot
from ganbench import Constraint, Example, Method, Objective, Offer, Use
from torch import Tensor
from torch.nn.functional import normalize, relu, softplus

from tests.support.planted_mistakes import Planted

SPLIT = {"real": [math.log(3.0)], "fake": [-math.log(3.0)]}
JS = (Example(SPLIT, {"critic": 2 * math.log(4 / 3) - math.log(4)}, "the GAN's loss less log 4"),)
POINTS = {"real": [[0.0], [2.0]], "fake": [[1.0], [1.0]]}
ENERGY = (Example(POINTS, {"generator": 0.0}, "2 - 2 - 0, Szekely, Rizzo 2013"),)


def planted_loss(mistake: str, message: str, critic, generator, *, examples=(), facts=None, **fields) -> Planted:
    """Return a loss with a planted mistake; `facts` are fields of the offer, `fields` those of the objective."""
    offer = Offer(
        mistake, lambda: Objective(critic, generator, **fields), "A loss.", examples=examples, **(facts or {})
    )
    return Planted("losses", offer, message)


# f-GAN


def conjugate_of_a_rounded_activation(v: Tensor) -> Tensor:
    return -(2 - (math.log(2) - softplus(-v)).exp()).log()


def js_critic_without_log_2(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


# relativistic


def paired_critic(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(fake - real).mean()


def average_critic(real: Tensor, fake: Tensor) -> Tensor:
    return (relu(1 - (real - fake.mean())).mean() + relu(1 + (fake - real.mean())).mean()) / 2


# energies: low on real samples


def read_energy(answer: Tensor, x: Tensor) -> Tensor:
    return (answer - x).square().flatten(1).mean(1)


def read_bare_norm(answer: Tensor, x: Tensor) -> Tensor:
    return (answer - x).square().flatten(1).sum(1).sqrt()


def energy_critic(real: Tensor, fake: Tensor) -> Tensor:
    return real.mean() + relu(1 - fake).mean()


def energy_generator(_real: Tensor | None, fake: Tensor) -> Tensor:
    return fake.mean()


# distances of features


def distances(x: Tensor, y: Tensor) -> Tensor:
    return ((x.unsqueeze(1) - y).square().sum(2) + 1e-12).sqrt()


def bare_distances(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(1) - y).square().sum(2).sqrt()


def biased_energy(real: Tensor, fake: Tensor, pairs=distances) -> Tensor:
    return 2 * pairs(real, fake).mean() - pairs(real, real).mean() - pairs(fake, fake).mean()


def energy_with_bare_root(real: Tensor, fake: Tensor) -> Tensor:
    return biased_energy(real, fake, bare_distances)


def solve_transport(real: Tensor, fake: Tensor) -> Tensor:
    costs = (real.unsqueeze(1) - fake).square().sum(2)
    weights = costs.new_full((len(real),), 1 / len(real))
    return ot.sinkhorn2(weights, weights, costs, 1.0, method="sinkhorn_log", numItermax=3, warn=False)


def match_means(real: Tensor, fake: Tensor) -> Tensor:
    return (real.mean(0) - fake.mean(0)).square().sum()


def negate(loss):
    return lambda real, fake: -loss(real, fake)


FEATURES = {"head": "features", "paired": True}
LOW_IS_REAL = {"high_is_real": False}

LOSS_MISTAKES = (
    planted_loss(
        "a conjugate of a rounded activation",
        "write it with softplus",
        lambda r, f: conjugate_of_a_rounded_activation(f).mean() + softplus(-r).mean(),
        lambda r, f: softplus(-f).mean(),
    ),
    planted_loss(
        "an f-divergence without its constants",
        "the critic's loss is 0.575364 at",
        js_critic_without_log_2,
        lambda r, f: -softplus(f).mean(),
        examples=JS,
    ),
    planted_loss(
        "a relativistic generator whose sides are not swapped",
        "generator's loss never moves fake scores up",
        paired_critic,
        paired_critic,
        paired=True,
    ),
    planted_loss(
        "a relativistic average without paired",
        "declare paired=True",
        average_critic,
        lambda r, f: average_critic(f, r),
    ),
    planted_loss(
        "an energy declared as a score",
        "never puts real above fake",
        energy_critic,
        energy_generator,
        head="reconstruction",
        read=read_energy,
    ),
    planted_loss(
        "a margin that pulls fakes down",
        "never puts fake above real (high_is_real=False)",
        lambda r, f: r.mean() + relu(1 + f).mean(),
        energy_generator,
        head="reconstruction",
        read=read_energy,
        facts=LOW_IS_REAL,
    ),
    planted_loss(
        "a norm with a bare root",
        "where all samples are equal",
        energy_critic,
        energy_generator,
        head="reconstruction",
        read=read_bare_norm,
        facts=LOW_IS_REAL,
    ),
    planted_loss(
        "a biased energy distance",
        "but its example says 0 (2 - 2 - 0",
        negate(biased_energy),
        biased_energy,
        examples=ENERGY,
        **FEATURES,
    ),
    planted_loss(
        "an energy distance with a bare root",
        "where all samples are equal",
        negate(energy_with_bare_root),
        energy_with_bare_root,
        **FEATURES,
    ),
    planted_loss(
        "a witness of the other side",
        "for 6 samples: return one number for each",
        negate(biased_energy),
        biased_energy,
        witness=lambda seen, real, fake: distances(seen, fake).mean(),
        **FEATURES,
    ),
    planted_loss(
        "a transport solver that does not map",
        "`if` on a tensor",
        negate(solve_transport),
        solve_transport,
        **FEATURES,
    ),
    planted_loss(
        "means matched, undeclared",
        "declare paired=True",
        negate(match_means),
        match_means,
        head="features",
    ),
)


def pull_away_detached(play) -> Tensor:
    directions = normalize(play.answers_fake["features"].detach(), dim=1)
    return (directions @ directions.T).square().mean()


def pull_away_row_by_row(play) -> Tensor:
    directions = normalize(play.answers_fake["features"], dim=1)
    return (directions @ directions.T).square().mean(1)


def pull_away_by_hand(play) -> Tensor:
    directions = normalize(play.answers_fake["features"], dim=1)
    cosines = directions @ directions.T
    return cosines[cosines < 1].square().mean()


TERM_MISTAKES = tuple(
    Planted("constraints", Offer(mistake, lambda term=term: Constraint(generator=term), "A constraint."), message)
    for mistake, message, term in (
        ("pulling detached features away", "no gradient", pull_away_detached),
        ("pulling away row by row", "return one number", pull_away_row_by_row),
        ("pairs chosen by a mask", "mask", pull_away_by_hand),
    )
)

RECIPE_MISTAKES = (
    Planted(
        "methods",
        Offer("critic steps without a critic", lambda: Method(loss=Use("sinkhorn")), "A recipe."),
        "critic_steps must be 0",
    ),
)

OTHER_LOSS_MISTAKES = (*LOSS_MISTAKES, *TERM_MISTAKES, *RECIPE_MISTAKES)
