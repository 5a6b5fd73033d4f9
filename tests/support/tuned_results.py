"""Results of tuned methods made by hand: configurations on tuning seeds, and the chosen ones on fresh seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ganbench.api.records import Record
from ganbench.results.choices import Choice, make_fact
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read
from ganbench.suite.loading import restore

from tests.support.trials_by_hand import record, trial

DEAD = math.inf
"""In place of a FID: the trial diverged."""

RATES = "[0.0001, 0.001, 0.01, 0.1]"
TUNED = {"a": [[4, 6], [1, 3], [8, DEAD], [9, 9]], "b": [[5, 5], [6, 6], [7, 7], [4, 2]]}
"""FIDs on seeds 0 and 1 by method and configuration: the best of a is its second, the best of b its last one."""

REPORTED = {"a": [3, 4, 5], "b": [3, 3, DEAD]}
"""FIDs of the best configuration of each method on seeds 10, 11 and 12."""

TUNING = "[tuning]\nreport_seeds = [10, 11, 12]\n"
Fids = Mapping[str, Sequence[Sequence[float]]]


def write_suite(vary: Mapping[str, str], tuning: str = TUNING, seeds: int = 2, dataset: str = "ring") -> str:
    """Return the text of a suite; `vary` has the options of each method as TOML."""
    methods = "".join(f"[[method]]\nname = {json.dumps(name)}\nvary = {options}\n" for name, options in vary.items())
    rule = f'[[success]]\ndataset = {json.dumps(dataset)}\nmetric = "fid"\nthresholds = [3.5]\n'
    head = f'question = "Which is better when tuned?"\nseeds = {seeds}\n[budget]\ngenerator_steps = 100\n'
    return f"{head}{tuning}{methods}[[dataset]]\nname = {json.dumps(dataset)}\n{rule}"


SUITE = write_suite(dict.fromkeys("ab", f'{{ "optimizer.lr" = {RATES} }}'))
SWEEP = write_suite(dict.fromkeys("ab", f'{{ "optimizer.lr" = {RATES} }}'), tuning="")


def make_record(label: str, seed: int, fid: float, dataset: str = "ring") -> Record:
    """Return the record of a trial whose final FID is this one; of a dead one, that of a trial that diverged."""
    planned = trial(label, seed=seed, dataset=dataset)
    return record(planned, [9.0, fid]) if math.isfinite(fid) else record(planned, [9.0, 99.0], diverged_at=50)


def list_tuned(text: str, fids: Fids, dataset: str = "ring") -> list[Record]:
    """Return the records of all configurations of a suite, `fids` by method, configuration and seed."""
    suite = restore(text)
    return [
        make_record(label, seed, fid, dataset)
        for method, rows in fids.items()
        for label, row in zip(suite.configurations_of(method), rows, strict=True)
        for seed, fid in enumerate(row)
    ]


def make_tuned(
    folder: Path,
    fids: Fids = TUNED,
    reported: Mapping[str, Sequence[float]] = REPORTED,
    chosen: Mapping[str, int] = {"a": 1, "b": 3},
    text: str = SUITE,
    more: Sequence[Record] = (),
    dataset: str = "ring",
) -> Frames:
    """Return the results of a suite that chose these configurations, with the report seeds of its table [tuning].

    `more` are further records of the report, of other datasets or configurations.
    """
    suite, tuned = restore(text), list_tuned(text, fids, dataset)
    report = [
        make_record(method, seed, fid, dataset)
        for method, row in reported.items()
        for seed, fid in zip(suite.report_seed_list, row, strict=True)
    ]
    choices = [Choice(dataset, method, suite.configurations_of(method)[place]) for method, place in chosen.items()]
    with Store(folder) as store:
        store.begin_run(text, [each.trial for each in tuned], {})
        store.append(tuned)
        planned = [each.trial for each in (*tuned, *report, *more)]
        store.begin_run(text, planned, {"tuning": make_fact(choices, suite.method_names)})
        store.append([*report, *more])
    return read(folder)


def make_sweep(folder: Path, fids: Fids = TUNED, text: str = SWEEP, left_out: int = 0) -> Frames:
    """Return the results of a plain sweep, without the last `left_out` of its records."""
    records = list_tuned(text, fids)
    with Store(folder) as store:
        store.begin_run(text, [each.trial for each in records], {})
        store.append(records[: len(records) - left_out])
    return read(folder)
