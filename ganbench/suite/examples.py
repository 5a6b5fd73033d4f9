"""An example for each key of a suite's tables, as the line of TOML that sets it, by the model of the table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "Suite": """
question = "Does a gradient penalty let more networks train?"
seeds = 5
methods = ["ns-gan", "wgan-gp"]
method = [{ name = "mine", from = "ns-gan", ema = 0.999 }]
budget = { generator_steps = 1000 }
architectures = { space = "random-mlp", sample = 3 }
dataset = [{ name = "digits" }]
measurement = { samples = 2000 }
tuning = { configurations = 8, report_seeds = 10 }
success = [{ dataset = "digits", metric = "fid", thresholds = [90, 60], primary = 60 }]
claim = [{ text = "The FID ends below 60", test = "less", method = "ns-gan", value = "fid", target = 60 }]
figure = [{ name = "quality", values = ["fid"] }]
outcomes = { collapsed = 0.1 }
keep = { generators = "best" }
engine = { memory = "8 GiB" }
imported = [{ file = "runs.csv", sha256 = "SHA256", date = "2026-01-31", version = "0.2.0" }]
scale = { paper = { seeds = 10, budget = { generator_steps = 100_000 } } }
""".replace("SHA256", "0" * 64),
        "MethodTable": """
name = "mine"
from = "wgan-gp"
vary = { "optimizer.lr" = [1e-4, 1e-3] }
loss = "hinge"
constraints = [{ name = "gradient-penalty", weight = 1 }]
add_constraints = ["spectral-norm"]
inputs = [{ name = "instance-noise", sigma = 0.1 }]
dynamics = "simultaneous"
optimizer = { name = "adam", lr = 2e-4, beta1 = 0.5 }
critic_optimizer = { lr = 4e-4 }
generator_optimizer = { lr = 1e-4 }
critic_steps = 5
order = "generator-first"
critic_norm = "none"
ema = 0.999
ema_start = 100
ema_rampup = 0.05
critic_ema = 0.999
plateau = { signal = "objective.measure", factor = 0.5, patience = 500 }
""",
        "PartTable": """
name = "adam"
lr = 1e-3
""",
        "OfferTable": """
name = "sliced-w1"
projections = 128
""",
        "TermTable": """
name = "gradient-penalty"
target = 0.5
weight = { linear = [10, 1], over = 0.5 }
every = 4
where = { critic_normalised = true }
""",
        "ExtractorTable": """
name = "own"
""",
        "BudgetTable": """
generator_steps = 1000
updates = 6000
samples = 1_000_000
flops = 1e12
batch_size = 128
snapshots = 10
""",
        "ArchitecturesTable": """
space = "random-mlp"
sample = 20
seed = 1
options = { widths = [64, 128], depths = [2, 3] }
""",
        "DatasetTable": """
name = "digits"
training_images = 500
label = "few digits"
metrics = ["fid", "sliced-w1"]
extractor = "own"
tuned_on = "digits"
fallback = { name = "mnist-5k", pixels = 16 }
""",
        "MeasurementTable": """
samples = 5000
metrics = ["sliced-w1"]
extractor = "own"
normalisation = "standing"
""",
        "TuningTable": """
configurations = 16
seed = 1
report_seeds = [100, 101, 102]
report_architectures = 5
report = "all"
unequal = "wgan-gp has one more option, the weight of its penalty"
""",
        "SuccessTable": """
dataset = "digits"
metric = "fid"
at = "best"
sustained = 2
thresholds = [90, 60, 40]
primary = 60
condition = "fid < 60 and is > 4"
compare = [["wgan-gp", "ns-gan"]]
smallest_effect = 0.1
allow_trivial = true
""",
        "ClaimTable": """
text = "The FID of WGAN-GP ends below that of NS-GAN"
source = "Gulrajani et al. 2017, arXiv:1704.00028, figure 3"
test = "less"
dataset = "digits"
method = "wgan-gp"
value = "fid"
condition = "fid < 60 and is > 4"
outcome = "collapsed"
at = "best"
position = 1
where = { critic_width = 8 }
than = { method = "ns-gan" }
target = 60
tolerance = 0.1
relative = true
factor = 2
along = "step"
order = ["few", "more", "many", "all"]
direction = "falls"
strength = 0.7
rate = 0.9
inference = false
""",
        "SideTable": """
value = "sliced-w1"
dataset = "digits"
method = "ns-gan"
at = "first"
position = 2
where = { critic_width = 8 }
""",
        "FigureTable": """
name = "quality"
title = "The quality of the samples"
kind = "lines"
values = ["fid", "sliced-w1"]
x = "methods"
datasets = ["digits"]
methods = ["ns-gan", "wgan-gp"]
at = "first"
where = { critic_width = 8 }
places = [1, 5]
panel = "dataset"
marks = [30, 60]
x_label = "critic steps"
""",
        "OutcomesTable": """
exploded = 1e6
collapsed = 0.1
degraded = 2
critic_dead = 1e-10
oscillating = 0.7
periods = 5
""",
        "KeepTable": """
generators = "snapshots"
precision = "float16"
""",
        "EngineTable": """
memory = "8 GiB"
together = 256
precision = "bf16"
""",
        "ImportedTable": """
file = "runs.csv"
sha256 = "SHA256"
date = "2026-01-31"
version = "0.2.0"
""".replace("SHA256", "0" * 64),
    }
)
"""The lines of each table. A key that the model does not know is an option of the offer that the example names."""


def list_lines(table: str) -> dict[str, str]:
    """Return the line of TOML of each key of a table; `table` is the name of its model."""
    return {line.partition(" ")[0]: line for line in EXAMPLES[table].split("\n") if line}


def list_values(table: str) -> dict[str, Any]:
    """Return the example's value of each key of a table."""
    return tomllib.loads(EXAMPLES[table])
