"""A rule that offers keep, and the sentence for the author of one that does not."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ganbench.errors import GanbenchError
from ganbench.registry.registry import Offered, Registry

TOLERANCE = 1e-9
"""In float64, of values near one: the engine's two ways to train a seed agree to this (ENGINE, rule 2)."""

TORCH_SAYS = {
    "randomness": "it draws random numbers itself: declare them as `draws={...: Draw(...)}` and read `play.draws`",
    ".item()": "it takes a number out of a tensor (.item(), float(), `if` on a tensor): keep it one, use torch.where",
    "data-dependent control flow": "it decides by a tensor's value (`if`, `while`, Python's max): use torch.where",
    "dynamic shape": "the shape of what it computes hangs on values (a mask as index): use torch.where",
    "performance drop": "torch has no mapped form of an operation in it, so seeds would be trained one by one: "
    "write it otherwise, or declare stackable=False",
    "inplace arithmetic": "it changes a tensor in place that it was given: compute a new one",
    "Cannot access data pointer": "it leaves torch (NumPy, .data_ptr): keep to torch's functions",
    "numpy()": "it leaves torch (NumPy): keep to torch's functions",
    "does not require grad": "what it gives hangs on no parameter: something is detached on the way",
    "running_mean": "it updates running statistics: use track_running_stats=False",
    "derivative for": "it has no second derivative, which penalties need: write it in elementary functions",
}
"""Fragments of torch's messages, and what they mean to an author."""


class ContractError(AssertionError):
    """A rule that an offer breaks, told to its author: the value, where, the way out."""


def require(holds: bool, sentence: str) -> None:
    """Raise ContractError with this sentence unless the rule holds."""
    if not holds:
        raise ContractError(sentence)


def always(case: Any) -> bool:
    """Say that a rule goes for every offer of its kind."""
    return True


@dataclass(frozen=True)
class Rule:
    """A claim about every offer of a kind (`when` one applies), and the function of a case that checks it."""

    claim: str
    check: Callable[[Any], None]
    when: Callable[[Any], bool] = always

    def __call__(self, case: Any) -> None:
        """Check the rule; raise ContractError where it is broken."""
        self.check(case)


def rule(when: Callable[[Any], bool] = always) -> Callable[[Callable[[Any], None]], Rule]:
    """Make a rule of a function; the first line of its docstring is the claim."""

    def made(check: Callable[[Any], None]) -> Rule:
        claim = (check.__doc__ or check.__name__).strip().partition("\n")[0]
        return Rule(claim, check, when)

    return made


@dataclass(frozen=True)
class Subject:
    """An offer under test among everything that is installed, under these options."""

    offered: Offered
    registry: Registry = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def offer(self) -> Any:
        """The offer itself."""
        return self.offered.offer

    def build(self, **options: Any) -> Any:
        """Build it as the engine would, with its own options changed by these."""
        return self.registry.build(self.offered.kind, self.offer.name, {**self.options, **options})

    def variants(self) -> list[Subject]:
        """Give it under its defaults and under each set of options that its examples name."""
        sets = [self.options, *(dict(example.options) for example in self.offer.examples)]
        return [Subject(self.offered, self.registry, one) for i, one in enumerate(sets) if one not in sets[:i]]

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.offered}" + (f" ({given})" if given else "")


@dataclass(frozen=True)
class Contract:
    """One rule for one offer; `case` makes what the rule looks at."""

    subject: Subject
    rule: Rule
    case: Any = field(repr=False)

    def __str__(self) -> str:
        return f"{self.subject}: {self.rule.claim}"

    def hold(self) -> None:
        """Check it, with warnings as errors; raise ContractError in the author's words for whatever goes wrong."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", category=DeprecationWarning)  # of libraries: not the author's to mend
                self.rule(self.case)
        except ContractError as error:
            raise ContractError(f"{self.subject}: {error}") from error
        except Exception as error:
            said = describe_exception(error, self.subject.offered.origin).removeprefix(f"{self.subject.offered}: ")
            raise ContractError(f"{self.subject}: {said}") from error


def describe_exception(error: Exception, origin: str) -> str:
    """Give an exception as its author can use it: what it means, torch's own words, and the line of their file."""
    said = " ".join(str(error).split())
    if isinstance(error, GanbenchError):
        return said
    meaning = next((words for part, words in TORCH_SAYS.items() if part in said), "")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    place = f" (line {lines[-1]} of {origin})" if lines else ""
    kind = type(error).__name__
    return f"{meaning}{place} [{kind}: {said[:60]}...]" if meaning else f"it raised {kind}: {said[:300]}{place}"
