"""A small game in which a rule tries one part: networks with values known by hand, and the engine's own Play."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from ganbench.engine.init_parameters import choose_parameters
from ganbench.engine.member_losses import MemberLosses
from ganbench.engine.program import Link, Program
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.scalars import ScheduledScalars
from ganbench.engine.step_inputs import StepInputs
from ganbench.engine.train import Training

NAME = "part"
BATCH_SIZE = 4
STEPS = 3
LATENT = 5
SET, CLASSES = 48, 3
"""The size of a set with labels, and the number of its classes."""
CPU = torch.device("cpu")
DOUBLE = torch.float64

LOSS = Objective(lambda real, fake: softplus(-real).mean() + softplus(fake).mean(), lambda real, fake: -fake.mean())
"""A loss that has a gradient everywhere."""
ZERO_LOSS = Objective(lambda real, fake: 0 * (real.mean() + fake.mean()), lambda real, fake: 0 * fake.mean())
"""A loss of zero: only the term of the part remains."""


class Critic(nn.Module):
    """A smooth, rowwise perceptron that returns every kind of answer; with `classes`, its score depends on labels."""

    def __init__(self, size: int, heads: Mapping[str, int], classes: int = 0) -> None:
        super().__init__()
        self.by_class = nn.Linear(8, classes) if classes else None
        self.hidden, self.out, self.decoder = nn.Linear(size, 8), nn.Linear(8, 1), nn.Linear(8, size)
        self.heads = nn.ModuleDict({name: nn.Linear(8, width) for name, width in heads.items()})

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Return the score [n], features and embedding [n, 8], a reconstruction like x, and the requested heads."""
        hidden = self.hidden(x.flatten(1)).tanh()
        answers = {"score": self.out(hidden).squeeze(1), "features": hidden, "embedding": hidden}
        answers["reconstruction"] = self.decoder(hidden).reshape(x.shape)
        if self.by_class is not None and labels is not None:
            answers["score"] = answers["score"] + self.by_class(hidden).gather(1, labels.unsqueeze(1)).squeeze(1)
        return answers | {name: head(hidden) for name, head in self.heads.items()}


class LinearCritic(nn.Module):
    """D(x) = w.x + constant, with |w| = length and unequal entries; every other answer is x itself."""

    def __init__(self, size: int, length: float, constant: float = 0.0, shuffled: bool = False) -> None:
        super().__init__()
        w = torch.linspace(0.2, 1.8, size, dtype=DOUBLE)
        w = w[torch.randperm(size, generator=torch.Generator().manual_seed(1))] if shuffled else w
        self.w, self.constant = nn.Parameter((length * w / w.norm()).reshape(1, size)), constant

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the score [n] and the other answers by name."""
        flat = x.flatten(1)
        score = (flat @ self.w.T).squeeze(1) + self.constant
        return {"score": score, "features": flat, "embedding": flat, "reconstruction": x}


class AffineGenerator(nn.Module):
    """G(z) = scale z + offset, with a latent as wide as a sample: at the start the samples are the draws."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.scale, self.offset = nn.Parameter(torch.ones(1, 1)), nn.Parameter(torch.zeros(1, math.prod(shape)))

    def forward(self, z: Tensor) -> Tensor:
        """Return samples [n, *shape]."""
        return (self.scale * z + self.offset).reshape(len(z), *self.shape)


class Generator(nn.Module):
    """A smooth perceptron that maps latents, and labels of this number of classes, to samples."""

    def __init__(self, latent: int, shape: tuple[int, ...], classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.shape, self.hidden, self.out = shape, nn.Linear(latent, 8), nn.Linear(8, math.prod(shape))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return samples [n, *shape]."""
        if self.classes:
            z = z + torch.eye(self.classes, z.shape[1], dtype=z.dtype)[labels]
        return self.out(self.hidden(z).tanh()).reshape(len(z), *self.shape)


def make_space() -> Space:
    """Return the architecture space of the two smooth perceptrons."""

    def networks(spec: Any, ask: Ask) -> Networks:
        conditional: dict[str, Any] = {"": False, "generator": "generator", "both": True}
        return Networks(
            generator=Generator(LATENT + ask.latent, ask.shape, ask.classes if ask.conditional else 0),
            critic=Critic(ask.pack * math.prod(ask.shape), ask.heads, ask.classes if ask.conditional == "both" else 0),
            latent=LATENT,
            conditional=conditional[ask.conditional],
            rowwise=True,
        )

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def make_source(shape: tuple[int, ...], program: Program | None = None) -> Source:
    """Return a source of normal data of this shape, with mean 0.5; a set with labels if the program reads them."""
    if program is not None and (program.conditional or program.reads_labels):
        rows = 0.5 + torch.randn(SET, *shape, generator=torch.Generator().manual_seed(1))
        return Source(
            shape=shape,
            size=SET,
            take=lambda indices: rows[indices],
            reference=lambda n: rows[:n],
            classes=CLASSES,
            labels=lambda indices: indices % CLASSES,
        )

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return 0.5 + torch.randn(n, *shape, generator=generator)

    return Source(shape=shape, draw=draw, reference=lambda n: draw(torch.Generator().manual_seed(0), n))


def make_program(part: Term | None, objective: Objective = LOSS, dynamics: Dynamics | None = None) -> Program:
    """Return a program whose only constraint or input is this part."""
    links = () if part is None else (Link(NAME, 1.0, part),)
    is_constraint = isinstance(part, Constraint)
    return Program(
        objective=objective,
        constraints=links if is_constraint else (),
        inputs=() if is_constraint else links,
        dynamics=dynamics or Dynamics(),
    )


@dataclass(frozen=True)
class SmallGame:
    """One step of one member in double precision: networks, parameters, each player's inputs, and the part's state."""

    part: Term
    networks: Networks
    g: Parameters
    d: Parameters
    inputs: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Any]
    progress: Tensor

    def loss(self, player: str, objective: Objective = LOSS) -> Tensor:
        """Return a player's loss, the part included."""
        return self.loss_and_state(player, objective)[0]

    def term(self, player: str) -> Tensor:
        """Return the part's own term of a player's loss, before it is scaled by `every`."""
        return self.loss(player, ZERO_LOSS) / self.part.every

    def loss_and_state(self, player: str, objective: Objective = LOSS) -> tuple[Tensor, Any]:
        """Return a player's loss, and the mapping with the plugins' next `state`."""
        result: tuple[Tensor, Any] = getattr(self.losses(player, objective), player)(self.g, self.d)
        return result

    def losses(self, player: str, objective: Objective = LOSS) -> MemberLosses:
        """Return both losses as functions of both players' parameters, on this player's inputs."""
        program = make_program(self.part, objective)
        buffers: dict[str, Parameters] = {"generator": {}, "critic": {}}
        due = frozenset({NAME})
        return MemberLosses(program, self.networks, buffers, self.inputs[player], self.state, self.progress, due)

    def change_inputs(self, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> SmallGame:
        """Return the game with the inputs of both players changed."""
        return replace(self, inputs={player: change(inputs) for player, inputs in self.inputs.items()})

    def draw_replacers(self) -> Iterator[tuple[str, Callable[[Callable[[Tensor], Tensor]], SmallGame]]]:
        """Yield each declared draw's name, and a function that returns the game with this draw changed everywhere."""
        for name in self.part.draws:

            def with_change(change: Callable[[Tensor], Tensor], name: str = name) -> SmallGame:
                return self.change_inputs(lambda inputs: _replace_draw(inputs, name, change))

            yield name, with_change

    def require_gradients(self) -> SmallGame:
        """Return the game with both players' parameters as leaves of a graph."""
        g, d = ({n: p.detach().clone().requires_grad_() for n, p in player.items()} for player in (self.g, self.d))
        return replace(self, g=g, d=d)


def _replace_draw(inputs: Mapping[str, Any], name: str, change: Callable[[Tensor], Tensor]) -> Mapping[str, Any]:
    """Return a player's inputs with one draw of the part changed, in its terms and in its views."""

    def change_draw(draws: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key: change(value) if key == name else value for key, value in draws.items()}

    terms = {part: change_draw(draws) if part == NAME else draws for part, draws in inputs["draws"].items()}
    views = {
        part: {side: change_draw(draws) for side, draws in sides.items()} for part, sides in inputs["views"].items()
    }
    return {**inputs, "draws": terms, "views": views}


def make_game(
    part: Term,
    shape: tuple[int, ...],
    critic: Callable[[Ask], nn.Module] | None = None,
    *,
    seed: int = 0,
    progress: float = 0.5,
) -> SmallGame:
    """Return a game with one part: of the smooth perceptrons, or of `critic` against an affine generator."""
    program = make_program(part)
    ask = program.build_ask(source := make_source(shape, program), "layer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if critic is None:
            networks = make_space().networks({}, ask)
        else:
            networks = Networks(
                generator=AffineGenerator(shape), critic=critic(ask), latent=math.prod(shape), rowwise=True
            )
    assert isinstance(networks, Networks)
    member = Member("contracts", seed)
    data = Data(source, [member], BATCH_SIZE * program.pack, CPU, DOUBLE)
    inputs = {}
    for player in ("critic", "generator"):
        stacked = StepInputs(program, networks, data, [member], player, shape).next()
        inputs[player] = {"real": torch.zeros(1, 1)} | tree_map(lambda t: t[0], stacked)
        inputs[player]["real"] = data.take(data.open("data").next())[0][0]
    assert networks.critic is not None
    g, d = (
        {n: p.detach().double() for n, p in net.named_parameters()} for net in (networks.generator, networks.critic)
    )
    d = {
        n: 30 * p if n == "out.weight" else p for n, p in d.items()
    }  # a steep critic: every one-sided penalty is active
    rng = torch.Generator().manual_seed(seed)
    state = {NAME: part.init(choose_parameters(part, d, networks.critic), rng)} if part.init is not None else {}
    return SmallGame(part, networks, g, d, inputs, state, torch.tensor(progress, dtype=DOUBLE))


def train(
    part: Term | None,
    shape: tuple[int, ...],
    *,
    mode: Mode,
    seeds: tuple[int, ...] = (0, 1, 2),
    dynamics: Dynamics | None = None,
    objective: Objective = LOSS,
    scalars: ScheduledScalars | None = None,
    parts_alone: Sequence[Term] = (),
) -> dict[str, dict[str, Tensor]]:
    """Train a few steps of gradient descent in double precision; return each player's parameters, [S, ...] by name.

    `scalars` are the numbers of the part of which each member has its own, and `parts_alone` the part of each alone.
    """
    alone = [(make_program(each, objective, dynamics), ScheduledScalars(CPU, DOUBLE)) for each in parts_alone]
    program = make_program(part, objective, dynamics)

    def descend(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.05)

    run = Training(
        program=program,
        space=make_space(),
        spec={},
        source=make_source(shape, program),
        optimizers={"critic": descend, "generator": descend},
        members=[Member("contracts", seed) for seed in seeds],
        budget=Budget(generator_steps=STEPS, batch_size=BATCH_SIZE * program.pack, snapshots=(STEPS,)),
        mode=mode,
        scalars=scalars or ScheduledScalars(CPU, DOUBLE),
        programs=alone or None,
        dtype=DOUBLE,
    )
    *_, last = run.run()
    detached = last.ensemble.detached
    return {player: {n: p.clone() for n, p in parameters.items()} for player, parameters in detached.items()}


def make_gradient_dynamics() -> Dynamics:
    """Return the plain dynamics written as gradients, which the engine maps as a whole: vmap(grad)."""

    def make_move(player: str, argument: int) -> Callable[..., Any]:
        return lambda losses, g, d: torch.func.grad(getattr(losses, player), argnums=argument, has_aux=True)(g, d)

    return Dynamics(critic=make_move("critic", 1), generator=make_move("generator", 0))
