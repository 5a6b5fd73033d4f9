"""Results folders for tests of the page, and the page's data as a browser reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from ganbench.api.records import Record
from ganbench.api.trials import Budget, Part, Recipe, Trial
from ganbench.results.store import Store

from tests.support.trials_by_hand import scores, with_fresh_best

SUITE = """
question = {question}
seeds = 2
methods = {methods}

[budget]
generator_steps = 100

[architectures]
space = "random-mlp"
sample = 8

[[dataset]]
name = {dataset}

[[success]]
dataset = {dataset}
metric = "fid"
thresholds = [30, 20, 10]
primary = 20
"""
EVIL = "</script><img src=x onerror=alert(1)>{{ 7*7 }}<!--<script>alert(1)//\u2028\u202e' \" & `${1}`"
EVIL_NAME = "</script><img src=x onerror=alert(1)>{{ 7*7 }}<!--<script>' \" &"
"""Text that would do something if it became markup, a template or a script; the second is allowed as a name."""

SGD = Part("sgd")


def plan_trial(method: str, place: int, seed: int, dataset: str, architecture: str = "random-mlp-#") -> Trial:
    """Make a trial on the architecture with this place, whose depth and activation follow from the place."""
    factors = {"generator_depth": 2 + place % 3, "critic_activation": ("relu", "tanh")[place % 2]}
    labels = {"method": method, "dataset": dataset, "architecture": architecture.replace("#", str(place))}
    recipe = Recipe(loss=Part(method), dynamics=Part("plain"), critic_optimizer=SGD, generator_optimizer=SGD)
    budget = Budget(generator_steps=100, batch_size=32, snapshots=(25, 50, 75, 100))
    return Trial(
        dataset=Part(dataset),
        architecture=Part("random-mlp"),
        spec={**factors, "generator_width": 8 + place},
        recipe=recipe,
        seed=seed,
        budget=budget,
        code="c0",
        labels=labels,
    )


def make_record(trial: Trial, rng: np.random.Generator, level: float, signals: int = 40, **fields: Any) -> Record:
    """Make the record of a trial: FIDs at its snapshots, which fall to about `level`, and the losses at some steps."""
    fid = level * np.array([4.0, 2.0, 1.4, 1.0]) * rng.lognormal(0.0, 0.3, 4)
    steps = np.linspace(1, 100, signals).astype(int).tolist()
    courses = {name: (steps, rng.normal(size=signals).tolist()) for name in ("loss.generator", "loss.critic")}
    defaults: dict[str, Any] = {
        "scores": tuple(with_fresh_best(scores("fid", fid.tolist()))),
        "signals": courses if signals else {},
        "seconds": {"train": 2.0, "evaluate": 0.5},
        "updates": {"critic": 500, "generator": 100},
        "composition": {"mode": "loop", "members": [trial.labels["architecture"]], "device": "cpu"},
        "facts": {"torch": "2.15"},
        "status": "diverged" if fields.get("diverged_at", -1) >= 0 else "completed",
    }
    return Record(trial=trial, **{**defaults, **fields})


def make_results(
    folder: Path,
    methods: tuple[str, ...] = ("good", "bad"),
    architectures: int = 8,
    dataset: str = "ring",
    question: str = "Which is better?",
    error: str = "Traceback: it broke",
    name: str = "random-mlp-#",
    signals: int = 40,
) -> Path:
    """Make a folder of two seeds: the first method at FIDs of about 12, each other ten worse.

    One trial of the last method failed with `error`, and one diverged at update 57.
    """
    rng, records = np.random.default_rng(1), list[Record]()
    for place in range(architectures):
        for number, method in enumerate(methods):
            for seed in (0, 1):
                fields: dict[str, Any] = {}
                if method == methods[-1] and place == 1:
                    fields = {"diverged_at": 57} if seed else {"status": "failed", "error": error, "scores": ()}
                trial = plan_trial(method, place, seed, dataset, name)
                records.append(make_record(trial, rng, 12 + 10 * number, signals, **fields))
    text = SUITE.format(question=json.dumps(question), methods=json.dumps(methods), dataset=json.dumps(dataset))
    with Store(folder) as store:
        store.begin_run(text, [record.trial for record in records], {"python": "3.11", "versions": {"torch": "2.15"}})
        store.append(records)
    return folder


def read_data(page: str) -> list[dict[str, Any]]:
    """Return the data of each suite on a page, as its script reads them; NaN and infinity are errors."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    texts = re.findall(r'<script type="application/json" class="data">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text, parse_constant=refuse) for text in texts]


def expand(packed: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a packed frame."""
    return {
        name: column if isinstance(column, list) else [column["names"][code] for code in column["codes"]]
        for name, column in packed.items()
    }
