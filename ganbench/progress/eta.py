"""How long a run still takes, learnt from what its batches took so far. Told of events and of the time, never asks."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ganbench.api import schedules
from ganbench.api.models import Spec
from ganbench.api.trials import Batch

Group = tuple[str, ...]

RIDGE = 0.3
"""How much the traits' influence is held back, in squared deviations of one trait: few architectures teach little."""

DOUBT = 0.05
"""The share of a piece at which its own pace counts as much as that of its like."""


@dataclass(frozen=True)
class WorkItem:
    """Work that ends as a whole: its dataset and method, and its size in updates of either player, times members.

    `traits` are what may make its architecture dear, as numbers.
    """

    dataset: str
    method: str
    size: float
    traits: Mapping[str, float] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[Group, ...]:
        """What it has in common with others, the most telling first."""
        return (self.dataset, self.method), ("dataset", self.dataset, ""), ("method", self.method, ""), ()


def work_item(batch: Batch) -> WorkItem:
    """Give a batch as a piece of work."""
    trial = batch.trials[0]
    steps = trial.budget.generator_steps
    turns = schedules.parse_critic_steps(trial.recipe.critic_steps)(steps // 2)
    size = steps * (turns + 1.0) * len(batch.trials)
    return WorkItem(trial.labels["dataset"], trial.labels["method"], size, numeric_traits(trial.spec))


def numeric_traits(spec: Spec) -> dict[str, float]:
    """Give an architecture's properties as numbers: the logarithm of one that is a number, else whether it has it."""
    found: dict[str, float] = {}
    for name, value in spec.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(np.copysign(np.log2(1 + abs(value)), value))
        else:
            found[f"{name}={value}"] = 1.0
    return found


@dataclass
class Running:
    """A piece that some worker has in hand: since when, and the share of it that was done when it last told.

    `cold` is a worker's first, which also waits for the libraries to be imported: its clock starts when it moves.
    """

    piece: WorkItem
    since: float
    told: float
    share: float = 0.0
    cold: bool = False


class Forecast:
    """The work of a run, by key: what waits, what runs, and the seconds that work of each kind has taken.

    Seconds for a unit of work are learnt for each dataset and method, running pieces included with what they have done;
    of a pair not met yet those of its dataset are taken, then of its method, then of all. What the architecture's
    traits make of that is learnt by ridge regression. `workers` at least, or as many as were seen at work at once.
    """

    def __init__(self, pieces: Mapping[str, WorkItem], workers: int = 1) -> None:
        self.waiting = dict(pieces)
        self.running: dict[str, Running] = {}
        self.workers = workers
        self.total = sum(piece.size for piece in pieces.values())
        self.done = 0.0
        self.known: list[tuple[WorkItem, float, float]] = []  # piece, its share done, seconds

    def start(self, key: str, now: float) -> None:
        """Note that a worker began a piece; once more is a new beginning."""
        found = self.waiting.pop(key, None) or (self.running[key].piece if key in self.running else None)
        if found is not None:
            self.running[key] = Running(found, now, now, cold=not self.known)
            self.workers = max(self.workers, len(self.running))

    def advance(self, key: str, share: float, now: float) -> None:
        """Note what share of a piece is done."""
        running = self.running.get(key)
        if running is not None:
            running.since, running.cold = (now if running.cold else running.since), False
            running.share, running.told = min(1.0, max(0.0, share)), now

    def end(self, key: str, now: float, *, whole: bool = True, seconds: float | None = None) -> None:
        """Note that a piece ended; not `whole`, it teaches only as far as it came. `seconds` if it never was begun."""
        running, piece = self.running.pop(key, None), self.waiting.pop(key, None)
        if running is not None:
            self.known.append((running.piece, 1.0 if whole else running.share, now - running.since))
            piece = running.piece
        elif piece is not None and seconds is not None:
            self.known.append((piece, 1.0, seconds))
        self.done += piece.size if piece is not None else 0.0

    def share(self) -> float:
        """Give the share of the work that is done, running pieces included; 1 where there was none."""
        under_way = sum(each.piece.size * each.share for each in self.running.values())
        return (self.done + under_way) / self.total if self.total else 1.0

    def lessons(self) -> list[Observation]:
        """Give what is known of pieces that moved: the work done and the seconds spent."""
        under_way = ((each.piece, each.share, each.told - each.since) for each in self.running.values())
        return [Observation(p, share, s) for p, share, s in (*self.known, *under_way) if share > 0 and s > 0]

    def left(self, now: float) -> float | None:
        """Give the seconds until the last piece ends, None while nothing is known.

        Waiting pieces go in their order to whichever worker is free first.
        """
        lessons = self.lessons()
        if not (self.waiting or self.running):
            return 0.0
        if not lessons:
            return None
        pace = PaceModel(lessons)
        busy = [remaining_seconds(each, now, pace(each.piece)) for each in self.running.values()]
        free = busy + [0.0] * (self.workers - len(busy))
        heapq.heapify(free)
        for piece in self.waiting.values():
            heapq.heapreplace(free, free[0] + pace(piece))
        return max(free)


@dataclass(frozen=True)
class Observation:
    """A piece of which this share took these seconds."""

    piece: WorkItem
    share: float
    seconds: float


class PaceModel:
    """The seconds that a piece should take, by the lessons of others."""

    def __init__(self, lessons: list[Observation]) -> None:
        seconds: defaultdict[Group, float] = defaultdict(float)
        sizes: defaultdict[Group, float] = defaultdict(float)
        for lesson in lessons:
            for group in lesson.piece.groups:
                seconds[group] += lesson.seconds
                sizes[group] += lesson.piece.size * lesson.share
        self.rates = {group: seconds[group] / sizes[group] for group in sizes}
        self.names = sorted({name for lesson in lessons for name in lesson.piece.traits})
        self.places = {name: i for i, name in enumerate(self.names)}
        self.centre, self.slope, self.scale = np.zeros(len(self.names)), np.zeros(len(self.names)), 1.0
        self.fit(lessons)

    def fit(self, lessons: list[Observation]) -> None:
        """Regress the logarithm of what lessons took, over what their group takes, on the traits; keep the total."""
        weights = np.array([lesson.share for lesson in lessons])
        traits = np.array([self.row(lesson.piece) for lesson in lessons])
        took = np.array([lesson.seconds / (self.plain(lesson.piece) * lesson.share) for lesson in lessons])
        self.centre = np.average(traits, axis=0, weights=weights)
        shifted, target = traits - self.centre, np.log(took)
        square = (shifted * weights[:, None]).T @ shifted + RIDGE * np.eye(len(self.names))
        self.slope = np.linalg.solve(square, shifted.T @ (weights * (target - np.average(target, weights=weights))))
        said = sum(self(lesson.piece) * lesson.share for lesson in lessons)
        self.scale = sum(lesson.seconds for lesson in lessons) / said

    def __call__(self, piece: WorkItem) -> float:
        """Give the seconds that a piece should take in all."""
        return self.plain(piece) * self.scale * float(np.exp((self.row(piece) - self.centre) @ self.slope))

    def plain(self, piece: WorkItem) -> float:
        """Give the seconds by its group alone."""
        return piece.size * next(self.rates[group] for group in piece.groups if group in self.rates)

    def row(self, piece: WorkItem) -> NDArray[np.float64]:
        """Give a piece's traits in the order of their names."""
        found = np.zeros(len(self.names))
        for name, value in piece.traits.items():
            if name in self.places:
                found[self.places[name]] = value
        return found


def remaining_seconds(running: Running, now: float, expected_: float) -> float:
    """Give the seconds that a running piece still takes: at first what is expected of it, later its own pace."""
    share, trust = running.share, running.share / (running.share + DOUBT)
    own = (running.told - running.since) / share if share > 0 else 0.0
    return max(0.0, (1 - share) * (trust * own + (1 - trust) * expected_) - (now - running.told))


def work_items(batches: Iterable[Batch]) -> dict[str, WorkItem]:
    """Give batches as pieces, by key."""
    return {batch.key: work_item(batch) for batch in batches}
