"""A small game to try one part in: networks whose values are known by hand, and the engine's own Play of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils._pytree import tree_map

from ganbench.api.data import Source
from ganbench.api.models import Ask, Networks, Space
from ganbench.api.training import Constraint, Dynamics, Objective, Parameters, Term
from ganbench.api.trials import Budget, Mode
from ganbench.engine.program import Link, Program
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.step import MemberLosses
from ganbench.engine.step_inputs import StepInputs
from ganbench.engine.train import Training

NAME = "part"
ROWS = 4
STEPS = 3
LATENT = 5
CPU = torch.device("cpu")
DOUBLE = torch.float64

GAME = Objective(lambda real, fake: softplus(-real).mean() + softplus(fake).mean(), lambda real, fake: -fake.mean())
"""Any loss with a gradient everywhere."""
NO_GAME = Objective(lambda real, fake: 0 * (real.mean() + fake.mean()), lambda real, fake: 0 * fake.mean())
"""A loss of zero: what remains is the part's own term."""


class Critic(nn.Module):
    """A smooth, rowwise perceptron that gives every kind of answer."""

    def __init__(self, size: int, heads: Mapping[str, int]) -> None:
        super().__init__()
        self.hidden, self.out, self.decoder = nn.Linear(size, 8), nn.Linear(8, 1), nn.Linear(8, size)
        self.heads = nn.ModuleDict({name: nn.Linear(8, width) for name, width in heads.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Give the score [n], features and embedding [n, 8], a reconstruction like x, and the heads asked for."""
        hidden = self.hidden(x.flatten(1)).tanh()
        answers = {"score": self.out(hidden).squeeze(1), "features": hidden, "embedding": hidden}
        answers["reconstruction"] = self.decoder(hidden).reshape(x.shape)
        return answers | {name: head(hidden) for name, head in self.heads.items()}


class Slope(nn.Module):
    """D(x) = w.x + constant, with w of a given length and unequal entries; every other answer is x itself."""

    def __init__(self, size: int, length: float, constant: float = 0.0, turned: bool = False) -> None:
        super().__init__()
        w = torch.linspace(0.2, 1.8, size, dtype=DOUBLE)
        w = w[torch.randperm(size, generator=torch.Generator().manual_seed(1))] if turned else w
        self.w, self.constant = nn.Parameter((length * w / w.norm()).reshape(1, size)), constant

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Give the answers."""
        flat = x.flatten(1)
        score = (flat @ self.w.T).squeeze(1) + self.constant
        return {"score": score, "features": flat, "embedding": flat, "reconstruction": x}


class Echo(nn.Module):
    """G(z) = scale z + offset, as wide as a sample: what is drawn is what comes out."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.scale, self.offset = nn.Parameter(torch.ones(1, 1)), nn.Parameter(torch.zeros(1, math.prod(shape)))

    def forward(self, z: Tensor) -> Tensor:
        """Give samples [n, *shape]."""
        return (self.scale * z + self.offset).reshape(len(z), *self.shape)


class Generator(nn.Module):
    """A smooth perceptron."""

    def __init__(self, latent: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, self.hidden, self.out = shape, nn.Linear(latent, 8), nn.Linear(8, math.prod(shape))

    def forward(self, z: Tensor) -> Tensor:
        """Give samples [n, *shape]."""
        return self.out(self.hidden(z).tanh()).reshape(len(z), *self.shape)


def space() -> Space:
    """Give the space of the two smooth perceptrons."""

    def networks(spec: Any, ask: Ask) -> Networks:
        critic = Critic(ask.pack * math.prod(ask.shape), ask.heads)
        return Networks(generator=Generator(LATENT + ask.latent, ask.shape), critic=critic, latent=LATENT, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def source(shape: tuple[int, ...]) -> Source:
    """Give normal data of this shape, off centre."""

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return 0.5 + torch.randn(n, *shape, generator=generator)

    return Source(shape=shape, draw=draw, reference=lambda n: draw(torch.Generator().manual_seed(0), n))


def program(part: Term | None, objective: Objective = GAME, dynamics: Dynamics | None = None) -> Program:
    """Give the recipe with this part in it alone."""
    links = () if part is None else (Link(NAME, 1.0, part),)
    here = isinstance(part, Constraint)
    return Program(
        objective=objective,
        constraints=links if here else (),
        inputs=() if here else links,
        dynamics=dynamics or Dynamics(),
    )


@dataclass(frozen=True)
class SmallGame:
    """One member of one game at one step, in double precision; everything in it can be replaced."""

    part: Term
    networks: Networks
    g: Parameters
    d: Parameters
    chance: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Any]
    progress: Tensor

    def loss(self, player: str, objective: Objective = GAME) -> Tensor:
        """Give a player's loss with the part in it."""
        return self.remembered(player, objective)[0]

    def term(self, player: str) -> Tensor:
        """Give the part's own term of a player's loss, unscaled."""
        return self.loss(player, NO_GAME) / self.part.every

    def remembered(self, player: str, objective: Objective = GAME) -> tuple[Tensor, Any]:
        """Give a player's loss and what the plugins remember."""
        value: tuple[Tensor, Any] = getattr(self.losses(player, objective), player)(self.g, self.d)
        return value

    def losses(self, player: str, objective: Objective = GAME) -> MemberLosses:
        """Give both losses as functions of both players, on what this player drew."""
        made = program(self.part, objective)
        buffers: dict[str, Parameters] = {"generator": {}, "critic": {}}
        due = frozenset({NAME})
        return MemberLosses(made, self.networks, buffers, self.chance[player], self.state, self.progress, due)

    def changed(self, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> SmallGame:
        """Give the scene with what both players drew changed."""
        return replace(self, chance={player: change(drawn) for player, drawn in self.chance.items()})

    def draws(self) -> Iterator[tuple[str, Callable[[Callable[[Tensor], Tensor]], SmallGame]]]:
        """Give each declared draw's name, and a function that gives the scene with it changed wherever it is read."""
        for name in self.part.draws:

            def with_change(change: Callable[[Tensor], Tensor], name: str = name) -> SmallGame:
                return self.changed(lambda drawn: _replaced(drawn, name, change))

            yield name, with_change

    def free(self) -> SmallGame:
        """Give the scene with both players' parameters as leaves of a graph."""
        leaves = [{n: p.detach().clone().requires_grad_() for n, p in own.items()} for own in (self.g, self.d)]
        return replace(self, g=leaves[0], d=leaves[1])


def _replaced(drawn: Mapping[str, Any], name: str, change: Callable[[Tensor], Tensor]) -> Mapping[str, Any]:
    """Give what a player drew with one draw of the part changed, in its terms and in its views."""

    def put(own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key: change(value) if key == name else value for key, value in own.items()}

    terms = {of: put(own) if of == NAME else own for of, own in drawn["draws"].items()}
    views = {of: {side: put(own) for side, own in sides.items()} for of, sides in drawn["views"].items()}
    return {**drawn, "draws": terms, "views": views}


def make_game(
    part: Term,
    shape: tuple[int, ...],
    critic: Callable[[Ask], nn.Module] | None = None,
    *,
    seed: int = 0,
    rows: int = ROWS,
    progress: float = 0.5,
) -> SmallGame:
    """Set the scene of one part: the smooth perceptrons, or a given critic against an echoing generator."""
    made = program(part)
    ask = made.ask(source(shape), "layer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if critic is None:
            networks = space().networks({}, ask)
        else:
            networks = Networks(generator=Echo(shape), critic=critic(ask), latent=math.prod(shape), rowwise=True)
    assert isinstance(networks, Networks)
    member = Member("contracts", seed)
    data = Data(source(shape), [member], rows * made.pack, CPU, DOUBLE)
    chance = {}
    for player in ("critic", "generator"):
        drawn = StepInputs(made, networks, data, [member], player, shape).next()
        chance[player] = {"real": torch.zeros(1, 1)} | tree_map(lambda t: t[0], drawn)
        chance[player]["real"] = data.take(data.open("data").next())[0][0]
    assert networks.critic is not None
    g, d = (
        {n: p.detach().double() for n, p in net.named_parameters()} for net in (networks.generator, networks.critic)
    )
    d = {n: 30 * p if n == "out.weight" else p for n, p in d.items()}  # steep: no one-sided penalty is at rest
    rng = torch.Generator().manual_seed(seed)
    state = {NAME: part.init(d, rng)} if part.init is not None else {}
    return SmallGame(part, networks, g, d, chance, state, torch.tensor(progress, dtype=DOUBLE))


def train(
    part: Term | None,
    shape: tuple[int, ...],
    *,
    mode: Mode,
    seeds: tuple[int, ...] = (0, 1, 2),
    dynamics: Dynamics | None = None,
    objective: Objective = GAME,
) -> dict[str, dict[str, Tensor]]:
    """Train a few steps of gradient descent in double precision; give both players' parameters, [S, ...] by name."""
    made = program(part, objective, dynamics)
    rows = ROWS * made.pack

    def descend(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.05)

    run = Training(
        program=made,
        space=space(),
        spec={},
        source=source(shape),
        optimizers={"critic": descend, "generator": descend},
        members=[Member("contracts", seed) for seed in seeds],
        budget=Budget(generator_steps=STEPS, batch_size=rows, snapshots=(STEPS,)),
        mode=mode,
        dtype=DOUBLE,
    )
    *_, last = run.run()
    return {player: {n: p.clone() for n, p in own.items()} for player, own in last.ensemble.detached.items()}


def by_gradients() -> Dynamics:
    """Give the plain dynamics written as gradients, which the engine maps as a whole: vmap(grad)."""

    def move(player: str, own: int) -> Callable[..., Any]:
        return lambda losses, g, d: torch.func.grad(getattr(losses, player), argnums=own, has_aux=True)(g, d)

    return Dynamics(critic=move("critic", 1), generator=move("generator", 0))
