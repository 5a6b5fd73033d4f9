"""What plugins offer, and what they see of one step of one model.

Every tensor here has a batch axis `n` and never a seed axis: the engine alone maps a method over seeds.
In every score HIGH means REAL unless an offer says `high_is_real=False`. Records only grow: new fields have defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Scalar = float | Tensor
else:
    Scalar = Annotated[float, "scalar"]  # an option so annotated may be a schedule; `build` then receives a 0-d tensor

State = Mapping[str, "Tensor"]
"""What a plugin remembers from step to step. The engine detaches it; every 0-dim leaf is kept as a signal."""

Parameters = Mapping[str, "Tensor"]
CriticFunction = Callable[["Tensor"], "Tensor"]


@dataclass(frozen=True)
class Draw:
    """Chance, declared. The engine draws it afresh for each step, from a stream of its own.

    law: `normal` N(0,1), `uniform` U[0,1], `sign` +-1, `onehot` (uniform over the last axis of `shape`).
    shape: `sample` [n, 1, ..] (broadcasts against a sample), `data` [n, *data], or a tuple [n, *shape].
    """

    law: Literal["normal", "uniform", "sign", "onehot"] = "normal"
    shape: Literal["sample", "data"] | tuple[int, ...] = "sample"


def identity(seen: Any, *_: Any) -> Any:
    """Return the first argument: the default of `read` and `witness`."""
    return seen


@dataclass(frozen=True)
class Objective:
    """A loss for both players. Both are minimised.

    `critic(real, fake)` and `generator(real, fake)` give a scalar from what `read` makes of the critic's answers; with
    `init` (which makes the first state) they get the state last and return (scalar, state). `real` is None in an
    unpaired generator. `head` is the answer they read: `score` [n], `features` [n, k], `reconstruction` [n, *data], or
    None where no critic exists. `witness(seen, real, fake)` -> [n] is what penalties differentiate.
    """

    critic: Callable[..., Any]
    generator: Callable[..., Any]
    _: KW_ONLY
    init: Callable[[], State] | None = None
    head: str | None = "score"
    read: Callable[[Any, Tensor], Tensor] = identity
    witness: Callable[[Tensor, Tensor, Tensor], Tensor] = identity
    paired: bool = False


@dataclass(frozen=True, kw_only=True)
class Term:
    """What is added to a player's loss: `critic(play)` and `generator(play)` give a scalar.

    With `init(critic_parameters, rng)` both get the state last and return (scalar, state). `draws` names what
    `play.draws` holds. `every=k` is lazy regularisation: due at every k-th step and then scaled by k.
    """

    critic: Callable[..., Any] | None = None
    generator: Callable[..., Any] | None = None
    draws: Mapping[str, Draw] = field(default_factory=dict)
    init: Callable[[Parameters, torch.Generator], State] | None = None
    every: int = 1


@dataclass(frozen=True, kw_only=True)
class Constraint(Term):
    """What holds the critic (or the generator) back: a term, a change of its parameters, or of the function itself.

    `reparametrise(parameters[, state])` gives the parameters the critic is called with (spectral norm).
    `wrap(critic)` gives another critic function x -> [n] (gradient normalisation). `project(parameters, progress)`
    gives the critic's parameters after the optimizer's step (clipping).
    """

    reparametrise: Callable[..., Any] | None = None
    wrap: Callable[[CriticFunction], CriticFunction] | None = None
    project: Callable[[Parameters, Tensor], Parameters] | None = None


@dataclass(frozen=True, kw_only=True)
class Input(Term):
    """What the critic sees and what the generator gets.

    `view(x, draws, progress)` is applied to real and fake alike, with draws of their own (instance noise,
    augmentation). `latent` adds named codes to the generator's noise, `heads` asks the critic for further answers of a
    given width (InfoGAN). `pack=m` shows the critic m samples as one (PacGAN).
    """

    latent: Mapping[str, Draw] = field(default_factory=dict)
    heads: Mapping[str, int] = field(default_factory=dict)
    pack: int = 1
    view: Callable[[Tensor, Mapping[str, Tensor], Tensor], Tensor] | None = None


class Losses(Protocol):
    """Both players' losses of one step as pure functions of both players' parameters, differentiable in both."""

    def critic(self, g: Parameters, d: Parameters) -> tuple[Tensor, Any]:
        """Give the critic's loss and what the plugins remember."""

    def generator(self, g: Parameters, d: Parameters) -> tuple[Tensor, Any]:
        """Give the generator's loss and what the plugins remember."""


Move = Callable[[Losses, Parameters, Parameters], tuple[Parameters, Any]]


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """How the players move: `critic(losses, g, d)` and `generator(losses, g, d)` -> (gradients of its own, memory).

    None means the gradient of the player's own loss. With `together` both gradients are taken at one point on one
    batch, then both players step.
    """

    critic: Move | None = None
    generator: Move | None = None
    together: bool = False


class Play(Protocol):
    """What one step of one model shows to a term; lazy, so nobody pays for what nobody reads.

    `real`, `fake` [n, *data] as the critic sees them (after views and packing); `scores_real`, `scores_fake` what the
    loss reads; `answers_real`, `answers_fake` every answer by name; `critic(x)` -> [n]; `generator(z)` -> x, raw;
    `latent` [n, width], `codes` its parts by name; `labels` [n]; `draws` this term's own; `progress` in [0, 1], 0-d;
    `critic_parameters`, `generator_parameters` by name. A penalty differentiates `critic(x).sum()`.
    """

    real: Tensor
    fake: Tensor
    scores_real: Tensor
    scores_fake: Tensor
    answers_real: Mapping[str, Tensor]
    answers_fake: Mapping[str, Tensor]
    critic: CriticFunction
    generator: Callable[[Tensor], Tensor]
    latent: Tensor
    codes: Mapping[str, Tensor]
    labels: Tensor | None
    draws: Mapping[str, Tensor]
    progress: Tensor
    critic_parameters: Parameters
    generator_parameters: Parameters


OptimizerFactory = Callable[[Iterable["Tensor"]], "torch.optim.Optimizer"]
