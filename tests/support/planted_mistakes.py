"""Offers with one planted mistake each, and a part of the message that `ganbench check` must report for it."""

from __future__ import annotations

import math
from queue import SimpleQueue
from typing import NamedTuple

import torch
from ganbench import Constraint, Draw, Example, Input, Objective, Offer, Scalar
from torch import Tensor
from torch.func import grad
from torch.nn.functional import softplus

SOURCE = "by hand"


class Planted(NamedTuple):
    """A mistake: the kind of the offer, the offer (its name describes the mistake), and a part of the message."""

    kind: str
    offer: Offer
    message: str


def critic(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def loss(mistake: str, message: str, critic=critic, generator=generator, examples=(), build=None, **facts) -> Planted:
    """Return a loss with a planted mistake."""
    fields = {name: facts.pop(name) for name in ("paired", "init", "head", "read") if name in facts}
    make = build or (lambda: Objective(critic, generator, **fields))
    return Planted("losses", Offer(mistake, make, "A loss.", examples=examples, **facts), message)


def critic_clamping_in_place(real: Tensor, fake: Tensor) -> Tensor:
    return critic(real.clamp_(-1, 1), fake)


def critic_with_a_mask(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake[fake > -1]).mean()


def critic_deciding_by_value(real: Tensor, fake: Tensor) -> Tensor:
    return critic(real, fake) if real.mean() > fake.mean() else critic(real, fake) * 2


def critic_counting_steps(real: Tensor, fake: Tensor, state) -> tuple[Tensor, dict]:
    return critic(real, fake), {"ratio": state["ratio"], "steps": state["steps"] + 1}


def generator_with_a_state(_real, fake: Tensor, state) -> tuple[Tensor, dict]:
    return generator(None, fake), dict(state)


def init_two_numbers() -> dict[str, Tensor]:
    return {"ratio": torch.zeros(()), "steps": torch.zeros((), dtype=torch.long)}


def critic_dropping_state(real: Tensor, fake: Tensor, state) -> tuple[Tensor, dict]:
    return critic(real, fake), {"steps": state["steps"]}


def critic_turning_state_float(real: Tensor, fake: Tensor, state) -> tuple[Tensor, dict]:
    return critic(real, fake), {"ratio": state["ratio"], "steps": state["steps"] * 0.9}


def build_frozen(scale: Scalar = 1.0) -> Objective:
    fixed = float(scale)
    return Objective(lambda real, fake: fixed * critic(real, fake), generator)


class CountingCritic:
    """A critic's loss that changes over after fifty calls, which it counts by hand."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, real: Tensor, fake: Tensor) -> Tensor:
        self.calls += 1
        return critic(real, fake) * (1.0 if self.calls <= 50 else 2.0)


def hidden_change(function, at: int = 51):
    """Return a function whose value doubles at this call; nothing can look into the queue that counts the calls."""
    calls: SimpleQueue[int] = SimpleQueue()

    def changing(*arguments):
        calls.put(1)
        return function(*arguments) * (2.0 if calls.qsize() >= at else 1.0)

    return changing


HALF = (Example({"real": [1.0], "fake": [0.0]}, {"generator": 0.5}, "(0 - 1)^2 / 2, Mao et al. 2017, equation 9"),)
WRONG = (Example({"real": [0.0], "fake": [0.0]}, {"critic": 2.0}, SOURCE),)

LOSSES = (
    loss("the critic's sign", "critic's loss never puts real above fake", critic=lambda r, f: critic(-r, -f)),
    loss("the generator's sign", "generator's loss never moves fake scores up", generator=lambda r, f: f.mean()),
    loss("high on fake, undeclared", "real above fake", lambda r, f: critic(-r, -f), lambda r, f: softplus(f).mean()),
    loss(
        "a missing half", "the generator's loss is 1 at", generator=lambda r, f: (f - 1).square().mean(), examples=HALF
    ),
    loss("a wrong example", f"the critic's loss is {math.log(4):.6g} at", examples=WRONG),
    loss("random numbers", "draws random numbers", critic=lambda r, f: critic(r + 0.1 * torch.randn_like(r), f)),
    loss(
        "random numbers in a loop",
        "torch's global generator",
        critic=lambda r, f: critic(r + torch.rand(()), f),
        stackable=False,
    ),
    loss("item", "takes a number out of a tensor", critic=lambda r, f: critic(r, f) / max(f.std().item(), 1e-3)),
    loss("if on a tensor", "`if` on a tensor", critic=critic_deciding_by_value),
    loss("a boolean mask", "mask", critic=critic_with_a_mask),
    loss("in-place clamp", "in place", critic=critic_clamping_in_place),
    loss("a tensor made in the step", "torch.tensor(...)", critic=lambda r, f: critic(r, f) * torch.tensor(1.0)),
    loss("paired, undeclared", "declare paired=True", generator=lambda r, f: softplus(r - f).mean()),
    loss("paired for nothing", "never reads the real scores", paired=True),
    loss(
        "a state without init",
        "missing 1 required positional argument",
        critic=critic_counting_steps,
        generator=generator_with_a_state,
    ),
    loss(
        "a dropped state",
        "return every leaf",
        critic=critic_dropping_state,
        generator=generator_with_a_state,
        init=init_two_numbers,
    ),
    loss(
        "a state turned float",
        "'steps' as torch.float32",
        critic=critic_turning_state_float,
        generator=generator_with_a_state,
        init=init_two_numbers,
    ),
    loss("log of a sigmoid", "softplus", critic=lambda r, f: critic(r, f) - (1 - f.sigmoid()).log().mean()),
    loss("a vector", "reduce it to one number", generator=lambda r, f: softplus(-f)),
    loss("a schedule read once", "a schedule of it changes nothing", build=build_frozen),
    loss("counts by hand", "`critic.calls` changes from 1 to", build=lambda: Objective(CountingCritic(), generator)),
    loss(
        "counts by hand in a loop",
        "Keep what changes from step to step as tensors in a state (`init`)",
        build=lambda: Objective(CountingCritic(), generator),
        stackable=False,
    ),
    loss("changes at call 51", "at call 51: it counts", build=lambda: Objective(hidden_change(critic), generator)),
    loss("a NumPy detour", "leaves torch", critic=lambda r, f: critic(r, f) + float(f.numpy().mean())),
)


def slopes(play, x: Tensor) -> Tensor:
    return grad(lambda at: play.critic(at).sum())(x)


def norms(play, x: Tensor) -> Tensor:
    return (slopes(play, x).flatten(1).square().sum(1) + 1e-12).sqrt()


def constraint(mistake: str, message: str, critic=None, examples=(), **fields) -> Planted:
    """Return a constraint with a planted mistake."""
    build = fields.pop("build", None) or (lambda: Constraint(critic=critic, **fields))
    return Planted("constraints", Offer(mistake, build, "A constraint.", examples=examples), message)


def mix_samples(play, mix: Tensor) -> Tensor:
    return mix * play.real + (1 - mix) * play.fake


def penalty_on_mixes(play) -> Tensor:
    return (norms(play, mix_samples(play, play.draws["mix"])) - 1).square().mean()


def penalty_of_first_row(play) -> Tensor:
    return (norms(play, mix_samples(play, play.draws["mix"][:1])) - 1).square().mean()


def penalty_on_detached(play) -> Tensor:
    return (norms(play, play.real).detach() - 1).square().mean()


def penalty_of_batch_norm(play) -> Tensor:
    return ((slopes(play, play.real).square().sum() + 1e-12).sqrt() - 1).square()


def penalty_along_axis_1(play) -> Tensor:
    return ((slopes(play, play.real).square().sum(1) + 1e-12).sqrt() - 1).square().mean()


def penalty_with_bare_root(play) -> Tensor:
    return (slopes(play, play.real).flatten(1).square().sum(1).sqrt() - 1).square().mean()


def penalty_with_random_numbers(play) -> Tensor:
    return (norms(play, mix_samples(play, torch.rand(len(play.real), 1))) - 1).square().mean()


def r1_without_half(play) -> Tensor:
    return slopes(play, play.real).flatten(1).square().sum(1).mean()


def penalty_with_an_anchor(play) -> Tensor:
    return norms(play, play.real).mean() + play.critic(0 * play.real).mean()


def shrink_weights(parameters, progress):
    return {name: weights * 0.9 for name, weights in parameters.items()}


def keep_weights(parameters, progress):
    return dict(parameters)


def clip_in_place(parameters, progress):
    return {name: weights.clamp_(-0.01, 0.01) for name, weights in parameters.items()}


def clip_and_rename(parameters, progress):
    return {f"critic.{name}": weights.clamp(-0.01, 0.01) for name, weights in parameters.items()}


def normalise_and_drop_biases(parameters):
    return {name: weights / weights.norm() for name, weights in parameters.items() if weights.ndim > 1}


def detach_weights(parameters):
    return {name: weights.detach() for name, weights in parameters.items()}


def build_bound_read_once(bound: Scalar = 0.1) -> Constraint:
    limit = float(bound)
    return Constraint(project=lambda parameters, progress: {n: p.clamp(-limit, limit) for n, p in parameters.items()})


R1 = (Example({"slope": 1.7, "shape": [3, 4, 4]}, {"critic": 1.445}, "1.7^2 / 2"),)
GP = (Example({"slope": 1.7, "shape": [3, 4, 4]}, {"critic": 0.49}, "(1.7 - 1)^2"),)
MIX = {"mix": Draw("uniform", "sample")}


def count_projections() -> Constraint:
    calls = []
    return Constraint(project=lambda d, progress: calls.append(1) or {n: p.clamp(-1, 1) for n, p in d.items()})


CONSTRAINTS = (
    constraint("norm along axis 1", "its norm mixes samples or axes", penalty_along_axis_1),
    constraint("norm of the batch", "on the same batch twice", penalty_of_batch_norm),
    constraint("norm along axis 1, by example", "3x4x4 its critic term is", penalty_along_axis_1, GP),
    constraint("r1 without its half", "its critic term is 2.89, but its example says 1.445", r1_without_half, R1),
    constraint("penalty on the generator", "it has none there", None, GP, generator=lambda p: norms(p, p.fake).mean()),
    constraint("detached penalty", "no gradient in the critic's parameters", penalty_on_detached),
    constraint("bare root", "put 1e-12 under the root", penalty_with_bare_root),
    constraint("random numbers in a penalty", "draws random numbers", penalty_with_random_numbers),
    constraint(
        "one coefficient for each pixel",
        "48 coefficients each",
        penalty_on_mixes,
        draws={"mix": Draw("uniform", "data")},
    ),
    constraint("one coefficient per batch", "not the first sample's", penalty_of_first_row, draws=MIX),
    constraint(
        "a coefficient on a wrong axis", "in another order", penalty_on_mixes, draws={"mix": Draw("uniform", (1,))}
    ),
    constraint("a draw never read", "never reads it", lambda p: norms(p, p.real).mean(), draws=MIX),
    constraint("a penalty on D(0)", "a constant of 5 added", penalty_with_an_anchor),
    constraint("nothing", "it does nothing"),
    constraint("a projection that does nothing", "it does nothing", project=keep_weights),
    constraint("a projection that moves twice", "once must be enough", project=shrink_weights),
    constraint("clipping in place", "in place", project=clip_in_place),
    constraint("clipping of renamed weights", "which the critic does not have", project=clip_and_rename),
    constraint("a bound read once", "a schedule of it changes nothing", build=build_bound_read_once),
    constraint("reparametrisation that drops biases", "return the other ones", reparametrise=normalise_and_drop_biases),
    constraint("detached reparametrisation", "do not detach them", reparametrise=detach_weights),
    constraint("a wrap that sums", "for 4 samples", wrap=lambda critic: lambda x: critic(x).sum()),
    constraint("a missing mean", "return one number", lambda p: norms(p, p.real)),
    constraint(
        "changes at call 51",
        "for equal inputs at call 51",
        build=lambda: Constraint(critic=hidden_change(lambda play: play.scores_real.square().mean())),
    ),
    constraint(
        "a projection that counts",
        "`len(project.calls)` changes",
        build=count_projections,
    ),
    constraint("never due", "k >= 1", lambda p: norms(p, p.real).mean(), every=0),
)


def input_(mistake: str, message: str, **fields) -> Planted:
    """Return an input with a planted mistake."""
    return Planted("inputs", Offer(mistake, lambda: Input(**fields), "An input."), message)


def build_changing_view() -> Input:
    return Input(view=hidden_change(lambda x, draws, progress: 1 * x))


INPUTS = (
    input_("a view that flattens", "`view` turns", view=lambda x, draws, progress: x.flatten()),
    input_("a view in place", "in place", view=lambda x, draws, progress: x.mul_(0.9)),
    input_("noise never read", "never reads it", view=lambda x, d, p: 2 * x, draws={"noise": Draw("normal", "data")}),
    Planted("inputs", Offer("a view that changes", build_changing_view, "An input."), "for equal inputs at call"),
    input_("a head never read", "no term reads it", heads={"code": 3}, critic=lambda p: p.scores_real.square().mean()),
)
