"""Which trials may train as one program, and the numbers in which the recipes of such a batch differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ganbench.api.trials import Part, Recipe, Trial
from ganbench.errors import GanbenchError, shorten

ScalarDefaults = Callable[[str, str], Mapping[str, Any]]
"""From the kind and the name of an offer to its options annotated Scalar, each with its default (None: it has none)."""

FREE = "a number of each member"
"""Stands for a number in which the members of a batch may differ."""


def list_parts(recipe: Recipe) -> Iterator[tuple[str, str, Part]]:
    """Yield each part of a recipe with its path there, such as "constraints.0", and its kind."""
    yield "loss", "losses", recipe.loss
    for kind in ("constraints", "inputs"):
        yield from ((f"{kind}.{i}", kind, part) for i, part in enumerate(getattr(recipe, kind)))
    yield "dynamics", "dynamics", recipe.dynamics
    yield "critic_optimizer", "optimizers", recipe.critic_optimizer
    yield "generator_optimizer", "optimizers", recipe.generator_optimizer


def is_scalar(value: Any) -> bool:
    """Return whether a value of an option, as plain data, is a number or a schedule."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or isinstance(value, Mapping) or value in ("inf", "-inf")


def shared_program(trial: Trial, scalar_defaults: ScalarDefaults) -> dict[str, Any]:
    """Return what the trials of one batch have in common, as plain data: equal for trials that train as one program.

    It is the trial's content without its seed, the options of its optimizers, the weights of its terms, and those of
    its options annotated Scalar that are numbers or schedules. An option that is left out has its default: where that
    is neither, as in `Scalar | None = None`, it stays, and such a trial trains apart from one that sets a number.
    `scalar_defaults` is `Registry.scalar_defaults`.
    """
    outlines = {path: outline_part(kind, part, scalar_defaults) for path, kind, part in list_parts(trial.recipe)}
    content = {name: value for name, value in trial.content.items() if name != "seed"}
    recipe = {name: value for name, value in trial.recipe.plain.items() if name not in ("constraints", "inputs")}
    return content | {"recipe": recipe | outlines}


def outline_part(kind: str, part: Part, scalar_defaults: ScalarDefaults) -> dict[str, Any]:
    """Return a part as plain data without the numbers in which members may differ."""
    outline: dict[str, Any] = {"name": part.name, "version": part.version, "every": part.every}
    if kind == "optimizers":
        return outline
    defaults = scalar_defaults(kind, part.name)
    options = {
        name: FREE if name in defaults and is_scalar(value) else value
        for name, value in {**defaults, **part.options}.items()
    }
    return {**outline, "options": options}


def require_shared_program(trials: Sequence[Trial], scalar_defaults: ScalarDefaults) -> None:
    """Raise GanbenchError unless these trials may train as one program; the message has the first difference."""
    first = shared_program(trials[0], scalar_defaults)
    for trial in trials[1:]:
        if difference := find_difference(first, shared_program(trial, scalar_defaults)):
            raise GanbenchError(
                f"the trials of seed {trials[0].seed} and of seed {trial.seed} cannot train in one batch: "
                f"{difference}. Only seeds, weights, options of optimizers and numbers that are Scalars may differ."
            )


def find_difference(first: Any, other: Any, path: str = "") -> str:
    """Return the first difference of two values of plain data in words; "" if they are equal."""
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        inner = (
            find_difference(first.get(name), other.get(name), f"{path}.{name}" if path else name)
            for name in dict.fromkeys([*first, *other])
        )
        return next(filter(None, inner), "")
    return "" if first == other else f"{path} is {shorten(first)} and {shorten(other)}"


def list_numbers(recipe: Recipe) -> dict[str, Any]:
    """Return the weights and the options of a recipe by path, such as "constraints.0.options.target"."""
    numbers: dict[str, Any] = {}
    for path, _, part in list_parts(recipe):
        numbers |= {f"{path}.options.{name}": value for name, value in part.options.items()}
        if part.weight is not None:
            numbers[f"{path}.weight"] = part.weight
    return numbers


def collect_varied(recipes: Sequence[Recipe]) -> dict[str, list[Any]]:
    """Return the numbers in which recipes that share a program differ: those of each recipe, in order, by path.

    None stands for a number that a recipe leaves at its default.
    """
    numbers = [list_numbers(recipe) for recipe in recipes]
    paths = dict.fromkeys(path for each in numbers for path in each)
    columns = {path: [each.get(path) for each in numbers] for path in paths}
    return {path: values for path, values in columns.items() if any(value != values[0] for value in values)}


def restore_company(trial: Trial, seeds: Sequence[int], varied: Mapping[str, Sequence[Any]]) -> tuple[Trial, ...]:
    """Return the trials that trained in one batch with this one, by their seeds and what `collect_varied` returned.

    Their labels are those of this one. Raise KeyError or IndexError for numbers that do not belong to the batch.
    """
    recipes = [
        change_numbers(trial.recipe, {path: values[i] for path, values in varied.items()}) if varied else trial.recipe
        for i in range(len(seeds))
    ]
    return tuple(replace(trial, seed=seed, recipe=recipe) for seed, recipe in zip(seeds, recipes, strict=True))


def change_numbers(recipe: Recipe, numbers: Mapping[str, Any]) -> Recipe:
    """Return a recipe with these numbers by path, as `collect_varied` has them; with None it has the default.

    Raise KeyError for a path that is not in the recipe.
    """
    parts = {path: part for path, _, part in list_parts(recipe)}
    for path, value in numbers.items():
        place, _, name = path.removesuffix(".weight").partition(".options.")
        part = parts[place]
        if name:
            options = {key: old for key, old in part.options.items() if key != name}
            parts[place] = replace(part, options=options if value is None else {**options, name: value})
        else:
            parts[place] = replace(part, weight=value)
    changed: dict[str, Any] = {path: part for path, part in parts.items() if "." not in path}
    for kind in ("constraints", "inputs"):
        changed[kind] = tuple(part for path, part in parts.items() if path.startswith(f"{kind}."))
    return replace(recipe, **changed)
