"""Print the bytes that one member of a batch takes on this CPU, and what the plan counts: python -m ... JSON."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ganbench import plan, registry, suite
from ganbench.engine.train import prepare
from ganbench.plan.costs import CostCounter

from tests.support.conv_space import Images

STEPS = 4


def read_status(name: str) -> int:
    """Return a size in bytes from this process's status."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def measure(table: dict[str, Any], mode: Any) -> tuple[int, float]:
    """Return the counted bytes of one member, and the growth of this process in a few steps for each member."""
    torch.set_num_threads(1)
    plugins = registry.load(plugins=[Images()])
    (batch,) = plan.make(suite.parse(table), plugins).batches
    training = prepare(replace(batch, mode=mode), plugins, torch.device("cpu"))
    counter = CostCounter(plugins, {batch.trials[0].labels["dataset"]: training.source})
    counted, _ = counter.measure_member(batch.trials[0], table["budget"]["batch_size"])
    Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM is the peak
    before = read_status("VmRSS")
    stage = training.begin_stage(0)
    for t in range(STEPS):
        training.train_step(t, stage.game, stage.inputs)
    return int(counted), (read_status("VmHWM") - before) / len(batch.trials)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*json.loads(sys.argv[1]))))
