"""Methods whose trainings are captured as graphs, and small batches of them."""

from __future__ import annotations

from typing import Any

from ganbench.api.trials import Batch, Mode

from tests.support.tiny_batches import tiny_batch

STEPS = 30
METHODS: dict[str, dict[str, Any]] = {
    "ns-gan": {},
    "wgan": {"critic_steps": 2},
    "wgan-gp": {"critic_steps": 2},
    "hinge-sn": {"critic_steps": 2},
    "began": {},
    "infogan": {},
    "mmd-gan": {"critic_steps": 2},
    "lazy": {
        "from": "ns-gan",
        "constraints": [{"name": "r1", "weight": {"linear": [5.0, 0.0]}, "every": 3}, {"name": "path-length"}],
        "ema": 0.9,
    },
    "scheduled": {
        "from": "ns-gan",
        "inputs": [{"name": "instance-noise", "sigma": {"linear": [0.5, 0.0]}}],
        "critic_optimizer": {"name": "adam", "lr": {"linear": [1e-3, 0.0]}},
        "generator_optimizer": {"name": "sgd", "momentum": 0.5, "lr": {"linear": [1e-2, 0.0]}},
        "critic_steps": {"steps": [[10, 3], ["inf", 1]]},
        "ema": 0.9,
        "ema_start": 15,
        "critic_ema": 0.5,
    },
    "ramped": {"from": "ns-gan", "ema": 0.99, "ema_rampup": 0.5},
    "plateau": {"from": "began", "plateau": {"patience": 3}},
    "lookahead": {"from": "ns-gan", "dynamics": {"name": "lookahead", "steps": 5}, "ema": 0.9},
    "together": {"from": "gan", "dynamics": {"name": "simultaneous"}, "ema": 0.9},
    "unrolled": {"from": "ns-gan", "dynamics": {"name": "unrolled", "steps": 2}},
    "consensus": {"from": "gan", "dynamics": {"name": "consensus"}},
    "extragradient": {"from": "gan", "dynamics": {"name": "extragradient"}},
}


def batch_of(method: str, seeds: int, mode: Mode, **settings: Any) -> Batch:
    """Return a batch of so many seeds of a method, named here or by ganbench, whose networks are tiny perceptrons."""
    return tiny_batch({"name": method, **METHODS.get(method, {}), **settings}, seeds, mode, STEPS)
