"""What plans, resumed runs, tables and merges of 100,000 trials take: CPU seconds, wall seconds and memory.

    pytest -n 0 -s tests/benchmarks/bench_growth.py              # 100,000 trials, and a metric of 3,000 values
    pytest -n 0 -s tests/benchmarks/bench_growth.py -k merge     # ten shards of 10,000 trials, with generators
    pytest -n 0 -s -m large tests/benchmarks/bench_growth.py     # a million, which takes half an hour to make

Each figure is that of a fresh process, with its imports. Its CPU seconds are held against the limits, as a shared
machine's wall clock says little; both are printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.large_results import fill, fill_shards

PLAN = """
from tests.support.large_results import ask
from ganbench import plan, registry

planned = plan.make(ask({0}, {1}), registry.load())
count = len({{trial.key for trial in planned.trials}})
"""
RESUME = """
from tests.support.large_results import ask
from ganbench import plan, registry
from ganbench.results.store import Store
from ganbench.runner.remaining import find_remaining
from ganbench.runner.settings import Settings

asked = ask({0}, {1})
planned = plan.make(asked, registry.load())
with Store({2!r}) as store:
    todo = find_remaining(planned, store.known(), Settings())
    assert not todo.batches
    assert len(store.measured()) == len(planned.trials)
    store.begin_run(asked.text, planned.trials, {{}})
count = len(planned.trials)
"""
TABLES = """
from pathlib import Path
from ganbench import suite
from ganbench.report import make_tables, render
from ganbench.results.store import read

frames = read(Path({2!r}))
text = render(make_tables(frames, suite.restore(frames.suite).success), "md")
count = len(frames.trials)
"""
MERGE = """
from pathlib import Path
from ganbench.results.merge import merge

folders = sorted(Path({0!r}).glob("shard-*"))
merged = merge(folders, Path({0!r}) / "merged")
assert merged.networks == sum(number for _, number in merged.records)
count = merged.networks
"""
MEASURE = """
import json, re, resource, sys, time
from pathlib import Path

status = Path("/proc/self/status")  # getrusage would count the memory of the process that started this one
found = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text()) if status.exists() else None
kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"count": count, "cpu": time.process_time(), "gigabytes": kilobytes / 2**20}))
"""
SHAPES = {"50x1000": (50, 1000), "1000x50": (1000, 50)}
SECONDS, GIGABYTES = 15.0, 1.5
MERGE_SECONDS = 60.0
MILLION_SECONDS, MILLION_GIGABYTES = 180.0, 6.0


def measure(benchmark: Any, program: str, *shape: Any) -> dict[str, Any]:
    """Return the CPU seconds and the gigabytes of a program in a process of its own; the clock is the benchmark's."""
    measured: dict[str, Any] = {}

    def run() -> None:
        command = [sys.executable, "-c", program.format(*shape) + MEASURE]
        measured.update(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info.update(measured)
    return measured


@pytest.fixture(scope="module", params=SHAPES, ids=SHAPES)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int, str]:
    """A hundred thousand trials' results, stored with signals of ten points; the shape of the grid, and the folder."""
    architectures, seeds = SHAPES[request.param]
    folder = fill(tmp_path_factory.mktemp("growth"), architectures, seeds, points=10)
    return architectures, seeds, str(folder)


@pytest.mark.parametrize("program", [PLAN, RESUME, TABLES], ids=["plan", "resume", "tables"])
def test_a_hundred_thousand_trials(benchmark, stored, program) -> None:
    measured = measure(benchmark, program, *stored)
    assert measured["count"] == 100_000
    assert measured["cpu"] < SECONDS
    assert measured["gigabytes"] < GIGABYTES


def test_a_metric_of_three_thousand_values(benchmark, tmp_path: Path) -> None:
    folder = fill(tmp_path, 5, 10, values=["sliced-w1", *(f"mode-{i}" for i in range(3000))])
    measured = measure(benchmark, TABLES, 5, 10, str(folder))
    assert measured["count"] == 100
    assert measured["cpu"] < 10


def test_a_merge_of_ten_shards_of_ten_thousand_trials_with_signals_and_generators(benchmark, tmp_path: Path) -> None:
    fill_shards(tmp_path, 50, 1000, 10, points=10)
    measured = measure(benchmark, MERGE, str(tmp_path))
    assert measured["count"] == 100_000
    assert measured["cpu"] < MERGE_SECONDS
    assert measured["gigabytes"] < GIGABYTES


@pytest.mark.large
def test_a_million_trials(benchmark, tmp_path: Path) -> None:
    folder = fill(tmp_path, 500, 1000)
    planned = json.loads(
        subprocess.run(
            [sys.executable, "-c", PLAN.format(500, 1000) + MEASURE], capture_output=True, text=True, check=True
        ).stdout
    )
    tables = measure(benchmark, TABLES, 500, 1000, str(folder))
    benchmark.extra_info["plan"] = planned
    assert planned["count"] == tables["count"] == 1_000_000
    assert planned["cpu"] + tables["cpu"] < MILLION_SECONDS
    assert max(planned["gigabytes"], tables["gigabytes"]) < MILLION_GIGABYTES
