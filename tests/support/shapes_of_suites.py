"""Results with the shape of a shipped suite: its methods, datasets and values, without any training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from ganbench.api.trials import Trial
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.suite.suite import Suite

from tests.support.trials_by_hand import record, scores, trial, with_fresh_best

VALUES = {
    "digits": {"fid": "lower", "is": "higher", "kid": "lower", "precision": "higher", "recall": "higher"},
    "dirac": {"distance": "lower", "psi": "neutral"},
    "swiss-roll": {"sliced-w1": "lower", "spread": "neutral"},
}
TOY = {"sliced-w1": "lower", "modes": "higher", "high-quality": "higher", "reverse-kl": "lower", "spread": "neutral"}
SAMPLERS = ("real data", False), ("Gaussian fit", True), ("uniform", True)


def shaped_results(folder: Path, suite: Suite) -> Frames:
    """Store records of every trial of a suite, with scores of five digits, a few dead; return the frames."""
    rng = np.random.default_rng(0)
    planned: list[Trial] = [
        trial(method, architecture, seed, dataset.title)
        for dataset in suite.dataset
        for architecture in range(suite.architectures.sample)
        for method in suite.method_names
        for seed in suite.seed_list
    ]
    records = []
    for i, each in enumerate(planned):
        measured = [
            score
            for name, direction in VALUES.get(each.labels["dataset"], TOY).items()
            for score in with_fresh_best(scores(name, rng.lognormal(3, 2, 2), direction))
        ]
        fields = {"diverged_at": 3} if i % 7 == 1 else {"status": "failed", "error": "boom"} if i % 11 == 3 else {}
        records.append(record(each, scores=tuple(measured), **fields))
    samples = [
        {"dataset": dataset.title, "sampler": sampler, "trivial": trivial, "name": name, "value": rng.lognormal(3, 2)}
        for dataset in suite.dataset
        for sampler, trivial in SAMPLERS
        for name in VALUES.get(dataset.title, TOY)
    ]
    directions = [
        direction for each in suite.dataset for _ in SAMPLERS for direction in VALUES.get(each.title, TOY).values()
    ]
    calibration = pd.DataFrame(samples).assign(direction=directions, measurement="m" * 64, samples=500)
    with Store(folder) as store:
        store.begin_run(suite.text, planned, {})
        store.append(records)
        return replace(store.frames(), calibration=calibration)
