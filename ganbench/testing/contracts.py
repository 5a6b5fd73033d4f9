"""Every rule for every offer: what is generated from a registry, and nothing that does not apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ganbench.registry.registry import Offered, Registry
from ganbench.testing import (
    architectures,
    constraints,
    datasets,
    derivatives,
    dynamics,
    executors,
    losses,
    methods,
    metrics,
    optimizers,
    penalties,
    reports,
    transforms,
)
from ganbench.testing import (
    offers as offer_rules,
)
from ganbench.testing.rule import Contract, Rule, Subject

Cases = Callable[[Subject], Sequence[Any]]


class Rules(NamedTuple):
    """What goes for a kind: how an offer of it is looked at, and the rules."""

    cases: Cases
    rules: Sequence[Rule]


KINDS: Mapping[str, Rules] = {
    "losses": Rules(losses.cases, losses.RULES),
    "constraints": Rules(constraints.cases, (*constraints.RULES, *transforms.CONSTRAINT_RULES, *penalties.RULES)),
    "inputs": Rules(constraints.cases, (*constraints.RULES, *transforms.INPUT_RULES)),
    "dynamics": Rules(dynamics.cases, dynamics.RULES),
    "architectures": Rules(architectures.cases, (*architectures.RULES, *derivatives.RULES)),
    "datasets": Rules(datasets.cases, datasets.RULES),
    "metrics": Rules(metrics.cases, metrics.RULES),
    "optimizers": Rules(optimizers.cases, optimizers.RULES),
    "methods": Rules(methods.cases, methods.RULES),
    "executors": Rules(executors.cases, executors.RULES),
    "reports": Rules(reports.cases, reports.RULES),
}
"""The kinds that have contracts."""


def contracts(registry: Registry, offers: Iterable[Offered] | None = None) -> Iterator[Contract]:
    """Give the contracts of these offers (of all that are installed) with this registry."""
    chosen = [one for kind in registry.kinds for one in registry.offers(kind)] if offers is None else offers
    for offered in chosen:
        yield from offer_contracts(Subject(offered, registry))


def offer_contracts(subject: Subject) -> Iterator[Contract]:
    """Give the contracts of one offer; of one that does not build only those that say why."""
    for rule in offer_rules.RULES:
        yield Contract(subject, rule, subject)
    kind = KINDS.get(subject.offered.kind)
    for case in kind.cases(subject) if kind else ():
        if not is_built(case.subject):
            if case.subject.options:
                yield Contract(case.subject, offer_rules.builds, case.subject)
            continue
        for rule in kind.rules if kind else ():
            if applies(rule, case):
                yield Contract(case.subject, rule, case)


def is_built(subject: Subject) -> bool:
    """Say whether an offer builds at all; if not, one rule says so, and the others have nothing to look at."""
    try:
        subject.build()
    except Exception:
        return False
    return True


def applies(rule: Rule, case: Any) -> bool:
    """Say whether a rule goes for a case; no, where that cannot even be asked: the first rule of its kind tells why."""
    try:
        return bool(rule.when(case))
    except Exception:
        return False


def author_notes(offered: Offered) -> list[str]:
    """Give what is no mistake but worth a word to the author."""
    said = []
    if offered.kind == "losses" and not offered.offer.examples:
        said.append(
            "no example: nothing holds its values against the literature (Offer(..., examples=(Example(...),)))"
        )
    if offered.kind in ("losses", "constraints", "methods", "metrics") and not offered.offer.reference:
        said.append("no reference: tables cannot say where it comes from (Offer(..., reference=...))")
    return said
