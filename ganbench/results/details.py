"""One recorded trial in full: every cell is checked before a model is built from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ganbench.api.shared_program import restore_company
from ganbench.api.trials import IMPORTED, Budget, Part, Precision, Recipe, canonical_json, digest, restore_trial
from ganbench.errors import shorten
from ganbench.results.integrity import BOUNDS

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_MEMBERS = 1024
"""Members of a stored batch, at most: more than any version of the planner puts together."""

MOST_SNAPSHOTS = 10_000
"""Snapshots of a stored trial, at most, as of a suite (`suite.suite`)."""

KEPT_NONE = (
    'its suite keeps no generators, so there is nothing to draw or to score. Write [keep] generators = "final", and '
    "train into another folder by --results, or with --fresh --yes"
)
"""Why there are no generators where nobody asked for them, and the way out."""

KINDS: Mapping[type, tuple[str, ...]] = {
    str: ("key", "code", "status", "error", "network", "dataset", "architecture", "method"),
    int: ("seed", "generator_steps", "batch_size", "diverged_at"),
    dict: ("content", "seconds", "updates", "composition", "facts"),
}
"""The type of each cell of a detail; mappings are stored as JSON."""


@dataclass(frozen=True)
class StoredArchitecture(Part):
    """An architecture as a trial's content has it: the space, and what was drawn from it."""

    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StoredContent:
    """A trial's content (`Trial.content`) as it must be."""

    format: int
    dataset: Part
    architecture: StoredArchitecture
    recipe: Recipe
    seed: int
    budget: Budget
    precision: Precision = "float32"


@dataclass(frozen=True, kw_only=True)
class StoredImport:
    """The content of a trial that was trained elsewhere (`ImportedTrial.content`) as it must be."""

    format: int
    imported: Literal[True]
    dataset: Part
    architecture: StoredArchitecture
    recipe: Mapping[Literal["method"], str]
    seed: int
    budget: Mapping[Literal["generator_steps"], int]


@cache
def content_adapter(kind: type) -> TypeAdapter[Any]:
    """Return what checks the types of a trial's content, which is a `StoredContent` or a `StoredImport`."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def read_detail(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a recorded trial by name, JSON parsed; raise ValueError for what ganbench never writes."""
    detail = {name: json.loads(value) if name in KINDS[dict] else value for name, value in row.items()}
    for kind, names in KINDS.items():
        for name in names:
            if not isinstance(detail[name], kind):
                raise ValueError(f"{name} is {shorten(detail[name])}")
    check_content(detail)
    check_batch(detail)
    return detail


def explain_absence(detail: Mapping[str, Any]) -> str:
    """Return why a recorded trial has no generator, without the full stop."""
    if detail["content"].get(IMPORTED):
        return "it was trained elsewhere and imported, so there is no generator of it"
    keep = detail["facts"].get("keep")
    if isinstance(keep, Mapping) and keep.get("generators") == "none":
        return KEPT_NONE
    return f"this trial left no generator (its status: {detail['status']})"


def check_content(detail: Mapping[str, Any]) -> None:
    """Raise ValueError unless a trial's content is complete, within its bounds, and that of its key and its row."""
    from pydantic import ValidationError

    content = detail["content"]
    if digest(content) != detail["key"]:
        raise ValueError("its content was altered: it is not that of its key")
    try:
        kind = StoredImport if content.get(IMPORTED) else StoredContent
        content_adapter(kind).validate_json(canonical_json(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"content.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    trial = restore_trial(content, {})
    budget = trial.budget
    if trial.key != detail["key"]:
        raise ValueError("its content has parts that no trial has")
    if (trial.seed, budget.generator_steps, budget.batch_size) != tuple(detail[name] for name in KINDS[int][:3]):
        raise ValueError("its seed, steps or batch size are not those of its content")
    for name in KINDS[int]:
        least, most = BOUNDS[name]
        if not least <= detail[name] <= most:
            raise ValueError(f"{name} is {detail[name]}, not within {least} and {most}")
    snapshots = list(budget.snapshots)
    if snapshots != sorted(set(snapshots)) or len(snapshots) > MOST_SNAPSHOTS:
        raise ValueError(f"its {len(snapshots)} snapshots are not at most {MOST_SNAPSHOTS} steps in order")
    if snapshots and not (snapshots[0] >= 0 and snapshots[-1] <= budget.generator_steps):
        raise ValueError("its snapshots lie outside its training")


def check_batch(detail: Mapping[str, Any]) -> None:
    """Raise ValueError unless composition and facts have the types that ganbench writes, and a batch that may be."""
    composition, facts = detail["composition"], detail["facts"]
    for name in ("versions", "sources"):
        if not isinstance(facts.get(name, {}), dict):
            raise ValueError(f"{name} are {shorten(facts[name])}")
    if any(not isinstance(source, str) for source in facts.get("sources", {}).values()):
        raise ValueError("sources are not all texts")
    if "members" not in composition:
        return
    members = composition["members"]
    least, most = BOUNDS["seed"]
    if (
        not isinstance(members, list)
        or not 0 < len(members) <= MOST_MEMBERS
        or not all(type(seed) is int and least <= seed <= most for seed in members)
        or (not composition.get("varied") and len(set(members)) < len(members))
        or detail["seed"] not in members
    ):
        raise ValueError(f"members are {shorten(members)}, not 1 to {MOST_MEMBERS} seeds with the trial's own")
    if composition.get("mode") not in ("stack", "loop"):
        raise ValueError(f"mode is {shorten(composition.get('mode'))}, not 'stack' or 'loop'")
    if "varied" in composition:
        check_varied(detail, composition["varied"])


def check_varied(detail: Mapping[str, Any], varied: Any) -> None:
    """Raise ValueError unless these are numbers of each member, and the trial is one of the members, once."""
    members, trial = detail["composition"]["members"], restore_trial(detail["content"], {})
    try:
        if any(not isinstance(values, list) or len(values) != len(members) for values in varied.values()):
            raise ValueError("not one number for each member")
        keys = [member.key for member in restore_company(trial, members, varied)]
        if len(set(keys)) < len(keys) or trial.key not in keys:
            raise ValueError("the trial is not one of its members")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"varied is {shorten(varied)}: {error}") from None
