"""Batches of tiny perceptrons on the ring, with any method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganbench import plan, registry, suite
from ganbench.api.trials import Batch, Mode

PLUGINS = registry.load()
NETWORKS = {"generator_width": 6, "critic_width": 6, "critic_depth": 2, "critic_normalised": True}


def tiny_batch(
    method: Mapping[str, Any], seeds: int, mode: Mode | None, steps: int, networks: Mapping[str, Any] | None = None
) -> Batch:
    """Return a batch of so many seeds of a method, the table of a suite, in this mode or in that of its plan."""
    table = {
        "question": "Does it train alike?",
        "seeds": seeds,
        "method": [method],
        "budget": {"generator_steps": steps, "batch_size": 8, "snapshots": 2},
        "architectures": {"space": "mlp", "options": NETWORKS | dict(networks or {})},
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(table), PLUGINS).batches
    return replace(batch, mode=mode or batch.mode)
