"""Whole updates as CUDA graphs: called some times, then captured once, and from then on replayed.

A graph is what one update did on the GPU: gradients, states, optimizers, projections and averages, on the same memory
each time. It runs the same kernels in the same order as the calls did, so it gives the same bits, but no Python runs.
What a graph cannot do, an update does as before: then it is called, and the record says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ganbench.engine.averages import Averages, Shares
from ganbench.engine.ensemble import Ensemble, Stacked
from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.optimizer_state import save_optimizer
from ganbench.engine.replay import REPEATS, have_same_values
from ganbench.errors import GanbenchError

Dues = tuple[tuple[str, frozenset[str]], ...]
"""What an update does: its players, each with the names of the terms that count in its loss."""

WARM_UPS = 2
"""Updates of a kind that are called on the stream of the capture before they are captured, once they are recorded."""


CALLED = "its gradients are not recorded, but called at each step"
"""Why an update is no graph: the kernels of a call may differ from one step to the next."""


class GraphBackend(Protocol):
    """How work is captured and replayed: CUDA's graphs, or what stands for them where there is no GPU."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Do the work where it will be captured, so that libraries prepare themselves there."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture the work without doing it; return the function that does it."""


class CudaGraphs:
    """CUDA's graphs of one game, which share their memory: only one of them runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @cached_property
    def stream(self) -> torch.cuda.Stream:
        """The stream beside the usual one: CUDA captures no other."""
        return torch.cuda.Stream(self.device)

    @cached_property
    def pool(self) -> Any:
        """The memory of all graphs. A tensor that is still in use stays out of the next capture."""
        return torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], None]) -> None:
        """Do the work on the stream of the captures, after all earlier work and before all later work."""
        usual = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(usual)
        with torch.cuda.stream(self.stream):
            work()
        usual.wait_stream(self.stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture the work; raise what CUDA or the work raises, for instance where Python waits for a value."""
        graph = torch.cuda.CUDAGraph()
        try:
            # a capture that fails leaves its stream the current one: the outer block brings the usual one back
            with (
                torch.cuda.stream(torch.cuda.current_stream(self.device)),
                torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"),
            ):
                work()
        except BaseException:
            self.__dict__.pop("pool", None)  # it may be left in the middle of a capture
            raise
        replay: Callable[[], None] = graph.replay
        return replay


@dataclass
class Results:
    """What is read of a game after an update: its losses [S] and their parts, and the gradients, by player and name."""

    losses: Stacked = field(default_factory=dict)
    parts: Stacked = field(default_factory=dict)
    gradients: dict[str, Stacked] = field(default_factory=dict)

    def tensors(self) -> list[Tensor]:
        """Return all of them, in order."""
        return list(iterate_leaves((self.losses, self.parts, self.gradients)))


class CapturedGame(Protocol):
    """What a game has (`engine.step.Game`) that graphs read and call; without `compares` it makes no comparison."""

    gradient_functions: dict[tuple[str, frozenset[str]], Callable[[Any], Any]]
    is_compared: Callable[[str, int], bool]
    compares: bool
    optimizers: Mapping[str, torch.optim.Optimizer]
    updates: dict[str, int]
    ensemble: Ensemble
    state: dict[str, dict[str, Tensor]]
    averages: Averages | None
    total_updates: Tensor
    diverged_at: Tensor

    def update(self, dues: Dues, step_inputs: Mapping[str, Any], shares: Shares) -> Results:
        """Do everything that changes a tensor in a step, and return what is to be read after it."""

    def publish(self, results: Results) -> None:
        """Let the losses and their parts be those of an update."""

    def set_gradients(self, player: str, gradients: Stacked) -> None:
        """Set the gradients of the player's parameters."""


class UpdateGraphs:
    """The graphs of one game's updates: one for each set of players, due terms and shares of the averages.

    `reasons` says, by player, why some of its updates cannot be graphs; `captured` are the players of which some are.
    """

    def __init__(self, game: CapturedGame, backend: GraphBackend) -> None:
        self.game, self.backend = game, backend
        self.held_inputs: dict[tuple[str, ...], Any] = {}
        self.kinds: dict[tuple[Dues, Shares], UpdateGraph] = {}
        self.reasons: dict[str, str] = {}
        self.captured: set[str] = set()

    def continue_from(self, previous: UpdateGraphs) -> None:
        """Add what is known of the stage before."""
        self.reasons |= previous.reasons
        self.captured |= previous.captured

    def facts(self) -> dict[str, Any]:
        """Return what a record says: whether the updates were captured, and by player why some were not."""
        few = {} if self.captured else dict.fromkeys(self.game.optimizers, "too few updates")
        reasons = few | self.reasons
        return {"captured": not reasons, **({"not_captured": reasons} if reasons else {})}

    def update(self, dues: Dues, step_inputs: Mapping[str, Any], shares: Shares) -> None:
        """Do an update of the game: by its graph if there is one, or else by calls."""
        inputs = self.hold(tuple(player for player, _ in dues), step_inputs)
        if (dues, shares) not in self.kinds:
            self.kinds[dues, shares] = UpdateGraph(self, dues, inputs, shares)
        self.kinds[dues, shares].run()

    def hold(self, players: tuple[str, ...], step_inputs: Mapping[str, Any]) -> Any:
        """Return the inputs of a step in the memory in which every step of these players finds them."""
        if players not in self.held_inputs:
            self.held_inputs[players] = map_leaves(lambda t: torch.empty_like(t).contiguous(), step_inputs)
        held = self.held_inputs[players]
        torch._foreach_copy_(list(iterate_leaves(held)), list(iterate_leaves(step_inputs)))
        return held


class UpdateGraph:
    """An update of one kind: called until it can be captured, and then replayed.

    Its first replay, and each that is to be compared, is done twice: by the graph, and from the same point by calls.
    """

    def __init__(self, graphs: UpdateGraphs, dues: Dues, inputs: Any, shares: Shares) -> None:
        self.graphs, self.game, self.dues, self.shares = graphs, graphs.game, dues, shares
        self.call = partial(self.game.update, dues, inputs, shares)
        self.called, self.warm, self.refused = Results(), 0, False
        self.replay: Callable[[], None] | None = None
        self.results: Results

    def run(self) -> None:
        """Do the update."""
        if self.replay is not None:
            self.play(self.replay)
        elif self.refused or not self.is_recorded():
            self.do_call()
        elif self.warm < WARM_UPS:
            self.warm_up()
        else:
            self.capture()
        self.game.publish(self.called if self.replay is None else self.results)

    def do_call(self) -> None:
        """Do the update by calls."""
        self.called = self.call()

    def is_recorded(self) -> bool:
        """Return whether the gradients of every player are replayed, which a capture needs; refuse it if not so."""
        for player, due in self.dues:
            function = self.game.gradient_functions.get((player, due))
            recorded = function and getattr(function, "recorded", False)
            if function is not None and recorded is False:
                refusal: str = getattr(function, "refusal", "")
                level = logging.WARNING if refusal else logging.INFO
                self.refuse(f"{CALLED}{': ' if refusal else ''}{refusal}", level)
            if not recorded:
                return False
        return True

    def warm_up(self) -> None:
        """Do the update by calls on the stream of the capture, and see whether the optimizers could be captured."""
        try:
            before, _ = self.read_optimizers()
        except TypeError as error:
            self.refuse(str(error))
            self.do_call()
            return
        self.graphs.backend.warm_up(self.do_call)
        after, tensors = self.read_optimizers()
        self.warm += 1
        if before != after:
            self.refuse("its optimizer keeps a number in Python that changes from step to step")
        place = self.game.total_updates.device
        if any(tensor.device != place for tensor in tensors):
            self.refuse("its optimizer keeps a tensor on the CPU")

    def read_optimizers(self) -> tuple[list[Any], list[Tensor]]:
        """Return the numbers and the tensors that the optimizers of the players keep."""
        saved = [save_optimizer(self.game.optimizers[player]) for player, _ in self.dues]
        return [numbers for numbers, _ in saved], [tensor for _, tensors in saved for tensor in tensors.values()]

    def capture(self) -> None:
        """Capture the update and do it; it is a graph from now on if the graph agrees with the calls."""
        self.game.compares = False  # a comparison waits for the GPU
        try:
            replay = self.graphs.backend.capture(self.do_call)
        except Exception as error:  # a plugin may do what cannot be captured, and raise any exception then
            self.refuse(f"the capture of a CUDA graph failed: {str(error).partition(chr(10))[0][:200]}")
            self.do_call()
            return
        finally:
            self.game.compares = True
        self.results = self.called
        before = self.copy_state()
        if self.agrees(self.replay_from(before, replay), before):
            self.replay = replay
            self.graphs.captured |= {player for player, _ in self.dues}
        else:
            self.refuse("a CUDA graph of its update gives other numbers than the update itself")

    def refuse(self, reason: str, level: int = logging.WARNING) -> None:
        """Call this update from now on; the reason is that of its players."""
        self.refused = True
        for player, _ in self.dues:
            if self.graphs.reasons.setdefault(player, reason) is reason:
                text = "updates of the %s are not captured as CUDA graphs, and so take longer: %s"
                logging.getLogger("ganbench").log(level, text, player, reason)

    def play(self, replay: Callable[[], None]) -> None:
        """Do the update by its graph; compare it with calls where the game says so.

        Raise GanbenchError if they differ, although the calls repeat their own values.
        """
        if not any(self.game.is_compared(player, self.game.updates[player]) for player, _ in self.dues):
            replay()
            for player, gradients in self.results.gradients.items():
                self.game.set_gradients(player, gradients)
            return
        before = self.copy_state()
        replayed = self.replay_from(before, replay)
        if not self.agrees(replayed, before):
            after = self.copy_state()
            if all(have_same_tensors(replayed, self.replay_from(before, replay)) for _ in range(REPEATS)):
                raise GanbenchError(
                    "an optimizer, a projection or a loss gives other values when it is called than in the CUDA graph "
                    "that was captured of it: it reads what changes in Python, such as a counter or a clock. Keep what "
                    "changes from step to step in tensors."
                )
            self.restore(after)

    def replay_from(self, before: Sequence[Tensor], replay: Callable[[], None]) -> list[Tensor]:
        """Do the update by the graph, from this state; return a copy of all that it changes."""
        self.restore(before)
        replay()
        return [tensor.clone() for tensor in (*self.list_state(), *self.results.tensors())]

    def agrees(self, replayed: Sequence[Tensor], before: Sequence[Tensor]) -> bool:
        """Do the update by calls, from this state; return whether what changed is the same as by the graph."""
        self.restore(before)
        self.do_call()
        return have_same_tensors(replayed, (*self.list_state(), *self.called.tensors()))

    def list_state(self) -> list[Tensor]:
        """Return every tensor that the update changes in place."""
        return list(self._iterate_state())

    def _iterate_state(self) -> Iterator[Tensor]:
        game = self.game
        for player, _ in self.dues:
            yield from game.ensemble.detached[player].values()
        yield from iterate_leaves(game.state)
        yield from (game.total_updates, game.diverged_at)
        yield from self.read_optimizers()[1]
        if self.shares and game.averages is not None:
            yield from (tensor for _, tensor in game.averages.iterate())

    def copy_state(self) -> list[Tensor]:
        """Return copies of the tensors that the update changes."""
        return [tensor.clone() for tensor in self.list_state()]

    @torch.no_grad()
    def restore(self, before: Sequence[Tensor]) -> None:
        """Set the tensors that the update changes to these copies."""
        torch._foreach_copy_(self.list_state(), list(before))


def have_same_tensors(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Return whether two lists of tensors have equal values."""
    return all(have_same_values(a, b) for a, b in zip(one, other, strict=True))
