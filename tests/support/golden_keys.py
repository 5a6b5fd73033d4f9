"""Print the keys of a few trials as JSON. This script needs only the standard library, so any Python can run it.

It does not import the packages themselves, because their `__init__` needs a library. The modules of trials need none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

CORE = Path(__file__).parents[2] / "ganbench"


def keys() -> dict[str, str]:
    """Return the keys of trials, of a batch and of a source text, by what each of them tests."""
    from ganbench.api.trials import Batch, Budget, Measurement, Part, Recipe, Trial, digest
    from ganbench.registry.source_text import normalise_source

    adam = Part("adam", 2, {"lr": 2e-4, "betas": [0.5, 0.999], "eps": 1e-08})
    penalty = Part("gradient-penalty", options={"target": 0.1 + 0.2}, weight={"linear": [10.0, 1e-300], "over": 0.5})
    plain = Recipe(loss=Part("hinge"), dynamics=Part("alternating"), critic_optimizer=adam, generator_optimizer=adam)
    nested = Recipe(
        loss=Part("häßlich", options={"ключ": "値\u2028", "emoji": "\U0001f984", "deep": {"b": [1, [2, {"a": None}]]}}),
        constraints=(penalty, Part("clip", weight=1.0, every=4)),
        dynamics=Part("unrolled", options={"steps": 5}),
        critic_optimizer=adam,
        generator_optimizer=Part("sgd", options={"lr": 1e22, "nesterov": True}),
        critic_steps={"steps": [[25, 100], ["inf", 5]]},
        ema=0.999,
    )

    def trial(recipe: Recipe, seed: int) -> Trial:
        return Trial(
            dataset=Part("ring", options={"std": 0.02 / 1.414}),
            architecture=Part("random-mlp"),
            spec={"width": 64, "slope": -0.0, "tiny": 5e-324, "third": 1 / 3, "normalised": False},
            recipe=recipe,
            seed=seed,
            budget=Budget(generator_steps=1000, batch_size=64, snapshots=(500, 1000)),
            code="not in the key",
            labels={"method": "nor this"},
        )

    batch = Batch(trials=(trial(plain, 0), trial(plain, 1)), mode="loop", measurement=Measurement(metrics=()))
    text = 'def f(x):\n    """Say."""\n    # why\n    return f"{x!r:>{9}} é" f\'{x}\'\n'
    return {
        "floats": trial(plain, 0).key,
        "unicode and nesting": trial(nested, 2**62).key,
        "batch": batch.key,
        "world": trial(plain, 7).shared_hash,
        "source": digest(normalise_source(text)),
    }


if __name__ == "__main__":
    for name in ("ganbench", "ganbench.api", "ganbench.registry"):
        package = ModuleType(name)
        package.__path__ = [str(CORE.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    sys.stdout.write(json.dumps([sys.version_info[:2], keys()]))
