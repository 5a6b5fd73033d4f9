"""What planning ten thousand trials takes, with every key: of many small batches, and of few large ones.

    make bench

Plugins are imported before the clock starts.
"""

from __future__ import annotations

import pytest
from ganbench import plan, registry, suite

LIMIT = 2.0
"""Seconds that 10,000 trials may take."""


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


@pytest.mark.parametrize(("architectures", "seeds"), [(1250, 4), (5, 1000)])
def test_ten_thousand_trials(benchmark, plugins, architectures, seeds) -> None:
    asked = suite.parse(
        {
            "question": "How long does planning take?",
            "seeds": seeds,
            "methods": ["ns-gan", "wgan-gp"],
            "budget": {"generator_steps": 1000},
            "architectures": {"space": "random-mlp", "sample": architectures},
            "dataset": [{"name": "ring"}],
        }
    )

    def keys() -> set[str]:
        return {trial.key for trial in plan.make(asked, plugins).trials}

    assert len(benchmark.pedantic(keys, rounds=5, warmup_rounds=1)) == 10_000
    assert benchmark.stats.stats.median < LIMIT
