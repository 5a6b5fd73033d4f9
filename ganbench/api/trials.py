"""Trials and batches: what is to be trained, as plain data.

They consist of names and numbers only, so they can be hashed, pickled and sent to any worker.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

KEY_FORMAT = 1
"""Part of every key. Raise it when the way a key is computed changes."""
STACK_FROM = 3
"""The number of seeds from which on a stacked batch is faster than a loop."""
IMPORTED = "imported"
"""The mode of a trial that was trained elsewhere; in its content, the key that says so."""
Mode = Literal["stack", "loop"]
Precision = Literal["float32", "tf32", "bf16"]


def canonical_json(value: Any) -> str:
    """Return the canonical JSON of a value: sorted keys, no spaces, floats by `repr`; the same on every Python."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class Plain:
    """A record with a plain form, computed once: thousands of trials share parts, recipe and budget."""

    @cached_property
    def plain(self) -> dict[str, Any]:
        """Every field as plain data, those of inner records too. All callers share one dict: do not change it."""
        return asdict(self)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Part(Plain):
    """An offer as a trial uses it.

    `version` is the offer's version. `options` are the options that differ from their defaults.
    Only terms have `weight` and `every`. A weight or an option may be a schedule, written as in the suite.
    """

    name: str
    version: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: Any = None
    every: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe(Plain):
    """A method with every default and every offer resolved: what the engine trains with."""

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
    ema_start: int = 0
    ema_rampup: float = 0.0
    critic_ema: float = 0.0
    plateau: Mapping[str, Any] | None = None

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The recipe as plain data, what keys depend on; newer fields only where they are set."""
        added = {"ema_start": 0, "ema_rampup": 0.0, "critic_ema": 0.0, "plateau": None}
        return {name: value for name, value in asdict(self).items() if name not in added or value != added[name]}


def list_offers(recipe: Recipe, architecture: Part) -> list[tuple[str, str]]:
    """Return (kind, name) of every offer that a training uses, except the dataset."""
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
    """How long a trial trains: generator steps, samples per batch, and the generator steps at which it is evaluated."""

    generator_steps: int
    batch_size: int
    snapshots: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run.

    `dataset` is the use of a dataset.
    `architecture` is the use of a space of architectures.
    `spec` is one architecture drawn from that space.
    `recipe` is the method with every default resolved. `seed` decides all that is random.
    `budget` is how long the trial trains, and when it is evaluated.
    `key` is the hash of what is trained, `code` the fingerprint: the hash of the code and data that it is trained with.
    `labels` are the names in tables: `method`, `dataset` and `architecture`; `declared` is the method that a
    configuration belongs to, `stage` that of the plan. They are part of neither hash.
    `sources` are the parts of the fingerprint by name: the hash of each offer's code, and of the data.
    `precision` is that of the networks' matrix products and convolutions.
    """

    dataset: Part
    architecture: Part
    spec: Mapping[str, Any]
    recipe: Recipe
    seed: int
    budget: Budget
    code: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    precision: Precision = "float32"

    @cached_property
    def content(self) -> dict[str, Any]:
        """What is trained, as plain data: all that the key depends on; newer fields only where they are set."""
        content = {
            "format": KEY_FORMAT,
            "dataset": self.dataset.plain,
            "architecture": self.architecture.plain | {"spec": dict(self.spec)},
            "recipe": self.recipe.plain,
            "seed": self.seed,
            "budget": self.budget.plain,
        }
        return content if self.precision == "float32" else content | {"precision": self.precision}

    @cached_property
    def content_before_seed(self) -> str:
        """The canonical JSON of the content up to the seed, its last key; trials that differ in the seed share it."""
        text = canonical_json(self.content)
        return text[: text.rindex('"seed":') + len('"seed":')]

    @property
    def content_text(self) -> str:
        """The canonical JSON of the content."""
        return f"{self.content_before_seed}{canonical_json(self.seed)}}}"

    @cached_property
    def key(self) -> str:
        """The hash of the content, 64 hexadecimal digits."""
        return hashlib.sha256(self.content_text.encode()).hexdigest()

    def with_seeds(self, seeds: Sequence[int]) -> list[Trial]:
        """Return this trial with each of the seeds; what does not depend on the seed is spelled once for all."""
        before = self.content_before_seed
        trials = [replace(self, seed=seed) for seed in seeds]
        for trial in trials:
            vars(trial)["content_before_seed"] = before
        return trials

    @property
    def declared_method(self) -> str:
        """The method of the suite that the trial belongs to: the one that varies, if it trains a configuration."""
        return self.labels.get("declared") or self.labels.get("method", "")

    @cached_property
    def shared_hash(self) -> str:
        """The hash of dataset and architecture: what, with the seed, all methods of a suite share."""
        return digest([self.content["dataset"], self.content["architecture"]])


@dataclass(frozen=True, kw_only=True)
class ImportedTrial(Trial):
    """A run that was trained elsewhere: its names, its seed, the factors of its architecture and its last step.

    Nothing else is known of it, so nothing else is in its content, and no native trial has its key.
    """

    @cached_property
    def content(self) -> dict[str, Any]:
        """What is known of the run, as plain data: all that the key depends on."""
        return {
            "format": KEY_FORMAT,
            IMPORTED: True,
            "dataset": self.dataset.plain,
            "architecture": self.architecture.plain | {"spec": dict(self.spec)},
            "recipe": {"method": self.recipe.loss.name},
            "seed": self.seed,
            "budget": {"generator_steps": self.budget.generator_steps},
        }


def make_imported_trial(
    *, dataset: str, architecture: str, method: str, seed: int, steps: int, factors: Mapping[str, Any]
) -> ImportedTrial:
    """Return the trial of a run that was trained elsewhere for so many generator steps.

    `factors` are those of the architecture. Its batch size is 0, because it is not known.
    """
    unknown = Part(IMPORTED)
    recipe = Recipe(loss=Part(method), dynamics=unknown, critic_optimizer=unknown, generator_optimizer=unknown)
    return ImportedTrial(
        dataset=Part(dataset),
        architecture=Part(architecture),
        spec=factors,
        recipe=recipe,
        seed=seed,
        budget=Budget(generator_steps=steps, batch_size=0, snapshots=()),
        labels={"dataset": dataset, "architecture": architecture, "method": method},
    )


def restore_trial(content: Mapping[str, Any], labels: Mapping[str, str]) -> Trial:
    """Return the trial with this content (`Trial.content`, as the store has it); its key is the same."""
    if content.get(IMPORTED):
        return make_imported_trial(
            dataset=content["dataset"]["name"],
            architecture=content["architecture"]["name"],
            method=content["recipe"]["method"],
            seed=content["seed"],
            steps=content["budget"]["generator_steps"],
            factors=content["architecture"]["spec"],
        )

    def part(fields: Mapping[str, Any]) -> Part:
        return Part(**{name: value for name, value in fields.items() if name != "spec"})

    recipe = dict(content["recipe"])
    for name in ("loss", "dynamics", "critic_optimizer", "generator_optimizer"):
        recipe[name] = part(recipe[name])
    for name in ("constraints", "inputs"):
        recipe[name] = tuple(map(part, recipe[name]))
    budget = dict(content["budget"])
    return Trial(
        dataset=part(content["dataset"]),
        architecture=part(content["architecture"]),
        spec=content["architecture"]["spec"],
        recipe=Recipe(**recipe),
        seed=content["seed"],
        budget=Budget(**{**budget, "snapshots": tuple(budget["snapshots"])}),
        labels=labels,
        precision=content.get("precision", "float32"),
    )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How models are scored: the metrics, and the number of samples of each model that they see.

    `extractor` is the network whose features metrics compare; None is the dataset's own. `normalisation` is how a
    generator with batch normalisation is evaluated: by the statistics of each "batch" of the training's size, or by
    "standing" ones.
    """

    metrics: tuple[Part, ...]
    samples: int = 2000
    extractor: Part | None = None
    normalisation: Literal["batch", "standing"] = "batch"

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The measurement as plain data, what baselines are stored under; newer fields only where they are set."""
        added = {"extractor": None, "normalisation": "batch"}
        return {name: value for name, value in asdict(self).items() if name not in added or value != added[name]}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Trials that train as one program: they differ in their seed, and in numbers that `shared_program` leaves free.

    `trials` are its members. `measurement` is how their models are scored.
    With `mode="stack"` the seeds are stacked along one axis; with `mode="loop"` every step loops over the seeds.
    """

    trials: tuple[Trial, ...]
    mode: Mode
    measurement: Measurement

    @cached_property
    def key(self) -> str:
        """The hash of the batch composition, 64 hexadecimal digits."""
        return digest([self.mode, *(trial.key for trial in self.trials)])

    @property
    def firsts(self) -> list[Trial]:
        """The first trial of each method, and of each recipe, among trials side by side."""
        groups = groupby(self.trials, key=lambda trial: (trial.labels.get("method"), trial.recipe))
        return [next(trials) for _, trials in groups]

    def take(self, trials: Sequence[Trial]) -> Batch:
        """Return some of the trials as a batch of their own, stacked if this one is and if they are enough."""
        mode: Mode = "stack" if self.mode == "stack" and len(trials) >= STACK_FROM else "loop"
        return replace(self, trials=tuple(trials), mode=mode)

    def halves(self) -> tuple[Batch, ...]:
        """Return the two batches as which a batch is trained for which memory runs out; none for a single trial."""
        half = len(self.trials) // 2
        return tuple(self.take(trials) for trials in (self.trials[:half], self.trials[half:]) if half)

    @property
    def label(self) -> str:
        """The batch in words, for readers: method, dataset, architecture and seeds."""
        labels, seeds = self.trials[0].labels, sorted({trial.seed for trial in self.trials})
        span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}..{seeds[-1]}"
        others = len({trial.labels.get("method") for trial in self.trials}) - 1
        method = f"{labels.get('method')} and {others} more" if others else labels.get("method")
        return f"{method} on {labels.get('dataset')}, {labels.get('architecture')}, {span}"
