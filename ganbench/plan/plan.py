"""Plans, and the batches of a plan that are still to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor, log10

from ganbench.api.metrics import Direction
from ganbench.api.trials import Batch, Mode, Trial

STACK_FROM = 3
"""The number of seeds from which on a stacked batch is faster than a loop."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trials of a suite, in batches.

    `directions` has the better direction of each measured value; `cautions` are the warnings of papers, and those on
    averages that are too long, each with the methods that it concerns; `unruled` are the datasets without a success
    rule. `methods` has a line on each method: how it differs from its recipe.
    """

    trials: tuple[Trial, ...]
    batches: tuple[Batch, ...]
    directions: Mapping[str, Direction]
    cautions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unruled: tuple[str, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """The warnings to print before the suite runs, one line each."""
        lines = [f"caution ({', '.join(methods)}): {sentence}" for sentence, methods in self.cautions.items()]
        return lines + [
            f"caution: dataset {name!r} has no success rule, so its tables have no success rates. Add [[success]] with "
            f'dataset = "{name}".'
            for name in self.unruled
        ]


INITIAL_SHARE = 0.05
"""The largest share of the initial weights in an average that goes without a caution.

An average of decay d over T steps has d^T of them, 5% at three time constants, T = 3 / (1 - d)."""


def find_long_averages(batches: Sequence[Batch]) -> dict[str, list[str]]:
    """Return a caution for each average that is too long for its run, with the methods that it concerns.

    A method's shortest run counts.
    """
    shortest: dict[str, tuple[int, float]] = {}
    for trial in (batch.trials[0] for batch in batches):
        run, label = (trial.budget.generator_steps, trial.recipe.ema), trial.labels["method"]
        shortest[label] = min(run, shortest.get(label, run))
    cautions: dict[str, list[str]] = {}
    for label, (steps, decay) in shortest.items():
        if (share := decay**steps) > INITIAL_SHARE:
            cautions.setdefault(describe_long_average(decay, steps, share), []).append(label)
    return cautions


def describe_long_average(decay: float, steps: int, share: float) -> str:
    """Return the caution for an average of so many steps that holds this share of the initial weights."""
    step = 3 / steps
    rounded = ceil(step / (unit := 10.0 ** floor(log10(step)))) * unit
    way_out = (
        f"Use ema = {1 - rounded:.12g} or less, or train longer." if rounded < 1 else "Use no ema, or train longer."
    )
    plural = "s" * (steps != 1)
    return (
        f"with ema = {decay:.12g} over {steps} generator step{plural}, {share:.0%} of what is scored is the initial "
        f"generator. {way_out}"
    )


@dataclass(frozen=True, kw_only=True)
class Todo:
    """The rest of a plan: batches to train, and the keys of stale records, whose code has changed since."""

    batches: tuple[Batch, ...]
    stale: frozenset[str] = field(default_factory=frozenset)


def find_missing(plan: Plan, known: Mapping[str, tuple[str, str]], retry: Sequence[str] = ()) -> Todo:
    """Return the batches of a plan that have to be trained, and the keys of the stale records.

    `known` maps the key of each stored record to its (code, status). A record answers a trial if key and code are
    equal, unless `retry` has its status. The rest of a partly stored batch becomes a batch of its own.
    """
    batches: list[Batch] = []
    stale: set[str] = set()
    for batch in plan.batches:
        trials: list[Trial] = []
        for trial in batch.trials:
            code, status = known.get(trial.key, ("", ""))
            if trial.key in known and code != trial.code:
                stale.add(trial.key)
            if code != trial.code or status in retry:
                trials.append(trial)
        if len(trials) == len(batch.trials):
            batches.append(batch)
        elif trials:
            batches.append(take_portion(batch, trials))
    return Todo(batches=tuple(batches), stale=frozenset(stale))


def take_portion(batch: Batch, trials: Sequence[Trial]) -> Batch:
    """Return some of a batch's trials as a batch of their own, stacked if `batch` is and if they are enough."""
    mode: Mode = "stack" if batch.mode == "stack" and len(trials) >= STACK_FROM else "loop"
    return replace(batch, trials=tuple(trials), mode=mode)
