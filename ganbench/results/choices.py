"""The fact `tuning` of a run: which configurations were chosen, and which methods report them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

FACT = "tuning"


class HasFacts(Protocol):
    """A run: its facts by name."""

    @property
    def facts(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Choice:
    """The configuration of a method that was chosen on a dataset, by their labels."""

    dataset: str
    method: str
    configuration: str


def make_fact(choices: Iterable[Choice], reported: Iterable[str]) -> dict[str, Any]:
    """Return the fact `tuning` of a run; `reported` are the labels of the methods that its tables compare."""
    return {"choices": [asdict(choice) for choice in choices], "reported": list(reported)}


def read_fact(runs: Sequence[HasFacts]) -> Mapping[str, Any]:
    """Return the fact `tuning` of the newest run, empty if it has none; raise TypeError if it is no mapping."""
    fact = runs[-1].facts.get(FACT, {}) if runs else {}
    if not isinstance(fact, dict):
        raise TypeError(f"the fact {FACT!r} is not a mapping")
    return fact


def read_choices(runs: Sequence[HasFacts]) -> tuple[Choice, ...]:
    """Return the choices of the newest run; raise TypeError for what is none."""
    choices = tuple(Choice(**each) for each in read_fact(runs).get("choices", ()))
    if any(not isinstance(text, str) for choice in choices for text in asdict(choice).values()):
        raise TypeError("a choice is not made of labels")
    return choices


def read_reported(runs: Sequence[HasFacts]) -> frozenset[str]:
    """Return the labels of the methods that report chosen configurations; none where nothing was tuned."""
    read_choices(runs)
    return frozenset(read_fact(runs).get("reported", ()))
