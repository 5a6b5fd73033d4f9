"""What plugins offer, and what they see of one step of one model.

Every tensor here has a batch axis `n` and never a seed axis: the engine alone maps a method over seeds.
In every score HIGH means REAL unless an offer says `high_is_real=False`. Records only grow: new fields have defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

if TYPE_CHECKING:
    from random import Random

    import torch
    from torch import Tensor, nn

    Scalar = float | Tensor
else:
    Scalar = Annotated[float, "scalar"]  # an option so annotated may be a schedule; `build` then receives a 0-d tensor

State = Mapping[str, "Tensor"]
"""What a plugin remembers from step to step. The engine detaches it; every 0-dim leaf is kept as a signal."""

Parameters = Mapping[str, "Tensor"]
CriticFunction = Callable[["Tensor"], "Tensor"]
Direction = Literal["higher", "lower", "neutral"]
NONE: Mapping[str, Any] = MappingProxyType({})

Spec = Mapping[str, Any]
"""One architecture as names and numbers."""

KINDS = {
    "losses": "loss",
    "constraints": "constraint",
    "dynamics": "dynamics",
    "inputs": "input",
    "architectures": "architecture",
    "datasets": "dataset",
    "metrics": "metric",
    "optimizers": "optimizer",
    "methods": "method",
    "executors": "executor",
    "reports": "report",
}
"""The kinds of offers and what one of each is called; the hook of kind K is `ganbench_K`."""


@dataclass(frozen=True)
class Example:
    """A value the literature gives; the contract tests assert it to 1e-5.

    For a loss, `given` holds scores (`real` and `fake`, lists of floats) and `expect` any of `critic`, `generator`.
    For a constraint, `given` holds a linear critic D(x) = w.x (`slope` = |w|) and the `shape` of a sample; `expect`
    any of `critic`, `generator`, the value of that player's term.
    """

    given: Mapping[str, Any]
    expect: Mapping[str, float]
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """One variant under a name that suites can use. `build(**options)` makes it; its signature lists the options.

    `version` rises when a default or the mathematics changes: old results are then stale. `safe_range` is the largest
    |score| at which a loss stays finite. With `stackable=False` seeds are trained in a plain loop. `metrics` are the
    metrics that a dataset is judged by unless the suite names others. `caution(recipe, spec)` yields what papers warn
    of when the offer is used in this recipe with this architecture; planning prints it.
    """

    name: str
    build: Callable[..., Any]
    summary: str
    _: KW_ONLY
    reference: str = ""
    formula: str = ""
    version: int = 1
    high_is_real: bool = True
    stackable: bool = True
    safe_range: float = 30.0
    examples: tuple[Example, ...] = ()
    metrics: tuple[str, ...] = ()
    caution: Callable[[Any, Spec], Iterable[str]] | None = None


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


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a method and a dataset want of an architecture.

    `shape` of a sample; `classes` (0: no labels); `latent`: width of codes beside the noise; `heads`: further answers
    of the critic and their widths; `pack`: samples per critic input; `critic_norm`: the kind of normalisation that a
    normalised critic uses under this method.
    """

    shape: tuple[int, ...]
    classes: int = 0
    latent: int = 0
    heads: Mapping[str, int] = field(default_factory=dict)
    pack: int = 1
    critic_norm: Literal["batch", "layer"] = "layer"


@dataclass(frozen=True, kw_only=True)
class Networks:
    """One architecture made real: ordinary modules, called functionally.

    `generator(z[, labels])`: z [n, latent + ask.latent] -> [n, *shape]. `critic(x[, labels])` -> score [n], or a
    mapping of answers with the keys "score", "features", "reconstruction" and the heads asked for. `rowwise` claims
    that no row of a batch sees another in the critic. For progressive growing a space gives several, in order:
    `share` of the steps each, and `prepare(x, progress)` makes real data fit the stage, whose progress it is.
    """

    generator: nn.Module
    critic: nn.Module | None
    latent: int
    conditional: bool = False
    rowwise: bool = False
    share: float = 1.0
    prepare: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Space:
    """What random architectures are drawn from; a fixed architecture is a space of one.

    `sample(rng)` gives a spec of names and numbers; `networks(spec, ask)` builds it, drawing its weights from torch's
    global generator, which the engine seeds. `size` is the number of distinct specs, where finite.
    """

    sample: Callable[[Random], Spec]
    networks: Callable[[Spec, Ask], Networks | tuple[Networks, ...]]
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A network that metrics look through: `extract(x)` -> {"features": [n, d], "logits": [n, classes]}."""

    name: str
    digest: str
    extract: Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset: a law with `draw(generator, n)` -> [n, *shape], or a set of `size` with `take(indices)`.

    `reference(n)` gives the n samples that metrics compare with (held out where it is a set; fewer where it has
    fewer). `labels(indices)` -> [n] where there are classes. `facts` are what metrics need to know (mode centres).
    """

    shape: tuple[int, ...]
    draw: Callable[[torch.Generator, int], Tensor] | None = None
    size: int = 0
    take: Callable[[Tensor], Tensor] | None = None
    reference: Callable[[int], Tensor]
    classes: int = 0
    labels: Callable[[Tensor], Tensor] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    extractor: Extractor | None = None


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


class Evidence(Protocol):
    """What a metric sees of one trained model; lazy, like Play.

    `samples`, `reference` [m, *shape]; `source`; `networks` with `generator_parameters`, `critic_parameters`; all on
    the CPU. Reading `features`, `reference_features` or `logits` is a GanbenchError where the dataset has no extractor.
    """

    samples: Tensor
    reference: Tensor
    source: Source
    networks: Networks
    generator_parameters: Parameters
    critic_parameters: Parameters

    @property
    def features(self) -> Tensor:
        """The features [m, d] that the dataset's extractor gives of the samples."""

    @property
    def reference_features(self) -> Tensor:
        """The features [m, d] of the reference samples."""

    @property
    def logits(self) -> Tensor:
        """The logits [m, classes] that the dataset's extractor gives of the samples."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A judgement of one trained model: `measure(evidence)` -> a float for each of `values`, NaN where undefined.

    `values` maps the names to the direction in which they are better. `needs` says whether it is computed from the
    samples, from an extractor's features, or from the networks. `final` metrics are measured at the end only.
    """

    measure: Callable[[Evidence], Mapping[str, float]]
    values: Mapping[str, Direction]
    needs: Literal["samples", "features", "networks"] = "samples"
    final: bool = False


OptimizerFactory = Callable[[Iterable["Tensor"]], "torch.optim.Optimizer"]


@dataclass(frozen=True, init=False)
class Use:
    """An offer by name with options, as suites and recipes write it: `Use("gradient-penalty", weight=10.0)`.

    `weight` scales a term (a number or a schedule), `every` overrides its lazy period, and `where` keeps a constraint
    only for architectures whose spec has these values, as in `where={"critic_normalised": True}`.
    """

    name: str
    weight: Any
    every: int | None
    where: Mapping[str, Any]
    options: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        *,
        weight: Any = 1.0,
        every: int | None = None,
        where: Mapping[str, Any] = NONE,
        options: Mapping[str, Any] = NONE,
        **more: Any,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "name", name)
        set_(self, "weight", weight)
        set_(self, "every", every)
        set_(self, "where", dict(where))
        set_(self, "options", {**options, **more})


@dataclass(frozen=True, kw_only=True)
class Method:
    """A recipe, names and numbers only: what a suite means by `methods = ["wgan-gp"]`.

    `optimizer` serves both players unless one has its own. `critic_steps` per generator step is a number or a schedule
    such as `{"steps": [[25, 100], ["inf", 5]]}`. `critic_norm` is what a normalised critic uses. `ema` is the decay of
    the generator's averaged weights that are evaluated (0: none).
    """

    loss: Use
    constraints: tuple[Use, ...] = ()
    inputs: tuple[Use, ...] = ()
    dynamics: Use | None = None
    optimizer: Use | None = None
    critic_optimizer: Use | None = None
    generator_optimizer: Use | None = None
    critic_steps: Any = 1
    order: Literal["critic-first", "generator-first"] = "critic-first"
    critic_norm: Literal["batch", "layer"] = "layer"
    ema: float = 0.0


class Table(Protocol):
    """What a report sees: a table of raw numbers and of text that strangers wrote, nothing escaped yet.

    `frame` is a pandas DataFrame, `notes` are sentences below it. `columns` are those that a reader sees and `heading`
    what stands above one; `cells(write)` gives the rows under them, each value as `write(value)` writes it, with the
    interval or the total beside its number.
    """

    @property
    def title(self) -> str:
        """What the table is called."""

    @property
    def frame(self) -> Any:
        """The values, a row each."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know."""

    @property
    def columns(self) -> list[str]:
        """The columns that a reader sees."""

    def heading(self, column: str) -> str:
        """Give what stands above a column."""

    def cells(self, write: Callable[[Any], str]) -> list[list[str]]:
        """Give the rows under `columns`: "0.2 [0.1, 0.3]" of a rate, "3 of 48 (at 120)" of a count."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A way to write tables: `render(table)` gives one as text or bytes, the core puts it into a file with `suffix`."""

    suffix: str
    render: Callable[[Table], str | bytes]
