"""The dynamics: eigenvalues and end points on the Dirac-GAN, and comparisons with hand-written loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ganbench import Dynamics
from torch import Tensor
from torch.func import grad, jacrev, vmap

from ganbench_plugins.constraints import gradient_penalties
from ganbench_plugins.dynamics import alternating, consensus, extragradient, lookahead, unrolled
from ganbench_plugins.inputs import instance_noise
from ganbench_plugins.losses import cross_entropy, wasserstein

DYNAMICS = {
    offer.name: offer.build
    for offer in chain.from_iterable(
        m.ganbench_dynamics() for m in (alternating, unrolled, consensus, extragradient, lookahead)
    )
}
LOSSES = {
    offer.name: offer.build
    for offer in chain.from_iterable(module.ganbench_losses() for module in (cross_entropy, wasserstein))
}
R1 = {offer.name: offer.build for offer in gradient_penalties.ganbench_constraints()}["r1"]
START = (1.0, -1.0)  # theta, psi: the paper's (1, 1), whose critic is high on fake


class DiracGame:
    """The Dirac-GAN's losses: data at 0, generator at theta, D(x) = psi x; with R1 or instance noise on request."""

    def __init__(self, loss: str, r1: float = 0.0, noise: Tensor | None = None) -> None:
        self.objective, self.r1 = LOSSES[loss](), r1
        self.noise = torch.zeros(1, dtype=torch.float64) if noise is None else noise

    def scores(self, g: Any, d: Any) -> tuple[Tensor, Tensor]:
        view = instance_noise.build(sigma=1.0).view
        real, fake = (view(at, {"noise": self.noise}, at) for at in (torch.zeros_like(self.noise), g["theta"]))
        return real * d["psi"], fake * d["psi"]

    def critic(self, g: Any, d: Any) -> tuple[Tensor, Any]:
        value = self.objective.critic(*self.scores(g, d))
        play = SimpleNamespace(critic=lambda x: x[:, 0] * d["psi"], real=torch.zeros(1, 1, dtype=torch.float64))
        value = value + self.r1 * R1().critic(play)
        return value, {"critic": value}

    def generator(self, g: Any, d: Any) -> tuple[Tensor, Any]:
        value = self.objective.generator(None, self.scores(g, d)[1])
        return value, {"generator": value}


def player_gradients(dynamics: Dynamics, losses: Any, g: Any, d: Any) -> tuple[Any, Any]:
    """Return both players' gradients at one point; a player without a move in the dynamics has the plain gradient."""
    plain_g = lambda losses, g, d: grad(losses.generator, argnums=0, has_aux=True)(g, d)  # noqa: E731
    plain_d = lambda losses, g, d: grad(losses.critic, argnums=1, has_aux=True)(g, d)  # noqa: E731
    return (dynamics.generator or plain_g)(losses, g, d), (dynamics.critic or plain_d)(losses, g, d)


def field(dynamics: Dynamics, losses: Any) -> Callable[[Tensor], Tensor]:
    """Return the gradient field v(theta, psi), along which both players move."""

    def v(at: Tensor) -> Tensor:
        (of_g, _), (of_d, _) = player_gradients(dynamics, losses, {"theta": at[0]}, {"psi": at[1]})
        return -torch.stack([of_g["theta"], of_d["psi"]])

    return v


def eigenvalues(dynamics: Dynamics, losses: Any) -> list[complex]:
    """Return the eigenvalues of the field's Jacobian at the equilibrium (0, 0), by imaginary, then real part."""
    jacobian = jacrev(field(dynamics, losses))(torch.zeros(2, dtype=torch.float64))
    return sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda value: (value.imag, value.real))


def roots(trace: float, determinant: float) -> list[complex]:
    """Return the roots of x^2 - trace x + determinant, in the same order."""
    root = complex(trace**2 / 4 - determinant) ** 0.5
    return sorted([trace / 2 + root, trace / 2 - root], key=lambda value: (value.imag, value.real))


TWO_POINTS = torch.tensor([1.0, -1.0], dtype=torch.float64)  # the Jacobian depends only on the variance, 1

CASES = {
    "minimax": (Dynamics(together=True), DiracGame("minimax"), roots(0, 1 / 4)),
    "non-saturating": (DYNAMICS["simultaneous"](), DiracGame("non-saturating"), roots(0, 1 / 4)),
    "wasserstein": (DYNAMICS["simultaneous"](), DiracGame("wasserstein"), roots(0, 1)),
    "r1": (DYNAMICS["simultaneous"](), DiracGame("minimax", r1=0.3), roots(-0.3, 1 / 4)),
    "r1, overdamped": (DYNAMICS["simultaneous"](), DiracGame("minimax", r1=1.2), roots(-1.2, 1 / 4)),
    "instance noise": (
        DYNAMICS["simultaneous"](),
        DiracGame("minimax", noise=0.7 * TWO_POINTS),
        roots(-0.49 / 2, 1 / 4),
    ),
    "consensus": (DYNAMICS["consensus"](gamma=1.0), DiracGame("minimax"), roots(-1 / 2, 1 / 4 + 1 / 16)),
    "extragradient": (DYNAMICS["extragradient"](lr=0.2), DiracGame("minimax"), roots(-0.1, 1 / 4 + 0.01 / 4)),
    "extragradient, bilinear": (DYNAMICS["extragradient"](lr=0.2), DiracGame("wasserstein"), roots(-0.4, 1.04)),
    "unrolled": (DYNAMICS["unrolled"](steps=3, lr=0.2, inner="sgd"), DiracGame("minimax"), roots(-0.3, 1 / 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_jacobian_of_the_gradient_field_has_the_known_eigenvalues(case: str) -> None:
    """Mescheder et al. 2018, with f'(0) = 1/2 and f''(0) = -1/4.

    GAN +-i/2, WGAN +-i, R1 -g/2 +- sqrt(g^2/4 - 1/4), noise -s^2/4 +- sqrt(s^4/16 - 1/4), consensus -g/4 +- i/2.
    Extragradient of x' = Ax has l + h l^2 for each eigenvalue l of A: -h/4 +- i/2, and -h +- i for the bilinear game.
    Unrolled k steps: theta acts on its own gradient with k h / 2, so x^2 + (k h / 2) x + 1/4 = 0.
    """
    dynamics, losses, expected = CASES[case]
    for actual, value in zip(eigenvalues(dynamics, losses), expected, strict=True):
        assert abs(actual - value) < 1e-12


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_consensus_turns_the_dirac_gans_circle_into_a_spiral_of_rate_gamma_quarter(gamma: float) -> None:
    low, high = eigenvalues(DYNAMICS["consensus"](gamma=gamma), DiracGame("non-saturating"))
    assert abs(low - (-gamma / 4 - 0.5j)) < 1e-12
    assert abs(high - (-gamma / 4 + 0.5j)) < 1e-12


def distance(dynamics: Dynamics, losses: Any, h: float = 0.2, steps: int = 500) -> float:
    """Return the distance from the equilibrium at which simultaneous gradient descent ends."""
    v, at = field(dynamics, losses), torch.tensor(START, dtype=torch.float64)
    for _ in range(steps):
        at = at + h * v(at)
    return math.hypot(*at.tolist())


@pytest.mark.parametrize(
    ("losses", "value"),
    [
        (DiracGame("minimax"), 3.097),
        (DiracGame("non-saturating"), 0.640),
        (DiracGame("minimax", r1=0.3), 2.6e-6),
        (DiracGame("minimax", r1=1.0), 9.5e-22),
    ],
    ids=["gan", "ns-gan", "r1 .3", "r1 1.0"],
)
def test_after_500_simultaneous_steps_the_field_leads_to_the_known_distance(losses: DiracGame, value: float) -> None:
    assert distance(DYNAMICS["simultaneous"](), losses) == pytest.approx(value, rel=0.05 if value < 1e-3 else 1e-3)


@pytest.mark.parametrize("name", ["consensus", "unrolled", "extragradient"])
def test_consensus_unrolling_and_extragradient_converge_while_the_plain_game_spirals_out(name: str) -> None:
    options = {"consensus": {"gamma": 1.0}, "unrolled": {"lr": 0.2, "inner": "sgd"}, "extragradient": {"lr": 0.2}}[name]
    end = distance(DYNAMICS[name](**options), DiracGame("minimax"), steps=100)
    assert end < (1.3 if name == "extragradient" else 0.1)  # it starts at 1.414


class SmallGame:
    """A game of two small networks on fixed batches; one of the critic's parameters has no effect."""

    real = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    latent = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    objective = LOSSES["non-saturating"]()

    def score(self, d: Any, x: Tensor) -> Tensor:
        return (x @ d["first"]).tanh() @ d["second"] + 0 * d["idle"]

    def critic(self, g: Any, d: Any) -> tuple[Tensor, Any]:
        value = self.objective.critic(self.score(d, self.real), self.score(d, self.latent @ g["weight"]))
        return value, {"critic": value}

    def generator(self, g: Any, d: Any) -> tuple[Tensor, Any]:
        value = self.objective.generator(None, self.score(d, self.latent @ g["weight"]))
        return value, {"generator": value}


def parameters(seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    rng = torch.Generator().manual_seed(seed)
    first, second, weight = (
        torch.randn(*shape, dtype=torch.float64, generator=rng) for shape in ((2, 4), (4,), (3, 2))
    )
    return {"weight": weight}, {"first": first, "second": second, "idle": torch.zeros((), dtype=torch.float64)}


def unroll_by_hand(steps: int, lr: float, inner: str) -> Tensor:
    """Return the generator's gradient through `steps` critic steps, by autograd with create_graph."""
    (g, d), game = parameters(), SmallGame()
    g = {name: weight.requires_grad_() for name, weight in g.items()}
    d = {name: weight.requires_grad_() for name, weight in d.items()}
    m = v = dict.fromkeys(d, torch.zeros((), dtype=torch.float64))
    for step in range(1, steps + 1):
        slopes = torch.autograd.grad(game.critic(g, d)[0], list(d.values()), create_graph=True)
        for (name, weight), slope in zip(list(d.items()), slopes, strict=True):
            if inner == "sgd":
                d[name] = weight - lr * slope
            elif name != "idle":
                m = {**m, name: 0.5 * m[name] + 0.5 * slope}
                v = {**v, name: 0.999 * v[name] + 0.001 * slope**2}
                d[name] = weight - lr * (m[name] / (1 - 0.5**step)) / ((v[name] / (1 - 0.999**step)).sqrt() + 1e-8)
    return torch.autograd.grad(game.generator(g, d)[0], g["weight"])[0]


@pytest.mark.parametrize(("inner", "lr"), [("sgd", 0.3), ("adam", 0.05)])
def test_unrolling_is_the_hand_written_loop(inner: str, lr: float) -> None:
    gradient, state = DYNAMICS["unrolled"](steps=4, lr=lr, inner=inner).generator(SmallGame(), *parameters())
    torch.testing.assert_close(gradient["weight"], unroll_by_hand(4, lr, inner), atol=1e-12, rtol=1e-9)
    assert state.keys() == {"generator"}
    plain = grad(SmallGame().generator, has_aux=True)(*parameters())[0]
    assert (gradient["weight"] - plain["weight"]).abs().max() > 1e-3  # the inner steps have an effect here


def test_the_inner_adam_equals_a_new_adam_of_torch() -> None:
    (g, d), game = parameters(), SmallGame()
    leaves = {name: weight.clone().requires_grad_() for name, weight in d.items()}
    optimizer = torch.optim.Adam(leaves.values(), lr=0.05, betas=(0.5, 0.999), eps=1e-8)
    for _ in range(4):
        optimizer.zero_grad()
        game.critic(g, leaves)[0].backward()
        optimizer.step()
    ahead = unrolled.descend_by_adam(game, g, d, 4, 0.05, 0.5, 0.999, 1e-8)
    for name, weight in leaves.items():
        torch.testing.assert_close(ahead[name], weight.detach(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("inner", ["sgd", "adam"])
def test_no_unrolling_is_the_plain_game_to_the_bit(inner: str) -> None:
    gradient, _ = DYNAMICS["unrolled"](steps=0, inner=inner).generator(SmallGame(), *parameters())
    plain, _ = grad(SmallGame().generator, has_aux=True)(*parameters())
    assert torch.equal(gradient["weight"], plain["weight"])


@pytest.mark.parametrize(("name", "options"), [("consensus", {"gamma": 0.0}), ("extragradient", {"lr": 0.0})])
def test_a_rate_of_zero_is_the_simultaneous_game_to_the_bit(name: str, options: dict[str, float]) -> None:
    gradients = player_gradients(DYNAMICS[name](**options), SmallGame(), *parameters())
    plain = player_gradients(DYNAMICS["simultaneous"](), SmallGame(), *parameters())
    for (actual, state), (expected, plain_state) in zip(gradients, plain, strict=True):
        assert state == plain_state  # 0-d tensors of the same value
        assert all(torch.equal(actual[leaf], expected[leaf]) for leaf in expected)


@pytest.mark.parametrize("name", ["unrolled", "consensus", "extragradient"])
def test_seeds_mapped_together_move_as_each_alone(name: str) -> None:
    dynamics = DYNAMICS[name]()
    members = [parameters(seed) for seed in range(3)]
    g, d = (
        {key: torch.stack([member[side][key] for member in members]) for key in members[0][side]} for side in (0, 1)
    )

    def gradients(g: Any, d: Any) -> Any:
        return [move[0] for move in player_gradients(dynamics, SmallGame(), g, d)]

    mapped = vmap(gradients)(g, d)
    for index, member in enumerate(members):
        for together, alone in zip(mapped, gradients(*member), strict=True):
            for leaf, value in alone.items():
                torch.testing.assert_close(together[leaf][index], value, atol=1e-12, rtol=0)


def test_simultaneous_dynamics_are_declared_together() -> None:
    together = {name for name, build in DYNAMICS.items() if build().together}
    assert together == {"simultaneous", "consensus", "extragradient"}
    assert DYNAMICS["alternating"]() == Dynamics()
