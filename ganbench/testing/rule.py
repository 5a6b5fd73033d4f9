"""The rules that offers must follow, and the messages to the authors of offers that break one."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganbench.errors import GanbenchError, describe
from ganbench.registry.exits import describe_fault
from ganbench.registry.registry import Offered, Registry
from ganbench.testing.given_options import find_missing

TOLERANCE = 1e-9
"""In float64, for values near one: seeds trained together and seeds trained alone agree to this."""

TORCH_MESSAGES = {
    "randomness": "it draws random numbers itself: declare them as `draws={...: Draw(...)}` and read `play.draws`",
    ".item()": "it takes a number out of a tensor (.item(), float(), `if` on a tensor): keep the tensor, and use "
    "torch.where",
    "data-dependent control flow": "it decides by a tensor's value (`if`, `while`, Python's max): use torch.where",
    "dynamic shape": "the shape of its result depends on values (a mask as index): use torch.where",
    "performance drop": "torch cannot map one of its operations over seeds, so seeds would be trained one by one: "
    "use another operation, or declare stackable=False",
    "Batching rule not implemented": "torch cannot map one of its operations over seeds, as in its own spectral_norm, "
    "which writes into a buffer: use a constraint of the method for it, or declare stackable=False",
    "inplace arithmetic": "it changes an input tensor in place: compute a new one",
    "Cannot access data pointer": "it leaves torch (NumPy, .data_ptr): use torch's functions only",
    "numpy()": "it leaves torch (NumPy): use torch's functions only",
    "does not require grad": "its result depends on no parameter: a tensor is detached on the way",
    "running_mean": "it updates running statistics: use track_running_stats=False",
    "derivative for": "it has no second derivative, which penalties need: write it with elementary functions",
}
"""Fragments of torch's error messages, and what they mean for a plugin author."""


class ContractError(AssertionError):
    """A broken rule, in a message to the offer's author: the value, the place, the way out."""


def require(holds: bool, message: str) -> None:
    """Raise ContractError with this message unless the rule holds."""
    if not holds:
        raise ContractError(message)


def always(case: Any) -> bool:
    """Return True: the condition of a rule that applies to every offer of its kind."""
    return True


def never(case: Any) -> bool:
    """Return False: the condition of a rule that no run asks."""
    return False


def is_stackable(case: Any) -> bool:
    """Return whether the seeds of the offer under test are trained together."""
    return bool(case.subject.offer.stackable)


@dataclass(frozen=True)
class Rule:
    """A claim about the offers of a kind, and the function that checks it on a case; `when` limits it to some cases.

    `vital` limits it to the cases of which a run asks it before training: those where the engine relies on it. Such a
    rule takes milliseconds.
    """

    claim: str
    check: Callable[[Any], None]
    when: Callable[[Any], bool] = always
    vital: Callable[[Any], bool] = never

    def __call__(self, case: Any) -> None:
        """Check the rule on a case; raise ContractError if it is broken."""
        self.check(case)


def rule(
    when: Callable[[Any], bool] = always, *, vital: Callable[[Any], bool] = never
) -> Callable[[Callable[[Any], None]], Rule]:
    """Return a decorator that turns a function into a rule; the first line of its docstring is the claim."""

    def decorate(check: Callable[[Any], None]) -> Rule:
        claim = (check.__doc__ or check.__name__).strip().partition("\n")[0]
        return Rule(claim, check, when, vital)

    return decorate


@dataclass(frozen=True)
class Subject:
    """An offer under test with its options, and the registry that it is built from.

    `circumstance` says in messages under what it is tested, where that is not as usual.
    """

    offered: Offered
    registry: Registry = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict)
    circumstance: str = ""

    @property
    def offer(self) -> Any:
        """The offer itself."""
        return self.offered.offer

    def build(self, **options: Any) -> Any:
        """Build the offer as the engine does; `options` override the subject's own."""
        return self.registry.build(self.offered.kind, self.offer.name, {**self.options, **options})

    def variants(self) -> list[Subject]:
        """Return the subject with its own options, and with each set of options that its examples use."""
        sets = [self.options, *(self.complete(example.options) for example in self.offer.examples)]
        return [
            Subject(self.offered, self.registry, options) for i, options in enumerate(sets) if options not in sets[:i]
        ]

    def complete(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return these options, with the subject's own values for those that have no default."""
        required = find_missing(self.offered, options)
        return {**{name: self.options[name] for name in required if name in self.options}, **options}

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        words = f"{self.offered}" + (f" ({options})" if options else "")
        return f"{words}, {self.circumstance}" if self.circumstance else words


@dataclass(frozen=True)
class Contract:
    """One rule for one offer; `case` is what the rule checks."""

    subject: Subject
    rule: Rule
    case: Any = field(repr=False)

    def __str__(self) -> str:
        return f"{self.subject}: {self.rule.claim}"

    def check(self) -> None:
        """Check the rule, with warnings as errors; raise ContractError with a message to the author on any failure."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings(
                    "ignore", category=DeprecationWarning
                )  # of libraries: the author cannot fix them
                self.rule(self.case)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ContractError(self.explain(error)) from error

    def find_breach(self) -> str:
        """Ask the rule before a run, if it is vital here: return the message to the author if it is broken, else "".

        A warning breaks no rule here, and neither does an exception without an explanation: what an offer raises only
        in a small game must not stop a run, and what it raises in training is the error of its trials. The same holds
        for what would end the program, such as SystemExit.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.rule.when(self.case) and self.rule.vital(self.case):
                    self.rule(self.case)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            explained = isinstance(error, ContractError | ImportError) or find_meaning(error)
            return self.explain(error) if explained else ""
        return ""

    def explain(self, error: BaseException) -> str:
        """Return why the rule is broken, as a message to the author that begins with the offer."""
        if isinstance(error, ContractError):
            return f"{self.subject}: {error}"
        message = describe_exception(error, self.subject.offered.origin).removeprefix(f"{self.subject.offered}: ")
        return f"{self.subject}: {message}"


def find_meaning(error: BaseException) -> str:
    """Return what an exception of torch means for a plugin author; "" for any other exception."""
    if isinstance(error, GanbenchError):
        return ""
    try:
        text = " ".join(str(error).split())
    except Exception:  # of a third party's class
        return ""
    return next((words for part, words in TORCH_MESSAGES.items() if part in text), "")


def describe_exception(error: BaseException, origin: str) -> str:
    """Return an exception as a message to the author: its meaning, torch's own words, and the line of their file."""
    if isinstance(error, GanbenchError):
        return " ".join(str(error).split())
    if not isinstance(error, Exception):
        return describe_fault(error)
    meaning = find_meaning(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    place = f" (line {lines[-1]} of {origin})" if lines else ""
    text = " ".join(describe(error).split())
    return f"{meaning}{place} [{text[:80]}...]" if meaning else f"it raised {text[:320]}{place}"
