"""The records that plugins return for training, and what they see of one step of one model.

Every tensor here has a batch axis of length n, written first in its shape. No tensor has a seed axis: only the engine
maps a method over seeds. A high score means real, unless the offer has `high_is_real=False`. Records only grow: every
new field has a default.
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
    # an option of this type may be a schedule, or differ between trials that train together: then `build` receives a
    # 0-d tensor
    Scalar = Annotated[float, "scalar"]

State = Mapping[str, "Tensor"]
"""The state of a plugin from step to step: tensors by name.

The engine detaches every tensor. It stores each 0-d tensor as a signal, a series over the generator steps."""

Parameters = Mapping[str, "Tensor"]
CriticFunction = Callable[["Tensor"], "Tensor"]

HeadWidth = int | Callable[[int], int]
"""The width of an answer of the critic, or a function that returns it for a number of classes."""

Conditional = Literal["", "generator", "both"]
"""The networks that take labels."""


@dataclass(frozen=True)
class Draw:
    """Random numbers that a plugin needs. The engine draws them anew for each step, from a separate stream.

    `law` is the distribution: "normal" is N(0, 1), "uniform" is U[0, 1], "sign" is -1 or +1 with equal probability, and
    "onehot" is a one-hot vector over the last axis of `shape`, with equal probabilities.
    `shape` is "sample" for [n, 1, ..], which broadcasts against samples; "data" for [n, *data]; or a tuple of integers
    for [n, *shape].
    """

    law: Literal["normal", "uniform", "sign", "onehot"] = "normal"
    shape: Literal["sample", "data"] | tuple[int, ...] = "sample"


def identity(seen: Any, *_: Any) -> Any:
    """Return the first argument; the default of `read` and `witness`."""
    return seen


@dataclass(frozen=True)
class Objective:
    """A loss for both players. Both players minimise their loss.

    `critic(real, fake)` and `generator(real, fake)` return a scalar. Their arguments are what `read` returns for the
    real and for the generated samples.
    `head` is the answer of the critic that the loss reads: "score" [n], "features" [n, k], "reconstruction" [n, *data],
    another head by its name, or None if the loss needs no critic.
    `read(answer, x)` turns this answer to the samples x into the arguments above; the default returns the answer. With
    `head=None`, `answer` is None.
    With `paired=False` the generator's loss does not depend on real samples: its argument `real` is None.
    `init()` returns the first state of a loss with a state. `critic` and `generator` then receive the state as their
    last argument, and return (scalar, state).
    `witness(seen, real, fake)` returns the value [n] whose gradient is penalised. `seen` is what `read` returns at the
    point of the penalty; `real` and `fake` are the loss's arguments. The default returns `seen`.
    `heads` requires further answers of the critic, as in Input.
    """

    critic: Callable[..., Any]
    generator: Callable[..., Any]
    _: KW_ONLY
    init: Callable[[], State] | None = None
    head: str | None = "score"
    read: Callable[[Any, Tensor], Tensor] = identity
    witness: Callable[[Tensor, Tensor, Tensor], Tensor] = identity
    paired: bool = False
    heads: Mapping[str, HeadWidth] = field(default_factory=dict, metadata={"since": "0.2"})


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term that is added to a player's loss.

    `critic(play)` and `generator(play)` return the scalar that is added to that player's loss.
    `draws` declares the random numbers of the term; `play.draws` has them under the same names.
    `init(critic_parameters, rng)` returns the first state of a term with a state. `critic` and `generator` then receive
    the state as their last argument, and return (scalar, state).
    `every=k` is lazy regularisation: the term counts in every k-th update of a player, multiplied by k.
    With `weights_only=True`, `init` receives the weights of layers alone: no biases, and no gains of normalisations.
    With `labels=True` the term reads `play.labels`, also where no network takes labels. The dataset must have labels.
    """

    critic: Callable[..., Any] | None = None
    generator: Callable[..., Any] | None = None
    draws: Mapping[str, Draw] = field(default_factory=dict)
    init: Callable[[Parameters, torch.Generator], State] | None = None
    every: int = 1
    weights_only: bool = field(default=False, metadata={"since": "0.2"})
    labels: bool = field(default=False, metadata={"since": "0.2"})


@dataclass(frozen=True, kw_only=True)
class Constraint(Term):
    """A constraint on the critic (or the generator): a term, a change of its parameters, or of its function.

    `reparametrise(parameters)` returns the parameters with which the critic is called (spectral normalisation).
    `reparametrise` receives the state as its last argument where there is `init`, and returns (parameters, state).
    `wrap(critic)` returns another critic, a function from x [n, *data] to [n] (gradient normalisation).
    `project(parameters, progress)` returns the critic's parameters after its optimizer step (weight clipping). It may
    leave out parameters that do not change. `progress` is the progress of the run, a 0-d tensor in [0, 1].
    """

    reparametrise: Callable[..., Any] | None = None
    wrap: Callable[[CriticFunction], CriticFunction] | None = None
    project: Callable[[Parameters, Tensor], Parameters] | None = None


@dataclass(frozen=True, kw_only=True)
class Input(Term):
    """A change to what the critic sees, or to what the generator receives.

    `view(x, draws, progress)` returns the samples x [n, *data] as the critic sees them (instance noise, augmentation).
    It is applied to real and to generated samples, with independent draws.
    `latent` adds codes to the generator's noise: a name and a draw for each.
    `heads` requires further answers of the critic: a name and a width k for each answer [n, k] (InfoGAN). A width may
    be a function of the number of classes.
    `pack=m` shows the critic m samples as one (PacGAN).
    `conditional` says which networks take labels: "generator", "both", or "" for none.
    """

    latent: Mapping[str, Draw] = field(default_factory=dict)
    heads: Mapping[str, HeadWidth] = field(default_factory=dict)
    pack: int = 1
    view: Callable[[Tensor, Mapping[str, Tensor], Tensor], Tensor] | None = None
    conditional: Conditional = field(default="", metadata={"since": "0.2"})


class Losses(Protocol):
    """The losses of both players in one step: pure functions of both players' parameters, differentiable in both.

    `g` are the generator's parameters by name, `d` the critic's.
    """

    def critic(self, g: Parameters, d: Parameters) -> tuple[Tensor, Any]:
        """Return the critic's loss, a scalar, and the new states of the plugins."""

    def generator(self, g: Parameters, d: Parameters) -> tuple[Tensor, Any]:
        """Return the generator's loss, a scalar, and the new states of the plugins."""


Move = Callable[[Losses, Parameters, Parameters], tuple[Parameters, Any]]


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """The rule by which the players update.

    `critic(losses, g, d)` and `generator(losses, g, d)` return a pair: the gradients of that player's parameters by
    name, and the states that a call of `losses` returned. None means the gradient of the player's own loss.
    With `together=True` both gradients are computed at the same point on the same batch; then both players step.
    `trains` is "both", or the one player that takes steps alone: the other keeps its weights.
    `lookahead=(k, a)` moves both players back after every k-th generator step: slow <- slow + a (weights - slow), and
    the weights become the slow ones.
    """

    critic: Move | None = None
    generator: Move | None = None
    together: bool = False
    lookahead: tuple[int, float] | None = field(default=None, metadata={"since": "0.2"})
    trains: Literal["both", "critic", "generator"] = field(default="both", metadata={"since": "0.2"})

    @property
    def players(self) -> tuple[str, ...]:
        """The players that take steps."""
        return ("critic", "generator") if self.trains == "both" else (self.trains,)


class Play(Protocol):
    """What a term sees of one step of one model. A field is computed when first read, so unread fields cost nothing.

    `real` and `fake` [n, *data] are the samples as the critic sees them, after views and packing.
    `scores_real` and `scores_fake` are what the loss reads: what `Objective.read` returns for these samples.
    `answers_real` and `answers_fake` map the name of every answer of the critic to the answer.
    `critic(x)` returns the value [n] whose gradient is penalised. A penalty differentiates `critic(x).sum()`.
    `generator(z)` returns samples before any view.
    Where networks take labels, they need n rows: each row has the label of its place in the batch.
    `latent` [n, width] is the generator's whole input. `codes` has the latent codes that inputs added, by name.
    `labels` [n] are the labels of the real samples, which also condition the generated ones; None if nothing uses
    them.
    `draws` has the random numbers that this term declared, by name.
    `progress` is the progress of the run, a 0-d tensor in [0, 1].
    `critic_parameters` and `generator_parameters` are the parameters by name.
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
