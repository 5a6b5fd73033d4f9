"""What differs between the sides of a comparison: what may be the question, and what makes them incomparable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ganbench.api.trials import canonical_json
from ganbench.errors import GanbenchError, shorten
from ganbench.plan.fingerprint import DATA, describe_source
from ganbench.report.sides import Matched, Side
from ganbench.results.history import list_plugins
from ganbench.results.origins import Origin
from ganbench.statistics.final_scores import split_by_measurement
from ganbench.statistics.imported_trials import are_imported
from ganbench.suite import conditions
from ganbench.suite.success import SuccessRule
from ganbench.table import format_value, is_missing

KINDS = ("code", "options", "budget", "protocol", "reading", "versions", "machine", "days")
"""The kinds of differences, in the order in which they are listed."""

HASH = 12
"""Digits of a hash that a reader sees."""

MOST_SHOWN = 6
"""The most values of one side that a cell lists."""

ABSENT = "not given"
"""What stands in the place of a setting that a side does not give."""

MACHINE = ("system", "cores", "device", "device_name", "threads", "mode")
"""The facts of a batch about where and how it was trained."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that is not the same on all sides: its kind (one of `KINDS`), its name, and its value on each side."""

    kind: str
    what: str
    values: tuple[str, ...]


def list_differences(matched: Matched, rules: Sequence[SuccessRule]) -> list[Difference]:
    """Return what differs between the sides on the matched cells, in the order of `KINDS`.

    `rules` are those by which the sides are compared. Methods that are compared within one folder use other offers and
    options by their nature: their code is listed only where both use an offer of the same name.
    """
    origins = [
        [side.origins[key] for key in matched.trials(side)["key"] if key in side.origins] for side in matched.sides
    ]
    return [
        *compare_code(matched, origins),
        *compare_options(matched),
        *compare_budgets(matched.sides),
        *compare_places(matched),
        *compare_data(matched, origins),
        *compare_measurements(matched, rules),
        *compare_readings(matched.sides),
        *compare_facts("versions", origins, list_versions),
        *compare_facts("machine", origins, lambda facts: {name: facts.get(name) for name in MACHINE}),
        *compare_days(matched.sides, origins),
    ]


def refuse_unlike(matched: Matched, differences: Sequence[Difference]) -> None:
    """Raise GanbenchError if the sides are no fair comparison; the message lists why, and the way out.

    Their data and their measurements must be alike. Their budgets may differ only if neither their code nor their
    options do: a budget can be the question, but not together with a method.
    """
    kinds = {each.kind for each in differences}
    names = [side.name for side in matched.sides]
    one_folder = len({side.folder for side in matched.sides}) == 1
    if "protocol" in kinds:
        reason = "measured by unlike protocols"
        way_out = (
            "Run one of them again by the other's [[dataset]] and [measurement] tables. Where only the metric differs, "
            "`ganbench evaluate RESULTS --metric NAME` scores its stored generators by today's version (`--samples` "
            "sets how many samples)."
        )
        refused = [each for each in differences if each.kind == "protocol"]
    elif "budget" in kinds and kinds & {"code", "options"} and not one_folder:
        reason = "trained with unlike budgets, and other code or options: nobody could tell which made the difference"
        way_out = "Train one of them again with the other's [budget]."
        refused = [each for each in differences if each.kind in ("budget", "code", "options")]
    else:
        return
    lines = [
        f"  {each.kind}: {each.what}: "
        + ", ".join(f"{value} in {name}" for name, value in zip(names, each.values, strict=True))
        for each in refused
    ]
    raise GanbenchError("\n".join([f"{' and '.join(names)} cannot be compared: {reason}.", *lines, way_out]))


def compare_values(kind: str, what: str, values: Iterable[Iterable[Any]]) -> Iterator[Difference]:
    """Yield a difference if the sides have different sets of values; "none" stands for a side without any."""
    sides = [list(dict.fromkeys(map(show, each))) for each in values]
    if any({*side} != {*sides[0]} for side in sides):
        yield Difference(kind=kind, what=what, values=tuple(join_values(side) for side in sides))


def show(value: Any) -> str:
    """Return one value as a reader's text."""
    return value if isinstance(value, str) else format_value(value) if isinstance(value, int | float) else str(value)


def join_values(values: Sequence[str]) -> str:
    """Return the values of one side as one text; of many, the first ones."""
    more = f" and {len(values) - MOST_SHOWN} more" if len(values) > MOST_SHOWN else ""
    return ", ".join(values[:MOST_SHOWN]) + more if values else "none"


def compare_code(matched: Matched, origins: Sequence[Sequence[Origin]]) -> Iterator[Difference]:
    """Yield the offers whose code differs, with the plugin files that they came from.

    An offer that a side does not use is a matter of options. Records without the hashes of their sources, made by an
    early version, are compared by the hash of all their code.
    """
    sources: list[dict[str, dict[str, None]]] = []
    for side, own in zip(matched.sides, origins, strict=True):
        found: dict[str, dict[str, None]] = {}
        for origin in own:
            for name, code in origin.sources.items():
                found.setdefault(name, {})[f"{code[:HASH]}{name_plugin(side, origin, name)}"] = None
        sources.append(found)
    for name in dict.fromkeys(name for found in sources for name in found):
        if name != DATA and all(name in found for found in sources):
            yield from compare_values("code", describe_source(name), [found[name] for found in sources])
    known = all(origin.sources for own in origins for origin in own)
    if not known and not matched.sides[0].method:
        codes = [[origin.code[:HASH] for origin in own] for own in origins]
        yield from compare_values("code", "the code of some component (not recorded which)", codes)


def name_plugin(side: Side, origin: Origin, offer: str) -> str:
    """Return the plugin of a third party that an offer came from, as in " (mine.py (sha256 1f...))", or nothing."""
    for run in side.frames.runs:
        if run.number == origin.run:
            titles = [plugin.title for plugin in list_plugins(run.facts) if offer in plugin.offers]
            return f" in {titles[0]}" if titles else ""
    return ""


def compare_options(matched: Matched) -> Iterator[Difference]:
    """Yield the settings of each method that differ, in the order of a recipe."""
    tables = [side.frames.methods.drop_duplicates("method").set_index("method") for side in matched.sides]
    for method in matched.methods:
        rows = [
            table.loc[side.method or method] if (side.method or method) in table.index else pd.Series(dtype=object)
            for side, table in zip(matched.sides, tables, strict=True)
        ]
        for setting in dict.fromkeys(name for row in rows for name in row.index):
            values = [row.get(setting) for row in rows]
            shown = [[ABSENT if is_missing(value) or value == "" else value] for value in values]
            yield from compare_values("options", f"{method}: {setting}" if method else str(setting), shown)


def compare_budgets(sides: Sequence[Side]) -> Iterator[Difference]:
    """Yield the parts of the suites' budgets that differ."""
    budgets = [side.suite.budget for side in sides]
    amounts = [[f"{format_value(budget.amount)} {budget.unit}"] for budget in budgets]
    yield from compare_values("budget", "training", amounts)
    for name in ("batch_size", "snapshots"):
        yield from compare_values("budget", name, [[getattr(budget, name)] for budget in budgets])


def compare_places(matched: Matched) -> Iterator[Difference]:
    """Yield a difference if the trials of one side were trained elsewhere: neither data nor measurement are known."""
    words = [
        ["elsewhere, and imported" if imported else "by ganbench" for imported in are_imported(matched.trials(side))]
        for side in matched.sides
    ]
    yield from compare_values("protocol", "trained", words)


def compare_data(matched: Matched, origins: Sequence[Sequence[Origin]]) -> Iterator[Difference]:
    """Yield the datasets that have one label but other options, another version or other content."""
    datasets = matched.cells.get_level_values("dataset")
    for dataset in dict.fromkeys(datasets):
        keys = [{*matched.trials(side)["key"][datasets == dataset]} for side in matched.sides]
        own = [[origin for origin in each if origin.key in here] for each, here in zip(origins, keys, strict=True)]
        parts = [[describe_data(origin.data) for origin in each] for each in own]
        yield from compare_values("protocol", f"dataset {dataset}", parts)
        contents = [[origin.sources[DATA][:HASH] for origin in each if DATA in origin.sources] for each in own]
        yield from compare_values("protocol", f"content of {dataset}", contents)


def describe_data(text: str) -> str:
    """Return a dataset in words: its name, version and options."""
    part = json.loads(text)
    if not isinstance(part, dict):
        return shorten(text)
    options = part.get("options") or {}
    version = f" version {part.get('version')}"
    return f"{part.get('name')}{version}" + (f" {canonical_json(options)}" if options else "")


def compare_measurements(matched: Matched, rules: Sequence[SuccessRule]) -> Iterator[Difference]:
    """Yield the values of metrics that the rules need and that the sides did not measure in the same way.

    A side without any completed trial measured nothing, which is no difference. Where a rule decides by the best
    snapshot, a value that one side has at its end only is not alike either.
    """
    unlike = False
    for (dataset, name), at in needed_values(rules).items():
        ways = [find_measurements(matched, side, dataset, name) for side in matched.sides]
        known = [
            way for side, way in zip(matched.sides, ways, strict=True) if way or has_completed(matched, side, dataset)
        ]
        shared = set.intersection(*({*way} for way in known)) if known else set[str]()
        if not shared and known:
            unlike = True
            hashes = [[way[:HASH] for way in found] for found in ways]
            yield from compare_values("protocol", f"measurement of {name} on {dataset}", hashes)
        elif "best" in at:
            several = [max(found[way] for way in shared) > 1 for found in known]
            words = [["at several snapshots" if more else "at the end only"] for more in several]
            if len(known) == len(ways):
                yield from compare_values("protocol", f"{name} on {dataset} is measured", words)
    samples = [[side.suite.measurement.samples] for side in matched.sides]
    yield from compare_values("protocol" if unlike else "reading", "[measurement] samples", samples)


def needed_values(rules: Sequence[SuccessRule]) -> dict[tuple[str, str], set[str]]:
    """Return, by dataset and name, the values that decide by these rules, and at which snapshot."""
    values: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        names = conditions.parse(rule.condition).names if rule.condition is not None else ()
        for name in (*filter(None, (rule.metric,)), *names):
            values.setdefault((rule.dataset, name), set()).add(rule.at)
    return values


def find_measurements(matched: Matched, side: Side, dataset: str, name: str) -> dict[str, int]:
    """Return the measurements of a value on a side's matched trials, each with the most snapshots that a trial has."""
    trials = matched.trials(side)
    groups = split_by_measurement(side.frames, name, trials.loc[trials["dataset"] == dataset, "key"])
    return {way: int(rows[~rows["fresh"]].groupby("number")["step"].nunique().max()) for way, rows in groups.items()}


def has_completed(matched: Matched, side: Side, dataset: str) -> bool:
    """Return whether any matched trial of a side on a dataset completed, and so was measured."""
    trials = matched.trials(side)
    return bool(((trials["dataset"] == dataset) & (trials["status"] == "completed")).any())


def compare_readings(sides: Sequence[Side]) -> Iterator[Difference]:
    """Yield what the suites read from the same scores in other ways; the first side's reading is used for all."""
    declared = [side.suite.outcomes.model_dump(exclude_none=True) for side in sides]
    for name in dict.fromkeys(name for each in declared for name in each):
        yield from compare_values("reading", f"[outcomes] {name}", [[each.get(name, ABSENT)] for each in declared])
    rules = [{name_rule(rule): rule for rule in side.suite.success} for side in sides]
    for name in (name for name in rules[0] if all(name in each for each in rules)):
        for key in ("thresholds", "smallest_effect"):
            values = [[shorten_setting(getattr(each[name], key))] for each in rules]
            yield from compare_values("reading", f"{key} of {name}", values)


def name_rule(rule: SuccessRule) -> str:
    """Return what makes two success rules the same rule: dataset, snapshot, metric, primary threshold, condition."""
    threshold = f"{rule.metric} at {rule.primary:g}" if rule.metric and rule.primary is not None else ""
    return f"{rule.at} {' and '.join(filter(None, (threshold, rule.condition)))} on {rule.dataset}"


def shorten_setting(value: Any) -> str:
    """Return the value of a setting: numbers joined by commas, "none" for nothing."""
    if isinstance(value, tuple):
        return ", ".join(map(format_value, value)) or "none"
    return "none" if value is None else format_value(value)


def compare_facts(
    kind: str, origins: Sequence[Sequence[Origin]], select: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Iterator[Difference]:
    """Yield the facts that differ, of those that `select` returns of a batch."""
    found: list[dict[str, dict[str, None]]] = []
    for own in origins:
        values: dict[str, dict[str, None]] = {}
        for facts in {id(origin.facts): origin.facts for origin in own}.values():
            for name, value in select(facts).items():
                if value is not None:
                    values.setdefault(str(name), {})[show(value)] = None
        found.append(values)
    for name in dict.fromkeys(name for values in found for name in values):
        yield from compare_values(kind, name.replace("_", " "), [values.get(name, {}) for values in found])


def list_versions(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the versions in the facts of a batch: Python's, and those of the packages."""
    versions = facts.get("versions")
    return {"python": facts.get("python"), **(versions if isinstance(versions, dict) else {})}


def compare_days(sides: Sequence[Side], origins: Sequence[Sequence[Origin]]) -> Iterator[Difference]:
    """Yield the days on which the runs began that trained the matched trials."""
    days = []
    for side, own in zip(sides, origins, strict=True):
        numbers = {origin.run for origin in own}
        days.append([run.started[:10] for run in side.frames.runs if run.number in numbers])
    yield from compare_values("days", "trained on", days)
