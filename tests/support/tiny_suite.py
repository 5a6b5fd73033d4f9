"""A suite that trains in a second: the ring, small perceptrons, a handful of steps."""

from __future__ import annotations

from typing import Any

from ganbench.plan import Plan, make
from ganbench.registry import Registry
from ganbench.suite.loading import parse

TOML = """
question = "Does it run?"
methods = ["ns-gan", "wgan-gp"]
seeds = 2
architectures = { options = { generator_width = 8 } }
budget = { generator_steps = 4, batch_size = 16, snapshots = 2 }
measurement = { samples = 50 }
"""
"""A suite of four trials as a file, without its dataset and its success rule."""


def suite(**changes: Any) -> dict[str, Any]:
    """Return the small suite with some keys replaced, and without those that are None."""
    table = {
        "question": "Does it run?",
        "seeds": 3,
        "methods": ["ns-gan", "wgan-gp"],
        "budget": {"generator_steps": 4, "batch_size": 16, "snapshots": 2},
        "architectures": {"space": "mlp", "options": {"generator_width": 8, "critic_width": 8}},
        "dataset": [{"name": "ring"}],
        "measurement": {"samples": 50},
        "success": [
            {
                "dataset": "ring",
                "metric": "modes",
                "thresholds": [0, 7],
                "primary": 7,
                "allow_trivial": True,
                "compare": [["ns-gan", "wgan-gp"]],
            }
        ],
        **changes,
    }
    return {key: value for key, value in table.items() if value is not None}


def plan_small(plugins: Registry, **changes: Any) -> Plan:
    """Return the plan of the small suite with some keys replaced."""
    return make(parse(suite(**changes), "s.toml"), plugins)
