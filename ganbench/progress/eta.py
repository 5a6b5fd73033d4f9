"""A forecast of the time a run still takes, learnt from its batches so far. Events and the time are passed in."""

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
"""The ridge penalty on the influence of traits, in squared deviations of one trait: few architectures show little."""

DOUBT = 0.05
"""The share of a running item at which its own pace counts as much as the pace of items like it."""


@dataclass(frozen=True)
class WorkItem:
    """A batch as a unit of work: its dataset and method, and its size in updates of either player, times members.

    `traits` are the numbers that may make its architecture expensive.
    """

    dataset: str
    method: str
    size: float
    traits: Mapping[str, float] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of similar items that it belongs to, the most similar first."""
        return (self.dataset, self.method), ("dataset", self.dataset, ""), ("method", self.method, ""), ()


def make_work_item(batch: Batch) -> WorkItem:
    """Return a batch as an item of work; a schedule of critic steps counts as it is at half the training."""
    trial = batch.trials[0]
    steps = trial.budget.generator_steps
    critic_steps = schedules.parse_critic_steps(trial.recipe.critic_steps)(steps // 2)
    size = steps * (critic_steps + 1.0) * len(batch.trials)
    return WorkItem(trial.labels["dataset"], trial.declared_method, size, numeric_traits(trial.spec))


def numeric_traits(spec: Spec) -> dict[str, float]:
    """Return an architecture's properties as numbers: log2(1 + |x|) with the sign of x, or 1.0 for "name=value"."""
    traits: dict[str, float] = {}
    for name, value in spec.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            traits[name] = float(np.copysign(np.log2(1 + abs(value)), value))
        else:
            traits[f"{name}={value}"] = 1.0
    return traits


@dataclass
class Running:
    """An item that a worker is training: when it started, and the share that was done when it last reported.

    `cold` is a worker's first item, which also waits for the import of libraries: its clock starts when it first
    reports.
    """

    item: WorkItem
    started: float
    reported: float
    share: float = 0.0
    cold: bool = False

    def remaining(self, now: float, expected: float) -> float:
        """Return the seconds it still takes: at first from `expected` for the whole item, later by its own pace."""
        trust = self.share / (self.share + DOUBT)
        own_pace = (self.reported - self.started) / self.share if self.share > 0 else 0.0
        whole = trust * own_pace + (1 - trust) * expected
        return max(0.0, (1 - self.share) * whole - (now - self.reported))


class Forecast:
    """The work of a run, by key: the items that wait, those that run, and the seconds that finished ones took.

    The seconds for a unit of work are learnt for each dataset and method, from running items too, as far as they are
    done. A pair that was not seen yet takes the pace of its dataset, else of its method, else of all items. The
    influence of the architecture's traits on that is learnt by ridge regression. The number of workers is `workers`, or
    the largest number of items that ran at once, if that is more.
    """

    def __init__(self, items: Mapping[str, WorkItem], workers: int = 1) -> None:
        self.waiting = dict(items)
        self.running: dict[str, Running] = {}
        self.workers = workers
        self.total = sum(item.size for item in items.values())
        self.done = 0.0
        self.finished: list[Observation] = []

    def start(self, key: str, now: float) -> None:
        """Record that a worker started an item; an item that runs already starts again."""
        item = self.waiting.pop(key, None) or (self.running[key].item if key in self.running else None)
        if item is not None:
            self.running[key] = Running(item, now, now, cold=not self.finished)
            self.workers = max(self.workers, len(self.running))

    def advance(self, key: str, share: float, now: float) -> None:
        """Record the share of an item that is done."""
        running = self.running.get(key)
        if running is not None:
            running.started, running.cold = (now if running.cold else running.started), False
            running.share, running.reported = min(1.0, max(0.0, share)), now

    def end(self, key: str, now: float, *, whole: bool = True, seconds: float | None = None) -> None:
        """Record that an item ended; if not `whole`, only the share that was done counts.

        `seconds` are those of an item that never started here, as one with a record from an earlier run.
        """
        running, item = self.running.pop(key, None), self.waiting.pop(key, None)
        if running is not None:
            item = running.item
            self.finished.append(Observation(item, 1.0 if whole else running.share, now - running.started))
        elif item is not None and seconds is not None:
            self.finished.append(Observation(item, 1.0, seconds))
        self.done += item.size if item is not None else 0.0

    def share_done(self) -> float:
        """Return the share of the work that is done, running items included; 1 if there was no work."""
        running = sum(each.item.size * each.share for each in self.running.values())
        return (self.done + running) / self.total if self.total else 1.0

    def observations(self) -> list[Observation]:
        """Return the finished and running items of which some share is done, with the seconds that it took."""
        running = (Observation(each.item, each.share, each.reported - each.started) for each in self.running.values())
        return [each for each in (*self.finished, *running) if each.share > 0 and each.seconds > 0]

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until the last item ends, None while nothing is known.

        Waiting items go in their order to the worker that is free first.
        """
        observations = self.observations()
        if not (self.waiting or self.running):
            return 0.0
        if not observations:
            return None
        model = PaceModel(observations)
        busy = [each.remaining(now, model.predict(each.item)) for each in self.running.values()]
        free_at = busy + [0.0] * (self.workers - len(busy))
        heapq.heapify(free_at)
        for item in self.waiting.values():
            heapq.heapreplace(free_at, free_at[0] + model.predict(item))
        return max(free_at)


@dataclass(frozen=True)
class Observation:
    """The seconds that this share of an item took."""

    item: WorkItem
    share: float
    seconds: float


class PaceModel:
    """The seconds that an item should take, fitted to observations."""

    def __init__(self, observations: list[Observation]) -> None:
        seconds: defaultdict[Group, float] = defaultdict(float)
        sizes: defaultdict[Group, float] = defaultdict(float)
        for each in observations:
            for group in each.item.groups:
                seconds[group] += each.seconds
                sizes[group] += each.item.size * each.share
        self.rates = {group: seconds[group] / sizes[group] for group in sizes}
        self.names = sorted({name for each in observations for name in each.item.traits})
        self.columns = {name: i for i, name in enumerate(self.names)}
        self.centre, self.slope, self.scale = np.zeros(len(self.names)), np.zeros(len(self.names)), 1.0
        self.fit(observations)

    def fit(self, observations: list[Observation]) -> None:
        """Fit a ridge regression of log(seconds over the group's seconds) on the traits; keep the total of seconds."""
        weights = np.array([each.share for each in observations])
        traits = np.array([self.trait_vector(each.item) for each in observations])
        ratios = np.array([each.seconds / (self.group_seconds(each.item) * each.share) for each in observations])
        self.centre = np.average(traits, axis=0, weights=weights)
        centred, target = traits - self.centre, np.log(ratios)
        square = (centred * weights[:, None]).T @ centred + RIDGE * np.eye(len(self.names))
        self.slope = np.linalg.solve(square, centred.T @ (weights * (target - np.average(target, weights=weights))))
        predicted = sum(self.predict(each.item) * each.share for each in observations)
        self.scale = sum(each.seconds for each in observations) / predicted

    def predict(self, item: WorkItem) -> float:
        """Return the seconds that an item should take from its start to its end."""
        trait_factor = float(np.exp((self.trait_vector(item) - self.centre) @ self.slope))
        return self.group_seconds(item) * self.scale * trait_factor

    def group_seconds(self, item: WorkItem) -> float:
        """Return the seconds by the item's group alone, without its traits."""
        return item.size * next(self.rates[group] for group in item.groups if group in self.rates)

    def trait_vector(self, item: WorkItem) -> NDArray[np.float64]:
        """Return the traits of an item in the order of `names`; 0 where it has none."""
        vector = np.zeros(len(self.names))
        for name, value in item.traits.items():
            if name in self.columns:
                vector[self.columns[name]] = value
        return vector


def make_work_items(batches: Iterable[Batch]) -> dict[str, WorkItem]:
    """Return batches as items of work, by the key of the batch."""
    return {batch.key: make_work_item(batch) for batch in batches}
