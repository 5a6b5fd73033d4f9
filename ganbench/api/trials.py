"""What flows through the house: trials into batches, batches into records, and the events told on the way.

All of it is names and numbers, so it pickles, travels to any worker, and is hashed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

KEY_FORMAT = 1
"""Raised when the way a key is computed changes; part of every key."""
Mode = Literal["stack", "loop"]


def canonical_json(value: Any) -> str:
    """Give the one JSON text of a value: sorted keys, no spaces, floats by `repr`; the same on every Python."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Give the SHA-256 of a value's canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class Plain:
    """A record that gives itself as plain data, found once: thousands of trials share parts, recipe and budget."""

    @cached_property
    def plain(self) -> dict[str, Any]:
        """Every field, those of records inside too. Shared by whoever asks: nobody may change it."""
        return asdict(self)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Part(Plain):
    """An offer as a trial uses it: its version and the options that differ from the defaults.

    `weight` and `every` only for terms. A weight or an option may be a schedule, written as in the suite.
    """

    name: str
    version: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: Any = None
    every: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe(Plain):
    """A method with everything resolved: what the engine trains by."""

    loss: Part
    constraints: tuple[Part, ...] = ()
    inputs: tuple[Part, ...] = ()
    dynamics: Part
    critic_optimizer: Part
    generator_optimizer: Part
    critic_steps: Any = 1
    order: str = "critic-first"
    critic_norm: str = "layer"
    ema: float = 0.0


def list_offers(recipe: Recipe, architecture: Part) -> list[tuple[str, str]]:
    """Give (kind, name) of everything that shapes a training, but for the data."""
    return [
        ("losses", recipe.loss.name),
        *(("constraints", part.name) for part in recipe.constraints),
        *(("inputs", part.name) for part in recipe.inputs),
        ("dynamics", recipe.dynamics.name),
        ("optimizers", recipe.critic_optimizer.name),
        ("optimizers", recipe.generator_optimizer.name),
        ("architectures", architecture.name),
    ]


@dataclass(frozen=True, kw_only=True)
class Budget(Plain):
    """How long a trial trains: generator steps, rows per batch, and the generator steps at which it is evaluated."""

    generator_steps: int
    batch_size: int
    snapshots: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run. Its `key` says what was asked; `code` is the hash of the code that answers it.

    `labels` are what tables call it (`method`, `dataset`, `architecture`): facts, in neither hash.
    """

    dataset: Part
    architecture: Part
    spec: Mapping[str, Any]
    recipe: Recipe
    seed: int
    budget: Budget
    code: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def content(self) -> dict[str, Any]:
        """What was asked for, as plain data."""
        return {
            "format": KEY_FORMAT,
            "dataset": self.dataset.plain,
            "architecture": self.architecture.plain | {"spec": dict(self.spec)},
            "recipe": self.recipe.plain,
            "seed": self.seed,
            "budget": self.budget.plain,
        }

    @cached_property
    def key(self) -> str:
        """The content hash of what was asked, 64 hexadecimal digits."""
        return digest(self.content)

    @cached_property
    def shared_hash(self) -> str:
        """The hash of dataset and architecture: with the seed, what every method of a suite shares."""
        return digest([self.content["dataset"], self.content["architecture"]])


def restore_trial(asked: Mapping[str, Any], labels: Mapping[str, str]) -> Trial:
    """Give the trial that was asked for in these words (`Trial.asked`, as the store keeps it); it has the same key."""

    def part(given: Mapping[str, Any]) -> Part:
        return Part(**{name: value for name, value in given.items() if name != "spec"})

    recipe = dict(asked["recipe"])
    for name in ("loss", "dynamics", "critic_optimizer", "generator_optimizer"):
        recipe[name] = part(recipe[name])
    for name in ("constraints", "inputs"):
        recipe[name] = tuple(map(part, recipe[name]))
    budget = dict(asked["budget"])
    return Trial(
        dataset=part(asked["dataset"]),
        architecture=part(asked["architecture"]),
        spec=asked["architecture"]["spec"],
        recipe=Recipe(**recipe),
        seed=asked["seed"],
        budget=Budget(**{**budget, "snapshots": tuple(budget["snapshots"])}),
        labels=labels,
    )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How models are judged: the metrics, and how many samples of each model they see."""

    metrics: tuple[Part, ...]
    samples: int = 2000


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Trials that differ in their seed alone, trained as one program; `mode` says whether stacked or in a loop."""

    trials: tuple[Trial, ...]
    mode: Mode
    measurement: Measurement

    @cached_property
    def key(self) -> str:
        """The content hash of the batch's composition."""
        return digest([self.mode, *(trial.key for trial in self.trials)])

    @property
    def label(self) -> str:
        """What a person calls it."""
        labels, seeds = self.trials[0].labels, [trial.seed for trial in self.trials]
        span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}..{seeds[-1]}"
        return f"{labels.get('method')} on {labels.get('dataset')}, {labels.get('architecture')}, {span}"
