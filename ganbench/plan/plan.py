"""Plans, and the batches of a plan that are still to be trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganbench.api.metrics import Direction
from ganbench.api.trials import Batch, Trial
from ganbench.plan.stages import Choices
from ganbench.suite.suite import Suite


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trials of a suite, in batches.

    `directions` has the better direction of each measured value; `cautions` are the warnings of papers, and those on
    settings that may not be meant, each with the methods or datasets that it concerns; `unruled` are the datasets
    without a success rule. `methods` has a line on each method: how it differs from its recipe. `remarks` are warnings
    that concern no method. `suite` is the suite with the datasets that are used, where a fallback replaces one.
    `extractors` has the extractor of each dataset with metrics on features, by its label: its `name`, its `digest`, and
    the `values` of these metrics. `choices` are the configurations that are reported; `undecided` is whether they are
    still to be chosen, and then only what is tuned is planned.
    """

    trials: tuple[Trial, ...]
    batches: tuple[Batch, ...]
    directions: Mapping[str, Direction]
    cautions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unruled: tuple[str, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    suite: Suite | None = None
    extractors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    choices: Choices = field(default_factory=dict)
    undecided: bool = False

    @property
    def warnings(self) -> list[str]:
        """The warnings to print before the suite runs, one line each."""
        lines = [f"caution: {sentence}" for sentence in self.remarks]
        lines += [f"caution ({', '.join(methods)}): {sentence}" for sentence, methods in self.cautions.items()]
        return lines + [
            f"caution: dataset {name!r} has no success rule, so its tables have no success rates. Add [[success]] with "
            f'dataset = "{name}".'
            for name in self.unruled
        ]


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
            batches.append(batch.take(trials))
    return Todo(batches=tuple(batches), stale=frozenset(stale))


def iterate_portions(batch: Batch) -> Iterator[Batch]:
    """Yield a batch, its halves, and theirs: all as which its trials may have been trained."""
    yield batch
    for half in batch.halves():
        yield from iterate_portions(half)
