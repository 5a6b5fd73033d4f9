"""A loss under test, and the critic's answers that the contract rules for losses let it read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganbench.api.training import Objective
from ganbench.testing.rule import Subject

BATCH_SIZE, WIDTH = 6, 2
HEADS = {"score": (), "features": (4,), "reconstruction": (WIDTH,)}

Sides = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Case:
    """A loss under test, and answers of a critic for it to read."""

    subject: Subject

    @cached_property
    def objective(self) -> Objective:
        """The loss that the offer builds."""
        built: Objective = self.subject.build()
        return built

    @property
    def on_scores(self) -> bool:
        """Whether the loss reads plain scores."""
        return self.objective.head == "score"

    def sides(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> Sides:
        """Return samples and critic answers of both sides: {side: {"x": [n, 2], "answer": ...}}."""
        rng = torch.Generator().manual_seed(seed)
        head = self.objective.head
        shapes = {"x": (WIDTH,), **({"answer": HEADS.get(head, (4,))} if head is not None else {})}
        return {
            side: {name: torch.randn(BATCH_SIZE, *shape, generator=rng, dtype=dtype) for name, shape in shapes.items()}
            for side in ("real", "fake")
        }

    def scores(self, real: list[float], fake: list[float], dtype: torch.dtype = torch.float64) -> Sides:
        """Return both sides with these scores as the critic's answers."""
        scores = {"real": torch.tensor(real, dtype=dtype), "fake": torch.tensor(fake, dtype=dtype)}
        return {side: {"answer": s, "x": s.new_zeros(len(s), WIDTH)} for side, s in scores.items()}

    def state(self) -> Any:
        """Return the first state, in float64; empty for a loss without state."""
        state = self.objective.init() if self.objective.init else {}
        return {name: leaf.double() if leaf.is_floating_point() else leaf for name, leaf in state.items()}

    def read(self, side: Mapping[str, Tensor]) -> Tensor:
        """Return what the loss reads of one side."""
        return self.objective.read(side.get("answer"), side["x"])

    def play(self, player: str, sides: Sides, state: Any) -> tuple[Tensor, Any]:
        """Return one player's loss and the next state."""
        needs_real = player == "critic" or self.objective.paired
        scores = (self.read(sides["real"]) if needs_real else None, self.read(sides["fake"]))
        function: Callable[..., Any] = getattr(self.objective, player)
        return function(*scores, state) if self.objective.init else (function(*scores), state)

    def play_both(self, sides: Sides, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Return the critic's loss, then the generator's, and the state after both."""
        critic, state = self.play("critic", sides, state)
        generator, state = self.play("generator", sides, state)
        return critic, generator, state


def cases(subject: Subject) -> list[Case]:
    """Return the cases of a loss: its default options, and the options of each example."""
    return [Case(variant) for variant in subject.variants()]


def require_gradients(sides: Sides) -> list[Tensor]:
    """Make the tensors of both sides leaves of a graph, and return them."""
    return [tensor.requires_grad_() for side in sides.values() for tensor in side.values()]
