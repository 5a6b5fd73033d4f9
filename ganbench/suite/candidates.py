"""Candidates: the component that a user wants to try, and the suite that tries it where a reference has its records.

A method is used as it is. A loss, dynamics or an optimizer takes the place of that of a known method; a constraint or
an input is added to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ganbench.api.offers import KINDS
from ganbench.errors import GanbenchError, unknown_name
from ganbench.suite.loading import parse
from ganbench.suite.references import Reference
from ganbench.suite.writing import write_toml

if TYPE_CHECKING:
    from ganbench.registry.registry import Offered, Registry
    from ganbench.suite.suite import Suite

REPLACED: Mapping[str, str] = MappingProxyType({"losses": "loss", "dynamics": "dynamics", "optimizers": "optimizer"})
"""The key of a [[method]] table that a component of each of these kinds replaces."""

ADDED: Mapping[str, str] = MappingProxyType({"constraints": "constraint", "inputs": "input"})
"""The kinds of components that are added to a method, with the word for one."""

USABLE = ("methods", *REPLACED, *ADDED)
"""The kinds of components that can be tried."""

ENDING = ".py"

CHECKED_SEEDS = 5
"""Trials of one architecture that are trained again to check this machine: against 20 records, p can be 4e-5."""

CHECKED_ARCHITECTURES = 8
"""Architectures on which one trial each is trained again: the smallest p of 8 pairs is 0.008."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The component to try: its kind and name, the options it is given, and the `weight` of what is added.

    `base` is the method that it changes, "" for a candidate that is a method.
    """

    kind: str
    name: str
    base: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: float | None = None

    def write_method(self, reference: Reference, registry: Registry) -> dict[str, Any]:
        """Return the [[method]] table, as plain data, of the candidate in the suite of a reference.

        What the table of `base` in the reference changes of its recipe, such as a learning rate, stays.
        """
        if self.kind == "methods":
            return {"name": self.name}
        table = read_method(reference, self.base)
        table |= {"name": self.name, "from": table.get("from", self.base)}
        own = {"name": self.name, **self.options}
        if self.kind in REPLACED:
            return {**table, REPLACED[self.kind]: own}
        own |= {} if self.weight is None else {"weight": self.weight}
        if self.kind == "inputs":
            recipe = registry.build("methods", table["from"], {})
            inherited = table.get("inputs", [{"name": use.name} for use in recipe.inputs])
            return {**table, "inputs": [*inherited, own]}
        key = "constraints" if "constraints" in table else "add_constraints"
        return {**table, key: [*table.get(key, []), own]}


def read_method(reference: Reference, name: str) -> dict[str, Any]:
    """Return the [[method]] table of a reference's method as plain data; of an unchanged recipe, its name alone."""
    table = reference.suite.method_table(name)
    return {"name": name} if table is None else table.model_dump(mode="json", by_alias=True, exclude_unset=True)


def split_spec(spec: str) -> tuple[Path | None, str]:
    """Return the plugin file and the name of a candidate, as in "mine.py:my-loss"; None or "" for what is left out."""
    file, found, name = spec.partition(f"{ENDING}:")
    if found:
        return Path(file + ENDING), name
    return (Path(spec), "") if spec.endswith(ENDING) else (None, spec)


def find_candidate(registry: Registry, spec: str) -> Offered:
    """Return the offer that a spec names: FILE.py:NAME, FILE.py alone if it has one usable offer, or an installed NAME.

    A name may begin with its kind, as in "constraints/dragan", where several kinds have it. Raise GanbenchError, with
    what there is, for anything else.
    """
    file, name = split_spec(spec)
    offers = [offered for kind in registry.kinds for offered in registry.offers(kind)]
    if file is not None:
        offers = [offered for offered in offers if offered.origin and Path(offered.origin) == file.resolve()]
    kind, slash, own = name.partition("/")
    if slash and kind in registry.kinds:
        offers, name = [offered for offered in offers if offered.kind == kind], own
    found = [offered for offered in offers if name in ("", offered.offer.name)]
    if not found:
        raise unknown_name("component", name, {offered.offer.name for offered in offers}, str(file or ""))
    usable = [offered for offered in found if offered.kind in USABLE]
    if not usable:
        raise GanbenchError(explain_kind(found[0]))
    if len(usable) > 1:
        listed = ", ".join(f"{offered.kind}/{offered.offer.name}" for offered in usable)
        place = f"{file}:" if file else ""
        raise GanbenchError(f"{spec}: which of these? {listed}. Name one, as in {place}{listed.partition(',')[0]}.")
    return usable[0]


def explain_kind(offered: Offered) -> str:
    """Return why an offer of this kind cannot be tried, and what to do instead."""
    usable = ", ".join(KINDS[kind] for kind in USABLE)
    return (
        f"{offered}: `ganbench try` compares ways to train ({usable}) on data, networks and metrics that are fixed. "
        f"`ganbench check {offered.offer.name}` checks this {KINDS[offered.kind]}; a suite of your own uses it."
    )


def make_candidate(
    offered: Offered, base: str, options: Mapping[str, Any], weight: float | None, known: Sequence[str]
) -> Candidate:
    """Return the candidate of an offer in the method `base`, one of the `known`.

    Raise GanbenchError for settings that it cannot have.
    """
    name = offered.offer.name
    if offered.kind == "methods":
        if options or weight is not None:
            raise GanbenchError(f"{offered}: a method is used as it is. Leave out --option and --weight.")
        return Candidate(kind=offered.kind, name=name)
    if base not in known:
        raise unknown_name("method", base, known, "--from")
    if weight is not None and offered.kind not in ADDED:
        raise GanbenchError(f"--weight {weight:g}: only {' and '.join(ADDED)} have a weight, and {offered} has none.")
    return Candidate(kind=offered.kind, name=name, base=base, options=options, weight=weight)


def make_suite(
    reference: Reference, method: Mapping[str, Any], question: str, where: Path, *, checks: bool = False
) -> Suite:
    """Return the suite of a reference with one method in place of its own, as TOML that `ganbench run` takes.

    With `checks`, on the first few of its seeds, or of its architectures where there are many.
    """
    table = reference.suite.model_dump(mode="json", by_alias=True, exclude_unset=True)
    table = {key: value for key, value in table.items() if key not in ("methods", "method", "keep", "claim", "figure")}
    changes: dict[str, Any] = {"question": question}
    changes["success"] = [{key: value for key, value in rule.items() if key != "compare"} for rule in table["success"]]
    sample = reference.suite.architectures.sample
    if checks and sample > 1:
        changes["architectures"] = {**table["architectures"], "sample": min(sample, CHECKED_ARCHITECTURES)}
    elif checks:
        changes["seeds"] = list(reference.suite.seed_list)[:CHECKED_SEEDS]
    return parse(write_toml({**table, **changes, "method": [dict(method)]}), str(where))
