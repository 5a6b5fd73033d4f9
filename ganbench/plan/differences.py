"""The methods of a suite in words for a person: what each has in place of its recipe's settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganbench.api.offers import Method, Use
from ganbench.api.schedules import normalise_critic_steps, normalise_scalar
from ganbench.errors import GanbenchError
from ganbench.suite.methods import list_settings, write_value
from ganbench.suite.tables import DEFAULTS

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

Difference = tuple[str, str, str]
"""A setting, its value in the method, and its value in the recipe, "" if nothing stands there in its place."""


def describe_method(label: str, method: Method, start: str, base: Method | None, registry: Registry) -> str:
    """Return a line on a method: its name, and its differences to the method `start`, whose settings are `base`.

    A method that starts from nothing, where `base` is None, has all its settings in the line.
    """
    if base is None:
        return f"{label}: {', '.join(list_settings(method))}"
    name = label if label == start else f"{label} = {start}"
    whose = "recipe" if start in registry.names("methods") else "there"
    changes = [
        f"{setting} = {new} ({whose}: {old})" if old else f"{setting} = {new}"
        for setting, new, old in list_differences(method, base, registry)
    ]
    return f"{name} with {', '.join(changes)}" if changes else name


def list_differences(method: Method, base: Method, registry: Registry) -> Iterator[Difference]:
    """Yield the settings in which two methods differ, in the order of a recipe; defaults count as written."""
    yield from compare_uses("loss", "losses", method.loss, base.loss, registry)
    for key in ("constraints", "inputs"):
        yield from compare_terms(key, getattr(method, key), getattr(base, key), registry)
    dynamics = Use(DEFAULTS["dynamics"])
    yield from compare_uses("dynamics", "dynamics", method.dynamics or dynamics, base.dynamics or dynamics, registry)
    (critic, generator), (old_critic, old_generator) = list_optimizers(method), list_optimizers(base)
    if critic == generator and old_critic == old_generator:
        yield from compare_uses("optimizer", "optimizers", critic, old_critic, registry)
    else:
        yield from compare_uses("critic_optimizer", "optimizers", critic, old_critic, registry)
        yield from compare_uses("generator_optimizer", "optimizers", generator, old_generator, registry)
    steps, old_steps = normalise_critic_steps(method.critic_steps), normalise_critic_steps(base.critic_steps)
    yield from compare_values("critic_steps", steps, old_steps)
    for key in ("order", "critic_norm", "ema", "ema_start", "ema_rampup", "critic_ema", "plateau"):
        yield from compare_values(key, getattr(method, key), getattr(base, key))


def list_optimizers(method: Method) -> tuple[Use, Use]:
    """Return the optimizers that the critic and the generator train with."""
    both = method.optimizer or Use(DEFAULTS["optimizer"])
    return method.critic_optimizer or both, method.generator_optimizer or both


def compare_terms(key: str, new: Sequence[Use], old: Sequence[Use], registry: Registry) -> Iterator[Difference]:
    """Yield the differences of two lists of terms: term by term and what is added, or the lists as a whole."""
    if [use.name for use in new[: len(old)]] != [use.name for use in old]:
        yield key, write_value(new), write_value(old)
        return
    for term, old_term in zip(new, old, strict=False):
        weights = normalise_scalar(term.weight), normalise_scalar(old_term.weight)
        yield from compare_values(f"{term.name}.weight", *weights)
        yield from compare_values(f"{term.name}.every", term.every, old_term.every)
        yield from compare_values(f"{term.name}.where", term.where, old_term.where)
        yield from compare_uses(term.name, key, term, old_term, registry)
    if added := new[len(old) :]:
        yield f"add_{key}", write_value(added), ""


def compare_uses(key: str, kind: str, new: Use, old: Use, registry: Registry) -> Iterator[Difference]:
    """Yield the differences of two uses: option by option if they are of the same offer."""
    if new.name != old.name:
        yield key, write_value(new), write_value(old)
        return
    new, old = normalise(new, kind, registry), normalise(old, kind, registry)
    parameters = registry.get(kind, new.name).options.parameters
    for option in parameters:
        default = parameters[option].default
        yield from compare_values(f"{key}.{option}", new.options.get(option, default), old.options.get(option, default))


def compare_values(key: str, new: Any, old: Any) -> Iterator[Difference]:
    """Yield a setting, if its two values differ."""
    if new != old:
        yield key, write_setting(new), write_setting(old)


def write_setting(value: Any) -> str:
    """Return the value of a setting as a suite writes it; "none" if there is none."""
    return "none" if value is None else write_value(value)


def normalise(use: Use, kind: str, registry: Registry) -> Use:
    """Return a use with the options that differ from the defaults; unchanged if a recipe has what is not installed."""
    try:
        return replace(use, options=registry.options(kind, use.name, use.options))
    except GanbenchError:
        return use
