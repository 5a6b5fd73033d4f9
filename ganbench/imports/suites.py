"""The suite of an import: what its runs are, and how they are read. No plugin knows its names, so it is only read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench.api.metrics import Direction, Metric
from ganbench.api.trials import IMPORTED, Trial
from ganbench.errors import GanbenchError, shorten, unknown_name
from ganbench.evaluation.success import check_rule
from ganbench.suite import conditions
from ganbench.suite.loading import parse
from ganbench.suite.suite import Suite
from ganbench.suite.tables import MOST_SNAPSHOTS

QUESTION = "Which method is better, of runs that were trained elsewhere?"

RULES = ("question", "success", "outcomes", "claim")
"""The keys of a suite that a file of rules may have: how results are read."""

BARE = re.compile("[A-Za-z0-9_-]+")
"""A key that TOML takes without quotation marks."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How imported runs are read.

    `success` are rules as the command line has them, a metric and its thresholds, as in "fid=30,25"; each holds on
    every dataset with that metric. `primary` are primary thresholds, one for each rule with several; `compare` the
    pairs of methods to compare. `rules` is a TOML file with the tables [[success]], [[claim]] and [outcomes] of a suite
    in their place. What is left out stays as it is in the folder. `higher`, `lower` and `neutral` name metrics by the
    better direction.
    """

    success: Sequence[str] = ()
    primary: Sequence[float] = ()
    compare: Sequence[tuple[str, str]] = ()
    question: str = ""
    rules: Path | None = None
    higher: Sequence[str] = ()
    lower: Sequence[str] = ()
    neutral: Sequence[str] = ()

    @property
    def directions(self) -> Mapping[Direction, Sequence[str]]:
        """The metrics that were given a direction."""
        return {"higher": self.higher, "lower": self.lower, "neutral": self.neutral}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the runs of a folder were measured by: metrics by dataset, their directions, and the most steps of a run.

    `fresh` is whether any value is of fresh samples.
    """

    metrics: Mapping[str, Collection[str]]
    directions: Mapping[str, Direction]
    snapshots: int
    fresh: bool


def make_suite(
    trials: Sequence[Trial],
    measured: Measured,
    reading: Reading,
    files: Sequence[Mapping[str, str]],
    stored: Mapping[str, Any],
) -> Suite:
    """Return the suite of imported trials; `stored` is that of the folder before, `files` are the imported ones.

    Raise GanbenchError for a rule that no run could meet, and for more than a suite may have.
    """
    labels = {kind: list(dict.fromkeys(trial.labels[kind] for trial in trials)) for kind in trials[0].labels}
    rules = {name: stored[name] for name in RULES if name in stored} | read_rules(reading, measured, labels)
    data: dict[str, Any] = {
        "question": rules.pop("question", QUESTION),
        "seeds": sorted({trial.seed for trial in trials}),
        "methods": labels["method"],
        "budget": {
            "generator_steps": max(trial.budget.generator_steps for trial in trials),
            "snapshots": min(measured.snapshots, MOST_SNAPSHOTS),
        },
        "architectures": {"space": IMPORTED, "sample": len(labels["architecture"])},
        "dataset": [{"name": name} for name in labels["dataset"]],
        **rules,
        IMPORTED: list(files),
    }
    place = str(reading.rules or "the suite of this import")
    parse(data, place)  # of a table, mistakes have no lines, which nobody could look up here
    suite = parse(write_suite(data), place)
    for rule in suite.success:
        where = f"[[success]] on {rule.dataset!r}"
        names = measured.metrics.get(rule.dataset, ())
        conditioned = conditions.parse(rule.condition).names if rule.condition is not None else ()
        for name in filter(None, (rule.metric, *conditioned)):
            if name not in names:
                raise unknown_name("metric of the imported runs called", name, names, where)
        metrics = {name: Metric(measure=lambda _: {}, values={name: measured.directions[name]}) for name in names}
        check_rule(rule, metrics, suite.budget.snapshots, where)
        if rule.at == "best" and not measured.fresh:
            raise GanbenchError(
                f'{where}: at = "best" needs the best snapshots scored again on fresh samples, in rows with fresh = '
                'true; the best of several scores of the same samples is biased. Write at = "final".'
            )
    return suite


def read_rules(reading: Reading, measured: Measured, labels: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the tables of a suite that say how results are read, those that were given only."""
    if reading.rules is not None and (reading.success or reading.compare):
        raise GanbenchError("--rules has the rules, so leave out --success and --compare, or write them into the file.")
    if (reading.primary or reading.compare) and not reading.success:
        raise GanbenchError("--primary and --compare belong to a rule. Give one, as in --success fid=30,25.")
    rules = read_file(reading.rules) if reading.rules is not None else {}
    if reading.question:
        rules["question"] = reading.question
    if reading.success:
        rules["success"] = [table for text in reading.success for table in spread_rule(text, reading, measured, labels)]
        if unused := [value for value in reading.primary if all(value != rule["primary"] for rule in rules["success"])]:
            raise GanbenchError(f"--primary {unused[0]:g}: no --success has this threshold. Add it to one.")
    return rules


def read_file(path: Path) -> dict[str, Any]:
    """Return the tables of a file of rules; raise GanbenchError for one that cannot be read, and for other tables."""
    try:
        rules = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:  # a TOMLDecodeError too
        raise GanbenchError(f"{path}: not TOML: {error}.") from None
    for name in rules:
        if name not in RULES:
            raise unknown_name("key of rules", name, RULES, str(path))
    return rules


def spread_rule(
    text: str, reading: Reading, measured: Measured, labels: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Yield the [[success]] tables of a rule such as "fid=30,25", one for each dataset with that metric."""
    metric, separator, numbers = text.partition("=")
    metric = metric.strip()
    try:
        thresholds = [float(number) for number in numbers.split(",")]
    except ValueError:
        thresholds = []
    if not separator or not thresholds:
        raise GanbenchError(f"--success {shorten(text)}: write a metric and its thresholds, as in fid=30,25.")
    if metric not in measured.directions:
        raise unknown_name("metric", metric, measured.directions, f"--success {text}")
    ordered = sorted(set(thresholds), reverse=measured.directions[metric] == "lower")
    primary = [value for value in reading.primary if value in ordered] if len(ordered) > 1 else ordered
    if len(primary) != 1:
        shown = ", ".join(f"{value:g}" for value in ordered)
        raise GanbenchError(
            f"--success {text}: which threshold do the tests use? Choose one of {shown}, as in --primary "
            f"{ordered[0]:g}."
        )
    for dataset in labels["dataset"]:
        if metric in measured.metrics.get(dataset, ()):
            yield {
                "dataset": dataset,
                "metric": metric,
                "thresholds": ordered,
                "primary": primary[0],
                "compare": [list(pair) for pair in reading.compare],
            }


def write_suite(data: Mapping[str, Any]) -> str:
    """Return a suite as TOML: its values, then its tables, then its lists of tables."""
    blocks = [write_lines({key: value for key, value in data.items() if not is_table(value)})]
    for key, value in data.items():
        for table in [value] if isinstance(value, Mapping) else value if is_table(value) else ():
            head = f"[{write_key(key)}]" if isinstance(value, Mapping) else f"[[{write_key(key)}]]"
            blocks.append(f"{head}\n{write_lines(table)}")
    return "\n\n".join(blocks) + "\n"


def write_lines(table: Mapping[str, Any]) -> str:
    """Return a table as lines of TOML, one for each of its keys."""
    return "\n".join(f"{write_key(key)} = {write_toml(value)}" for key, value in table.items())


def is_table(value: Any) -> bool:
    """Return whether a value is a table, or a list of tables."""
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def write_key(key: str) -> str:
    """Return a key of TOML, in quotation marks where it needs them."""
    return key if BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def write_toml(value: Any) -> str:
    """Return a value as TOML; a table becomes an inline one."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{write_key(key)} = {write_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_toml, value))}]"
    if isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
