"""What is kept of a trial: scores, signals, costs, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from ganbench.api.metrics import Direction
from ganbench.api.trials import Trial

Status = Literal["completed", "diverged", "failed", "timed-out"]
"""How a trial ended. `completed`: trained to the end of its budget. `diverged`: so too, but a loss or a weight became
non-finite on the way. `failed`: an error ended it. `timed-out`: it took longer than a batch may."""

TRAINED = ("completed", "diverged")
"""The statuses of a trial that was trained to the end of its budget."""

UNTRAINED = ("failed", "timed-out")
"""The statuses of a trial that was not: `run --retry` trains them again."""


@dataclass(frozen=True)
class Score:
    """One value of one metric at one snapshot. `measurement` is the hash of how it was measured.

    `fresh` scores were measured after the end, on samples that chose nothing: what `best` reports.
    """

    step: int
    name: str
    value: float
    direction: Direction
    measurement: str
    samples: int
    _: KW_ONLY
    fresh: bool = False


@dataclass(frozen=True)
class Calibration:
    """One value that a sampler gets which no method trained; `trivial` but for the ceiling, the data itself."""

    sampler: str
    trivial: bool
    name: str
    value: float
    direction: Direction
    measurement: str
    samples: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the store keeps of a trial.

    `diverged_at` is the optimizer step (of either player) at which a loss was first non-finite, -1 if never. `signals` maps a
    name to (generator steps, values). `updates` counts each player's, and `flops` their floating-point operations.
    `seconds` are the batch's wall times divided by its members. `generator` is the final one as safetensors bytes
    (`generator.*`, and `average.*` where weights are averaged).
    """

    trial: Trial
    status: Status = "completed"
    error: str = ""
    diverged_at: int = -1
    scores: tuple[Score, ...] = ()
    signals: Mapping[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    updates: Mapping[str, int] = field(default_factory=dict)
    composition: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    generator: bytes = b""
