"""Contract rules for methods, which are names and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ganbench.api import schedules
from ganbench.api.offers import Method, Use
from ganbench.errors import GanbenchError
from ganbench.testing.rule import Subject, require, rule


@dataclass(frozen=True)
class MethodCase:
    """A method under test."""

    subject: Subject

    @cached_property
    def method(self) -> Method:
        """The method that the offer builds."""
        built: Method = self.subject.build()
        return built

    def parts(self) -> Iterator[tuple[str, Use]]:
        """Yield each offer that the method names, with its kind."""
        method = self.method
        yield "losses", method.loss
        yield from (("constraints", use) for use in method.constraints)
        yield from (("inputs", use) for use in method.inputs)
        yield from (("dynamics", use) for use in (method.dynamics,) if use is not None)
        optimizers = (method.optimizer, method.critic_optimizer, method.generator_optimizer)
        yield from (("optimizers", use) for use in optimizers if use is not None)


def cases(subject: Subject) -> list[MethodCase]:
    """Return the one case of a method."""
    return [MethodCase(subject)]


@rule()
def names_what_is_installed(case: MethodCase) -> None:
    """Names only installed offers, with options that they have, and each of them builds."""
    require(isinstance(case.method, Method), f"build returns {case.method!r}. It must return a Method.")
    for kind, use in case.parts():
        require(isinstance(use, Use), f"{use!r} is not a Use: write Use({use!r}).")
        case.subject.registry.build(kind, use.name, use.options)


@rule()
def has_sensible_numbers(case: MethodCase) -> None:
    """Has valid critic steps, weights, lazy periods and averaging rate."""
    method = case.method
    steps = schedules.parse_critic_steps(method.critic_steps)
    has_critic = case.subject.registry.build("losses", method.loss.name, method.loss.options).head is not None
    require(has_critic or steps(0) == 0, "its loss has no critic: critic_steps must be 0.")
    require(0.0 <= method.ema < 1.0, f"ema = {method.ema}: the decay of averaged weights must be in [0, 1).")
    started = type(method.ema_start) is int and method.ema_start >= 0 and 0.0 <= method.ema_rampup < float("inf")
    require(started, "ema_start must be a number of generator steps, and ema_rampup a number of 0 or more.")
    require(0.0 <= method.critic_ema < 1.0, f"critic_ema = {method.critic_ema}: a decay must be in [0, 1).")
    idle = not (method.ema or method.critic_ema) and (method.ema_start or method.ema_rampup)
    require(not idle, "ema_start and ema_rampup do nothing without ema or critic_ema.")
    try:
        schedules.normalise_plateau(method.plateau or {})
    except GanbenchError as error:
        require(False, str(error))
    orders = ("critic-first", "generator-first")
    require(method.order in orders, f"order = {method.order!r}: use one of {orders}.")
    for use in (*method.constraints, *method.inputs):
        try:
            schedules.parse_scalar(use.weight)
        except GanbenchError as error:
            require(False, f"the weight of {use.name!r}: {error}")
        require(
            use.every is None or use.every >= 1, f"every = {use.every} of {use.name!r}: a period must be 1 or more."
        )


@rule()
def has_the_signal_of_its_plateau(case: MethodCase) -> None:
    """Has a loss with the signal that its plateau follows."""
    method = case.method
    if method.plateau is None:
        return
    plugin, _, leaf = {**schedules.PLATEAU, **method.plateau}["signal"].rpartition(".")
    if plugin == "objective":
        objective = case.subject.registry.build("losses", method.loss.name, method.loss.options)
        known = sorted(objective.init() if objective.init else ())
        shown = ", ".join(f"objective.{name}" for name in known) or "none"
        require(
            leaf in known,
            f"its plateau follows the signal objective.{leaf}, and its loss {method.loss.name!r} has {shown}.",
        )


RULES = (names_what_is_installed, has_sensible_numbers, has_the_signal_of_its_plateau)
