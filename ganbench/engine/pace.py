"""The pace of a training: the seconds of its updates, each measured, and of the steps that they make up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from statistics import median
from time import perf_counter, thread_time

from ganbench.engine import device as devices
from ganbench.engine.device import products_in
from ganbench.engine.graphs import WARM_UPS
from ganbench.engine.stages import Stage
from ganbench.engine.step import Game
from ganbench.engine.train import Training

Update = tuple[int, tuple[tuple[str, frozenset[str]], ...]]
"""A kind of update: its stage, and each player that is updated, with the terms of its loss that then count.

Without a player it is the rest of a generator step: schedules and averages.
"""

FIRST = 3
"""Updates of a kind that do not count where there are more: they count operations, record, and compare.

On a GPU those do not count either that prepare and make a CUDA graph.
"""


def find_pace(training: Training, seconds: float, now: Callable[[], float] | None = None) -> dict[int, float]:
    """Return the seconds that a training takes until each of its snapshots, without their evaluation.

    On a CPU they are processor time of this thread, so that other programs do not count; on a GPU, wall time. For about
    so many `seconds` its players are updated in turn, in every stage. An update of a kind takes the median of those
    measured, and the budget says how many of each there are: so schedules of critic steps, lazy terms and growing
    networks count as they are. The training is of no use afterwards.
    """
    now = now or (thread_time if training.device.type == "cpu" else perf_counter)
    counts = count_updates(training)
    share = seconds / len(training.ensembles)
    durations: dict[Update, list[float]] = {}
    for number in range(len(training.ensembles)):
        kinds = [kind for kind in counts[training.budget.generator_steps] if kind[0] == number]
        for kind, duration in time_updates(training, training.begin_stage(number), kinds, share, now):
            durations.setdefault(kind, []).append(duration)
    first = count_first(training)
    costs = {kind: median(several[first:] or [min(several)]) for kind, several in durations.items()}
    return {step: sum(count * find_cost(costs, kind) for kind, count in made.items()) for step, made in counts.items()}


def count_first(training: Training) -> int:
    """Return how many updates of each kind do not count."""
    return FIRST + (WARM_UPS + 1 if training.backend is not None else 0)


def find_cost(costs: Mapping[Update, float], kind: Update) -> float:
    """Return the seconds of an update; of a kind that was not measured, those of the longest of the same players."""
    if kind in costs:
        return costs[kind]
    players = [player for player, _ in kind[1]]
    return max(
        (cost for (stage, parts), cost in costs.items() if stage == kind[0] and [name for name, _ in parts] == players),
        default=0.0,
    )


def count_updates(training: Training) -> dict[int, Counter[Update]]:
    """Return how many updates of each kind a training makes until each of its snapshots, by generator step."""
    program, made, counts = training.program, Counter[Update](), dict[int, Counter[Update]]()
    updates = {"critic": 0, "generator": 0}
    periods = math.lcm(*(link.part.every for link in program.terms))

    @lru_cache(maxsize=4096)
    def due(count: int) -> frozenset[str]:
        return frozenset(link.name for link in program.terms if count % link.part.every == 0)

    for number in range(len(training.ensembles)):
        for t in training.stage_steps(number):
            for players in program.list_rounds(t):
                made[number, tuple((player, due(updates[player] % periods)) for player in players)] += 1
                for player in players:
                    updates[player] += 1
            made[number, ()] += 1
            if t + 1 in training.budget.snapshots:
                counts[t + 1] = made.copy()
    return counts


def time_updates(
    training: Training, stage: Stage, kinds: list[Update], seconds: float, now: Callable[[], float]
) -> Iterator[tuple[Update, float]]:
    """Update the players of a stage in turn for so many seconds, and yield the kind and the seconds of each update.

    `kinds` are those that the stage has; players without any are not updated.
    """
    program, game, rounds, began = training.program, stage.game, 0, now()
    groups = list(dict.fromkeys(tuple(player for player, _ in parts) for _, parts in kinds if parts))
    while groups and (rounds < 2 * count_first(training) or now() - began < seconds):
        with products_in(program.precision, training.device):
            for players in groups:
                kind = stage.number, tuple((player, game.due(game.updates[player])) for player in players)
                yield kind, time_call(training, partial(update, game, stage, players), now)
            yield (stage.number, ()), time_call(training, partial(finish_step, training, stage), now)
        rounds += 1


def update(game: Game, stage: Stage, players: tuple[str, ...]) -> None:
    """Update these players once, as a training does."""
    game.step(players, stage.inputs[players[0] if len(players) == 1 else "critic"].next())


def finish_step(training: Training, stage: Stage) -> None:
    """Do the rest of a generator step: the progress of all schedules, the averages, and the plateau."""
    training.set_progress(stage.steps.start / training.budget.generator_steps, 0.0, stage.game.ensemble)
    training.averages.update(stage.steps.start)
    if stage.game.plateau is not None:
        stage.game.plateau.follow()


def time_call(training: Training, call: Callable[[], None], now: Callable[[], float]) -> float:
    """Return the seconds of a call, on the device too."""
    began = now()
    call()
    devices.synchronize(training.device)
    return now() - began
