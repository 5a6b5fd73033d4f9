"""The contracts of a registry: every rule that applies to an offer, for every offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ganbench.errors import NotInstalled
from ganbench.registry.registry import Offered, Registry
from ganbench.testing import (
    architecture_case,
    architectures,
    constraints,
    datasets,
    derivatives,
    dynamics,
    executors,
    extractors,
    first_step,
    labels,
    loss_case,
    losses,
    member_numbers,
    methods,
    metrics,
    optimizers,
    penalties,
    reports,
    stages,
    transforms,
    watchers,
)
from ganbench.testing import (
    offers as offer_rules,
)
from ganbench.testing.given_options import NONE_GIVEN, GivenOptions, find_missing
from ganbench.testing.rule import Contract, Rule, Subject, is_stackable

Cases = Callable[[Subject], Sequence[Any]]


class Rules(NamedTuple):
    """The rules of one kind of offer, and the function that makes the cases they check."""

    cases: Cases
    rules: Sequence[Rule]


KINDS: Mapping[str, Rules] = {
    "losses": Rules(loss_case.cases, (*losses.RULES, *first_step.LOSS_RULES, *member_numbers.LOSS_RULES)),
    "constraints": Rules(
        constraints.cases,
        (
            *constraints.RULES,
            *labels.TERM_RULES,
            *first_step.TERM_RULES,
            *member_numbers.TERM_RULES,
            *transforms.CONSTRAINT_RULES,
            *penalties.RULES,
        ),
    ),
    "inputs": Rules(
        constraints.cases,
        (
            *constraints.RULES,
            *labels.TERM_RULES,
            *first_step.TERM_RULES,
            *member_numbers.TERM_RULES,
            *transforms.INPUT_RULES,
        ),
    ),
    "dynamics": Rules(dynamics.cases, (*dynamics.RULES, *member_numbers.DYNAMICS_RULES)),
    "architectures": Rules(
        architecture_case.cases,
        (*architectures.RULES, *stages.RULES, *first_step.ARCHITECTURE_RULES, *derivatives.RULES),
    ),
    "datasets": Rules(datasets.cases, (*datasets.RULES, *labels.DATASET_RULES)),
    "metrics": Rules(metrics.cases, metrics.RULES),
    "extractors": Rules(extractors.cases, extractors.RULES),
    "optimizers": Rules(optimizers.cases, optimizers.RULES),
    "methods": Rules(methods.cases, methods.RULES),
    "executors": Rules(executors.cases, executors.RULES),
    "reports": Rules(reports.cases, reports.RULES),
    "watch": Rules(watchers.cases, watchers.RULES),
}
"""The rules of each kind of offer."""


def contracts(
    registry: Registry, offers: Iterable[Offered] | None = None, given: GivenOptions = NONE_GIVEN
) -> Iterator[Contract]:
    """Yield the contracts of these offers (default: of every offer in the registry), with the options given to them.

    An offer that cannot be built here has no contracts: one with an option that has no default and is not given, and
    one whose library or files are not on this machine.
    """
    everything = (offered for kind in registry.kinds for offered in registry.offers(kind))
    for offered in everything if offers is None else offers:
        options = dict(given.get((offered.kind, offered.offer.name), {}))
        subject = Subject(offered, registry, options)
        if not find_missing(offered, options) and not find_lack(subject):
            yield from offer_contracts(subject)


def find_lack(subject: Subject) -> str:
    """Return the sentence on a library or a file that an offer needs and that is not installed, "" if it lacks none."""
    try:
        subject.build()
    except Exception as error:
        return str(error.__cause__) if isinstance(error.__cause__, NotInstalled) else ""
    return ""


def offer_contracts(subject: Subject) -> Iterator[Contract]:
    """Yield the contracts of one offer; if it does not build, only those that explain why."""
    for rule in offer_rules.RULES:
        yield Contract(subject, rule, subject)
    kind = KINDS.get(subject.offered.kind)
    for case in kind.cases(subject) if kind else ():
        if not is_built(case.subject):
            if case.subject.options != subject.options:
                yield Contract(case.subject, offer_rules.builds, case.subject)
            continue
        for rule in kind.rules if kind else ():
            if applies(rule, case):
                yield Contract(case.subject, rule, case)


def find_breaches(subject: Subject, **known: Any) -> list[str]:
    """Return the messages of the rules that training relies on and that an offer breaks, with the subject's options.

    `known` are attributes of the case that a run knows, such as an architecture's `ask` and `specs`. Where seeds cannot
    be mapped, the message names the way out for offers that are right in a loop.
    """
    kind = KINDS[subject.offered.kind]
    case = kind.cases(subject)[0]
    case.__dict__.update(known)
    messages: dict[str, str] = {}
    for contract in (Contract(subject, offer_rules.builds, subject), *(Contract(subject, r, case) for r in kind.rules)):
        if message := contract.find_breach():
            only_mapped = is_stackable in (contract.rule.when, contract.rule.vital) and is_stackable(case)
            way_out = " Or declare stackable=False in its Offer." if only_mapped and "stackable=" not in message else ""
            messages.setdefault(message, message + way_out)
    return list(messages.values())


def is_built(subject: Subject) -> bool:
    """Return whether an offer builds; if not, only the rule `builds` reports it: the others have nothing to check."""
    try:
        subject.build()
    except Exception:
        return False
    return True


def applies(rule: Rule, case: Any) -> bool:
    """Return whether a rule applies to a case; False if its condition raises: the kind's first rule reports why."""
    try:
        return bool(rule.when(case))
    except KeyboardInterrupt:
        raise
    except BaseException:  # it may end the program, too
        return False


def author_notes(offered: Offered) -> list[str]:
    """Return notes for the author on what is not a mistake but could be better."""
    notes = []
    if offered.kind == "losses" and not offered.offer.examples:
        notes.append(
            "no example: nothing compares its values with the literature. Add Offer(..., examples=(Example(...),))"
        )
    if offered.kind in ("losses", "constraints", "methods", "metrics") and not offered.offer.reference:
        notes.append("no reference: tables cannot name its source. Add Offer(..., reference=...)")
    return notes
