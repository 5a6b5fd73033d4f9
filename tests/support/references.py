"""Two small references with records, made in seconds: their suites, and a plugin file with a loss to try on them."""

from __future__ import annotations

from pathlib import Path

import ganbench
import pytest
from ganbench.results.compact import compact
from ganbench.suite import references

RING = """
question = "Does it run?"
methods = ["ns-gan", "wgan-gp"]
seeds = 10
architectures = { options = { generator_width = 8 } }
budget = { generator_steps = 6, batch_size = 16, snapshots = 2 }
measurement = { samples = 64 }
keep = { generators = "none" }
engine = { together = 5 }

[[dataset]]
name = "ring"
metrics = ["sliced-w1"]

[[success]]
dataset = "ring"
metric = "sliced-w1"
thresholds = [1.5, 1.0]
primary = 1.5
allow_trivial = true
"""

MANY = (
    RING.replace("seeds = 10\n", "")
    .replace(
        "architectures = { options = { generator_width = 8 } }",
        'architectures = { space = "random-mlp", sample = 6, options = { depths = [2], widths = [8, 16] } }',
    )
    .replace('name = "ring"\n', 'name = "ring"\nlabel = "many-rings"\n')
    .replace('dataset = "ring"', 'dataset = "many-rings"')
)

MINE = """
from ganbench import Constraint, Objective, Offer, Space, hookimpl
from torch.nn.functional import softplus


def build(slack: float = 0.0) -> Objective:
    return Objective(
        lambda real, fake: softplus(slack - real).mean() + softplus(fake).mean(),
        lambda real, fake: softplus(-fake).mean(),
    )


@hookimpl
def ganbench_losses():
    yield Offer("my-loss", build, "A loss.")
"""


def make_references(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make both references in a folder, let ganbench find only these, and return the plugin file beside them."""
    for name, text in {"ring": RING, "many_rings": MANY}.items():
        suite = folder / f"{references.PREFIX}{name}.toml"
        suite.write_text(text)
        ganbench.run(suite, results=folder / "trained" / name, jobs=0, device="cpu")
        compact(folder / "trained" / name, folder / "records" / name.replace("_", "-"))
    patch.setattr(references, "FOLDERS", (folder,))
    patch.setattr(references, "RECORDS", folder / "records")
    plugin = folder / "mine.py"
    plugin.write_text(MINE)
    return plugin
