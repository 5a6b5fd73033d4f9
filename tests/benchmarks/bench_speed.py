"""How many trials an hour `ganbench run` trains, beside the loop that a user would write by hand.

    make bench
    python -m tests.benchmarks.bench_speed 3x64 dcgan --seeds 16 --rounds 3 --json speed.json

A row is a network and a number of seeds, trained with ns-gan and with wgan-gp. In each round follow each other: (a) the
plain loop, one trial after another, with torch's threads; (b) the plain loop in a process per core, with one thread
each; (c) `ganbench run`: start-up, plan, calibration, evaluation and report included, none of which the loop has. The
loop is run with one or two seeds of each method and scaled: a start, and the time of a trial for each trial, shared out
longest first. `short` has trials of 200 generator steps, and the loop in a process for each of them. `alone` has one
seed of each of several architectures.

Columns: trials per hour of (a), (b), (c); how many times (a) and (b) ganbench is; of (b) by processor time too, which
other programs disturb less; the share of the matrix peak of all cores (torch.mm on one thread, measured in the same
round, times the cores) by the FLOPs in the records; the share of a core's peak while a worker trains, by method; peak
memory in GB, shared pages once. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import ganbench
import torch
from ganbench import plan, registry, suite

from tests.benchmarks.contenders import (
    CORES,
    Loops,
    measure_loops,
    measure_peak,
    measure_processes,
    run_ganbench,
)

METHODS = ("ns-gan", "wgan-gp")
DEFAULTS = {"latent": 16, "output": "linear"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Networks, data and budget. `tried` seeds of each method are trained by (a); `apart`: a process for each trial."""

    architectures: dict[str, Any]
    budget: dict[str, int]
    dataset: dict[str, Any] = field(default_factory=lambda: {"name": "ring"})
    seeds: tuple[int, ...] = (1, 4, 16)
    tried: int = 1
    rounds: int = 1
    apart: bool = False

    def write_suite(self, seeds: int, methods: list[str]) -> dict[str, Any]:
        return {
            "question": "How fast is it?",
            "seeds": seeds,
            "methods": methods,
            "budget": {"batch_size": 64, "snapshots": 1} | self.budget,
            "architectures": self.architectures,
            "dataset": [self.dataset],
        }

    def shorten(self, divisor: int) -> Case:
        """Return the case with budgets of a part of the updates or steps."""
        budget = {name: number // (1 if name == "batch_size" else divisor) for name, number in self.budget.items()}
        return replace(self, budget=budget)

    def list_specs(self, plugins: registry.Registry) -> list[dict[str, Any]]:
        """Return what the plain loop makes its networks of, one for each architecture of the plan."""
        batches = plan.make(suite.parse(self.write_suite(1, [METHODS[0]])), plugins).batches
        trials = [trial for batch in batches for trial in batch.trials]
        specs = [DEFAULTS | dict(trial.architecture.options) | dict(trial.spec) for trial in trials]
        return [spec | {"number": number} for number, spec in enumerate(specs)]

    def list_options(self) -> list[Any]:
        """Return the plain loop's options for this budget and data."""
        pixels = self.dataset.get("pixels", 8) if self.dataset["name"] == "digits" else 0
        kind = "updates" if "updates" in self.budget else "generator_steps"
        budget = [f"--{kind.removeprefix('generator_')}", self.budget[kind]]
        return [*budget, "--rows", self.budget.get("batch_size", 64), "--pixels", pixels]


def perceptrons(width: int) -> dict[str, Any]:
    return {"space": "mlp", "options": {"generator_width": width, "critic_width": width}}


CASES = {
    # budgets in updates of both players together, as in the shipped suites; 6,000 are those of suites/toy.toml
    "3x64": Case(architectures=perceptrons(64), budget={"updates": 6000}, tried=2, rounds=2),
    "3x256": Case(architectures=perceptrons(256), budget={"updates": 600, "batch_size": 256}),
    "3x512": Case(architectures=perceptrons(512), budget={"updates": 300, "batch_size": 256}),
    "dcgan": Case(
        architectures={"space": "dcgan", "options": {"filters": 16}},
        budget={"updates": 900},
        dataset={"name": "digits", "pixels": 16},
    ),
    "short": Case(architectures=perceptrons(64), budget={"generator_steps": 200}, seeds=(16,), rounds=2, apart=True),
    "alone": Case(  # the networks, data and budget of suites/random_arch.toml
        architectures={
            "space": "random-mlp",
            "sample": 8,
            "seed": 2018,
            "options": {"depths": [2, 3, 4], "widths": [32, 64, 128], "latent": 32, "output": "tanh"},
        },
        budget={"updates": 1500},
        dataset={"name": "digits"},
        seeds=(1,),
        rounds=2,
    ),
}


def write_toml(table: dict[str, Any]) -> str:
    """Return a suite as TOML: JSON's strings, numbers and lists are TOML's too."""
    lines = [
        f"{name} = {json.dumps(value)}" for name, value in table.items() if name in ("question", "seeds", "methods")
    ]
    for title, part in (("[budget]", table["budget"]), ("[[dataset]]", table["dataset"][0])):
        lines += [title, *(f"{name} = {json.dumps(value)}" for name, value in part.items())]
    space = dict(table["architectures"])
    options = space.pop("options")
    lines += ["[architectures]", *(f"{name} = {json.dumps(value)}" for name, value in space.items())]
    lines += ["[architectures.options]", *(f"{name} = {json.dumps(value)}" for name, value in options.items())]
    return "\n".join(lines) + "\n"


def measure_by_hand(case: Case, specs: list[dict[str, Any]], methods: list[str]) -> tuple[Loops, Loops]:
    """Return what the plain loop takes (a) with torch's threads, and (b) in a process per core."""
    options = case.list_options()
    if case.apart:
        words = [*options, "--specs", json.dumps(specs)]
        return measure_processes(words, methods, 1, None), measure_processes(words, methods, CORES, 1)
    words = [*options, "--methods", *methods]
    one = measure_loops([[*words, "--specs", json.dumps(specs), "--seeds", *range(case.tried)]], None)
    shares = [specs[core::CORES] for core in range(min(CORES, len(specs)))] if len(specs) > 1 else [specs] * CORES
    return one, measure_loops([[*words, "--specs", json.dumps(share)] for share in shares], 1)


def train(case: Case, seeds: int, methods: list[str]) -> dict[str, Any]:
    """Run ganbench; give what it took, and by method the FLOPs and the seconds of a worker for all its trials."""
    with tempfile.TemporaryDirectory() as folder:
        file, results = Path(folder, "speed.toml"), Path(folder, "results")
        file.write_text(write_toml(case.write_suite(seeds, methods)))
        usage = run_ganbench(file, results)
        trials = ganbench.read(results, signals=False).trials
    assert set(trials.status) <= {"completed", "diverged"}, trials.status.value_counts()
    sums = trials.groupby("method")[["flops", "seconds_train"]].sum()
    return {"usage": usage, "trials": len(trials), "work": sums.to_dict("index"), "form": trials["mode"].iloc[0]}


def measure(name: str, case: Case, asked: argparse.Namespace, plugins: registry.Registry) -> Iterator[dict[str, Any]]:
    """Yield a measurement for each round and number of seeds."""
    specs = case.list_specs(plugins)
    for turn in range(asked.rounds or case.rounds):
        peak, by_hand = measure_peak(), measure_by_hand(case, specs, asked.methods)
        for seeds in case.seeds if asked.seeds is None else asked.seeds:
            a, b = (loops.scale(seeds, processes) for loops, processes in zip(by_hand, (1, CORES), strict=True))
            ran = train(case, seeds, asked.methods)
            yield {"row": name, "seeds": seeds, "round": turn, "peak": peak, "a": a, "b": b} | ran


def summarise(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over the rounds of one row, by the names of the columns."""
    sides = ("a", "b", "usage")

    def middle(value: Any) -> float:
        return median(map(value, measured))

    def share(each: dict[str, Any], side: str) -> float:
        flops = sum(part["flops"] for part in each["work"].values())
        return flops / (each[side].wall * CORES * each["peak"])

    def share_in_training(each: dict[str, Any], method: str) -> float:
        return each["work"][method]["flops"] / each["work"][method]["seconds_train"] / each["peak"]

    return {
        "row": measured[0]["row"],
        "seeds": measured[0]["seeds"],
        "trials_per_hour": [middle(lambda each, s=s: 3600 * each["trials"] / each[s].wall) for s in sides],
        "ratios": [middle(lambda each, s=s: each[s].wall / each["usage"].wall) for s in "ab"],
        "processor_ratio": middle(lambda each: each["b"].processor / each["usage"].processor),
        "peak_shares": [middle(lambda each, s=s: share(each, s)) for s in sides],
        "training_shares": {m: middle(lambda each, m=m: share_in_training(each, m)) for m in measured[0]["work"]},
        "memory_gb": [middle(lambda each, s=s: each[s].memory / 1e9) for s in sides],
    }


HEAD = (
    "| networks | seeds | trials an hour (a) | (b) | ganbench | of (a) | of (b) | by processor time "
    "| of the peak (a) | (b) | ganbench | while training | GB (a) | (b) | ganbench |\n" + 15 * "|---" + "|\n"
)


def format_row(row: dict[str, Any]) -> str:
    cells = [row["row"], str(row["seeds"])]
    cells += [f"{value:.0f}" for value in row["trials_per_hour"]]
    cells += [f"{value:.2f}" for value in (*row["ratios"], row["processor_ratio"])]
    cells += [f"{value:.0%}" for value in row["peak_shares"]]
    cells += [", ".join(f"{method} {value:.0%}" for method, value in row["training_shares"].items())]
    cells += [f"{value:.2f}" for value in row["memory_gb"]]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(CASES)}; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of those of the rows")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--rounds", type=int, help="instead of those of the rows")
    parser.add_argument("--shorten", type=int, default=1, metavar="N", help="divide all budgets by N, to try it out")
    parser.add_argument("--json", type=Path, help="a file for all measurements and the table")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - CASES.keys():
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(CASES)}")
    write, load = sys.stdout.write, os.getloadavg()[0]
    write(f"torch {torch.__version__}, {CORES} cores, load {load:.1f} before; the peak of a thread ")
    write(f"{measure_peak() / 1e9:.0f} GFLOP/s, of all cores together {measure_peak(CORES) / 1e9:.0f}\n")
    if load > 0.5:
        write("The cores are not quiet: only ratios by processor time can be trusted.\n")
    write(f"\n{HEAD}")
    plugins, measured, table = registry.load(), [], []
    for name in asked.rows or CASES:
        measured += (found := list(measure(name, CASES[name].shorten(asked.shorten), asked, plugins)))
        for seeds in dict.fromkeys(each["seeds"] for each in found):
            table.append(summarise([each for each in found if each["seeds"] == seeds]))
            write(format_row(table[-1]) + "\n")
            sys.stdout.flush()
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        plain = {"table": table, "measured": measured, "cores": CORES, "load": load, "torch": torch.__version__}
        asked.json.write_text(json.dumps(plain, indent=1, default=lambda usage: asdict(usage)))


if __name__ == "__main__":
    main()
