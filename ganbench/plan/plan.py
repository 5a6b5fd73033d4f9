"""A plan, and what of it is still to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ganbench.api.metrics import Direction
from ganbench.api.trials import Batch, Mode, Trial

if TYPE_CHECKING:
    pass

STACK_FROM = 3
"""Seeds from which stacking beats the loop form."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a suite asks for.

    `directions` says which way each measured value is better; `cautions` are the warnings of the literature, each
    with the methods that it is about; `unruled` are the datasets that no success rule is about.
    """

    trials: tuple[Trial, ...]
    batches: tuple[Batch, ...]
    directions: Mapping[str, Direction]
    cautions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unruled: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What a person should know before the suite runs, a line each."""
        said = [f"caution ({', '.join(methods)}): {sentence}" for sentence, methods in self.cautions.items()]
        return said + [
            f"caution: dataset {name!r} has no success rule, so nothing says who succeeds. Add [[success]] with "
            f'dataset = "{name}".'
            for name in self.unruled
        ]


@dataclass(frozen=True, kw_only=True)
class Todo:
    """What is left of a plan: batches to train, and the keys of records whose code has changed since."""

    batches: tuple[Batch, ...]
    stale: frozenset[str] = field(default_factory=frozenset)


def missing(plan: Plan, known: Mapping[str, tuple[str, str]], retry: Sequence[str] = ()) -> Todo:
    """Take off what the store holds: `known` maps a key to (code, status); statuses in `retry` are trained again.

    A record answers a trial if key and code match. What is left of a partly stored batch trains as a batch of its own.
    """
    left: list[Batch] = []
    stale: set[str] = set()
    for batch in plan.batches:
        open_: list[Trial] = []
        for trial in batch.trials:
            code, status = known.get(trial.key, ("", ""))
            if trial.key in known and code != trial.code:
                stale.add(trial.key)
            if code != trial.code or status in retry:
                open_.append(trial)
        if len(open_) == len(batch.trials):
            left.append(batch)
        elif open_:
            left.append(take_portion(batch, open_))
    return Todo(batches=tuple(left), stale=frozenset(stale))


def take_portion(batch: Batch, trials: Sequence[Trial]) -> Batch:
    """Give some of a batch's trials as a batch of their own."""
    mode: Mode = "stack" if batch.mode == "stack" and len(trials) >= STACK_FROM else "loop"
    return replace(batch, trials=tuple(trials), mode=mode)
