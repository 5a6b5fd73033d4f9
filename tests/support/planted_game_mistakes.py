"""Planted mistakes in optimizers for games, in codes and packs, and in augmentations."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from ganbench import Draw, Dynamics, Offer
from torch import Tensor
from torch.nn.functional import cross_entropy

from tests.support.planted_mistakes import Planted, input_


class Extra(torch.optim.SGD):
    """Plain extragradient: odd steps look ahead, even steps move from where the odd step began."""

    def look_or_move(self, count: int) -> None:
        for p in self.param_groups[0]["params"]:
            if count % 2 == 0:
                p.data.copy_(self.state[p]["start"])
            else:
                self.state[p]["start"] = p.detach().clone()

    def count(self) -> int:
        group = self.param_groups[0]
        group["steps"] = group.get("steps", 0) + 1
        return group["steps"]

    def step(self, closure=None):
        self.look_or_move(self.count())
        return super().step(closure)


class CountsOutsideItsState(Extra):
    calls = 0

    def count(self) -> int:
        self.calls += 1
        return self.calls


class SlowsForBothPlayers(torch.optim.SGD):
    """Descent that slows down with the number of steps, which all optimizers count together."""

    calls: list[int] = []

    def step(self, closure=None):
        self.calls.append(1)
        self.param_groups[0]["lr"] = 0.1 / len(self.calls)
        return super().step(closure)


class KeepsAList(Extra):
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            self.state[p]["history"] = [*self.state[p].get("history", ()), p.detach().clone()]
        return super().step(closure)


class NormalisedBySeeds(torch.optim.SGD):
    """Descent along the last gradient over its root mean square over all seeds."""

    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad / p.grad.square().mean().sqrt()
        return super().step(closure)


def optimizer(mistake: str, message: str, kind: type[torch.optim.Optimizer]) -> Planted:
    """Return an optimizer with a planted mistake."""

    def build(lr: float = 0.1):
        def make(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
            return kind(list(parameters), lr=lr)  # type: ignore[call-arg]

        return make

    return Planted("optimizers", Offer(mistake, build, "Descent."), message)


def brighten(x: Tensor, draws, progress) -> Tensor:
    """Return samples of another brightness, all by the first sample's number."""
    return x + draws["brightness"][0]


def shift_at_random(x: Tensor, draws, progress) -> Tensor:
    return x.roll(int(torch.randint(3, ())), -1)


def detached_term(play) -> Tensor:
    return cross_entropy(play.answers_fake["code"].detach(), play.codes["category"])


def bound_without_state(play, state):
    return cross_entropy(play.answers_fake["code"], play.codes["category"]), {}


def dynamics(mistake: str, message: str, lookahead: object) -> Planted:
    """Return dynamics with a planted mistake in their lookahead."""
    return Planted("dynamics", Offer(mistake, lambda: Dynamics(lookahead=lookahead), "Moves."), message)  # type: ignore[arg-type]


CODES = {"latent": {"category": Draw("onehot", (4,))}, "heads": {"code": 4}}

GAME_MISTAKES = (
    dynamics("lookahead after no step", "give an integer of 1 or more", (0, 0.5)),
    dynamics("lookahead beyond the weights", "a share of 1.5 of the way", (5, 1.5)),
    dynamics("lookahead without a share", "as in (5, 0.5)", 5),
    optimizer("a count outside the state", "restored from its state after 3 steps", CountsOutsideItsState),
    optimizer("a count for both players", "they share a state", SlowsForBothPlayers),
    optimizer("a list in the state", "has 'history' as list", KeepsAList),
    optimizer("a mean over seeds", "it is not elementwise", NormalisedBySeeds),
    input_("one brightness", "not the first sample's", view=brighten, draws={"brightness": Draw("uniform")}),
    input_("shifts of its own", "draws random numbers", view=shift_at_random),
    input_("an augmentation of bytes", "no gradient through `view`", view=lambda x, d, p: (x * 127.5).round() / 127.5),
    input_(
        "noise of an unknown law",
        "Known: normal, uniform, sign, onehot",
        view=lambda x, d, p: x + d["noise"],
        draws={"noise": Draw("gaussian", "data")},
    ),  # type: ignore[arg-type]
    input_("a pack of one", "it does nothing", pack=1),
    input_("half a pack", "give the integer number of samples", pack=1.5),
    input_("a detached bound", "no gradient in the critic's parameters", critic=detached_term, **CODES),
    input_(
        "a bound that is not kept",
        "return every leaf",
        critic=bound_without_state,
        generator=bound_without_state,
        init=lambda parameters, rng: {"bound": torch.zeros(())},
        **CODES,
    ),
)
