"""Where the time of a training goes: its parts are timed from outside, and only where somebody asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganbench.engine.stages import Stage
    from ganbench.engine.train import Training

PARTS = ("draws", "gradients", "optimizer", "signals")
"""The parts of a training that are timed: random numbers and data; gradients; the rest of a step; what is traced.

The optimizer's part has the projections, too. What is left of a training's time is schedules, averages, guards and
copies of snapshots.
"""

GRAPHS = "graphs"
"""The part that whole updates are where they are CUDA graphs: gradients and optimizer count only in what is called."""


class PartClock:
    """Counts the seconds of each part of a training in `seconds`; of parts within parts only the innermost counts.

    `wait` waits for the device, so that its work counts where it was asked for.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None, now: Callable[[], float] = perf_counter) -> None:
        self.wait, self.now = wait, now
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.part, self.since = "", 0.0

    def follow(self, training: Training) -> None:
        """Time the parts of a training from now on; its numbers stay as they are."""
        begin_stage = training.begin_stage

        def begin_timed_stage(number: int) -> Stage:
            stage = begin_stage(number)
            self.follow_stage(stage)
            return stage

        self._replace(training, "begin_stage", begin_timed_stage)
        self._replace(training, "note_signals", self.timed("signals", training.note_signals))
        if training.stage is not None:
            self.follow_stage(training.stage)

    def follow_stage(self, stage: Stage) -> None:
        """Time the parts of a stage's steps."""
        for inputs in stage.inputs.values():
            self._replace(inputs, "next", self.timed("draws", inputs.next))
        self._replace(stage.game, "compute_gradients", self.timed("gradients", stage.game.compute_gradients))
        self._replace(stage.game, "step", self.timed("optimizer", stage.game.step))
        if (graphs := stage.game.graphs) is not None:
            self._replace(graphs, "update", self.timed(GRAPHS, graphs.update))

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and whose time counts for this part."""

        def call(*args: Any, **options: Any) -> Any:
            before = self.enter(part)
            try:
                return function(*args, **options)
            finally:
                self.wait()
                self.enter(before)

        return call

    def enter(self, part: str) -> str:
        """Begin a part, "" for what no part has; return the one that ends."""
        now, before = self.now(), self.part
        if before:
            self.seconds[before] += now - self.since
        self.part, self.since = part, now
        return before

    @staticmethod
    def _replace(owner: Any, name: str, function: Callable[..., Any]) -> None:
        setattr(owner, name, function)
