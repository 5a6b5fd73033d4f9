"""What trials consist of, as tidy frames: a row per architecture, per method and per success rule.

A column holds one factor of an architecture or one option of a method. Nested values have a column each, under names
joined by dots (`generator.depth`). A list is JSON text. A cell is empty (NaN or None) where the value does not exist:
then an option has the default of its offer. All of it is read from a results folder: it is data of a third party.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, func, select

from ganbench.api.trials import canonical_json
from ganbench.errors import GanbenchError
from ganbench.results.schema import PLAN, RECORDS, RUNS, TRIALS

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 500
"""Factors of all architectures, or options of all methods, at most: many times as many as any plugin has."""

LONGEST_WORDS = 200
"""Characters of an architecture in words, at most."""

PLAYERS: Mapping[str, str] = {
    **dict.fromkeys(("generator", "gen", "g"), "G"),
    **dict.fromkeys(("critic", "discriminator", "disc", "d"), "D"),
}
"""The letter of a player, by the first word of a factor's name."""

PLAYER = re.compile(r"([A-Za-z]+)[._-](.+)", re.DOTALL)
UNNAMED = ("activation", "nonlinearity")
"""Factors whose value says enough: "tanh", not "tanh activation"."""

ARCHITECTURE = ("dataset", "architecture", "space", "words")
"""The columns of an architecture before its factors."""

RULE_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("dataset", "metric"), None),
    "at": "final",
    "sustained": 1,
    "thresholds": [],
    **dict.fromkeys(("primary", "condition"), None),
    "compare": [],
    "smallest_effect": None,
    "allow_trivial": False,
}
"""The keys of a [[success]] table, with their defaults."""

Row = dict[str, Any]
"""A row of a frame, by column."""


class Contents(NamedTuple):
    """What the trials of a results folder consist of; see the frames of `Frames` with these names."""

    architectures: pd.DataFrame
    methods: pd.DataFrame


def read_contents(connection: Connection, *, everything: bool) -> Contents:
    """Return the contents of the newest plan's trials; with `everything`, of all recorded trials too."""
    newest = select(func.max(RUNS.c.id)).scalar_subquery()
    planned = select(*PLAN.c["dataset", "architecture", "method"], TRIALS.c.content)
    planned = planned.join(TRIALS, TRIALS.c.id == PLAN.c.trial).where(PLAN.c.run == newest).order_by(PLAN.c.position)
    recorded = select(*RECORDS.c["dataset", "architecture", "method"], TRIALS.c.content)
    recorded = recorded.join(TRIALS, TRIALS.c.id == RECORDS.c.trial).order_by(TRIALS.c.id)
    rows = [*connection.execute(planned)]
    return make_contents([*rows, *connection.execute(recorded)] if everything or not rows else rows)


def make_contents(trials: Iterable[Sequence[Any]] = ()) -> Contents:
    """Return the contents of trials, each with its dataset, architecture and method by label, and its content as JSON.

    Contents that differ only in the seed are parsed once. Raises ValueError, TypeError or KeyError for what ganbench
    never writes.
    """
    architectures: dict[tuple[str, str], dict[str, Row]] = {}
    methods: dict[str, dict[str, Row]] = {}
    seen: set[tuple[str, ...]] = set()
    for *labels, text in trials:
        shared = (*map(check_text, labels), text.rpartition('"seed":')[0])
        if shared not in seen:
            seen.add(shared)
            content, (dataset, architecture, method) = json.loads(text), shared[:3]
            add_new(architectures, (dataset, architecture), content["architecture"], spread_architecture)
            add_new(methods, method, content["recipe"], spread_recipe)
    rows = [
        {"dataset": dataset, "architecture": architecture} | keep_shared([*found.values()])
        for (dataset, architecture), found in architectures.items()
    ]
    recipes = [{"method": method} | unite_recipes([*found.values()]) for method, found in methods.items()]
    return Contents(make_frame(rows, ARCHITECTURE), make_frame(recipes, ("method",)))


def take_contents(contents: Contents, trials: pd.DataFrame) -> Contents:
    """Return what these trials consist of, rows of `Frames.trials`."""
    architectures, methods = contents
    pairs = set(zip(trials["dataset"], trials["architecture"], strict=True))
    known = [pair in pairs for pair in zip(architectures["dataset"], architectures["architecture"], strict=True)]
    return Contents(
        architectures[known].reset_index(drop=True).dropna(axis=1, how="all"),
        methods[methods["method"].isin(set(trials["method"]))].reset_index(drop=True).dropna(axis=1, how="all"),
    )


def unite_contents(parts: Iterable[Contents]) -> Contents:
    """Return what the trials of several parts consist of; what several have is as in the first."""
    import pandas as pd

    architectures, methods = zip(*parts, strict=True)
    return Contents(
        pd.concat(architectures).drop_duplicates(["dataset", "architecture"], ignore_index=True),
        pd.concat(methods).drop_duplicates("method", ignore_index=True),
    )


def add_new(
    groups: dict[Any, dict[str, Row]],
    name: Any,
    part: Mapping[str, Any],
    spread_part: Callable[[Mapping[str, Any]], Row],
) -> None:
    """Add a part to those of its name, as a row, if it is not among them yet."""
    rows, text = groups.setdefault(name, {}), canonical_json(part)
    if text not in rows:
        rows[text] = spread_part(part)


def check_text(value: object) -> str:
    """Return a text; raise TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in the place of a name")
    return value


def spread(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield a value under its name: of a mapping every value, under names joined by dots, and a list as JSON text."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from spread(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(value) if isinstance(value, list) else value


def spread_architecture(part: Mapping[str, Any]) -> Row:
    """Return an architecture's space, its words, and its factors: those of its spec, then the options of its space."""
    spec, options = dict(spread(part["spec"], "")), dict(spread(part["options"], ""))
    space = check_text(part["name"])
    row: Row = {"space": space, "words": describe_architecture(space, spec or options)}
    factors = options | spec
    return row | {f"spec.{name}" if name in ARCHITECTURE else name: factors[name] for name in {**spec, **options}}


def spread_recipe(recipe: Mapping[str, Any]) -> Row:
    """Return the options of a recipe: a name for each offer, and its options; constraints and inputs as two tuples."""
    row: Row = {}
    if recipe.keys() == {"method"}:  # trained elsewhere: nothing else is known
        return {"constraints": (), "inputs": ()}
    for kind in ("loss", "constraints", "inputs", "dynamics", "critic_optimizer", "generator_optimizer"):
        parts = recipe[kind]
        if isinstance(parts, dict):
            row[kind] = check_text(parts["name"])
            row |= spread(parts["options"], kind)
            continue
        names = [check_text(part["name"]) for part in parts]
        counts = [names[: place + 1].count(name) for place, name in enumerate(names)]
        row[kind] = tuple(f"{name} {n}" if n > 1 else name for name, n in zip(names, counts, strict=True))
        for name, part in zip(row[kind], parts, strict=True):
            term = {"weight": part["weight"], "every": part["every"], **part["options"]}
            row |= spread({f"{name}.{option}": value for option, value in term.items() if value is not None}, "")
    return row | dict(spread({key: value for key, value in recipe.items() if key not in row}, ""))


def keep_shared(rows: Sequence[Row]) -> Row:
    """Return what is the same in all of these rows."""
    return {name: value for name, value in rows[0].items() if all(name in row and row[name] == value for row in rows)}


def unite_recipes(recipes: Sequence[Row]) -> Row:
    """Return the options that a method has on all its architectures.

    Its constraints may be for some architectures only (`where`), and are then named with that word.
    """
    row = dict.fromkeys(("loss", "constraints", "inputs")) | keep_shared(recipes)
    for kind in ("constraints", "inputs"):
        phrases, names = [], dict.fromkeys(name for recipe in recipes for name in recipe[kind])
        if len(names) > MOST_COLUMNS:
            raise ValueError(f"{len(names)} {kind} of a method, more than {MOST_COLUMNS}")
        for name in names:
            fitting = [recipe for recipe in recipes if name in recipe[kind]]
            phrases.append(name + " (on some architectures)" * (len(fitting) < len(recipes)))
            row |= {key: value for key, value in keep_shared(fitting).items() if key.startswith(f"{name}.")}
        row[kind] = ", ".join(phrases)
    return row


def describe_architecture(space: str, factors: Mapping[str, Any]) -> str:
    """Return an architecture in words, as in "G 4x64 tanh, D 2x128 relu normalised"; of no factors, its space.

    A factor belongs to the player that its name begins with, if any. Factors that are false are left out.
    """
    players: dict[str, Row] = {"G": {}, "D": {}, "": {}}
    for name, value in factors.items():
        match = PLAYER.fullmatch(name)
        player = PLAYERS.get(match[1].lower(), "") if match else ""
        players[player][match[2] if match and player else name] = value
    phrases = [" ".join((player, *describe_factors(own))) for player, own in players.items() if own and player]
    text = ", ".join((*phrases, *describe_factors(players[""]))) or space
    return text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]}..."


def describe_factors(factors: Mapping[str, Any]) -> Iterator[str]:
    """Yield the factors of a network in words: depth times width first, then "tanh", "batch norm" or "kernel 3"."""
    rest = dict(factors)
    if all(isinstance(rest.get(name), int | float) for name in ("depth", "width")):
        yield f"{rest.pop('depth'):g}x{rest.pop('width'):g}"
    for name, value in rest.items():
        word = re.sub(r"[._-]", " ", name)
        if value is True:
            yield word
        elif isinstance(value, str) and value not in ("", "none"):
            yield value if name in UNNAMED else f"{word} {value}" if value.startswith("[") else f"{value} {word}"
        elif isinstance(value, int | float) and value is not False:
            yield f"{word} {value:g}"


def make_rules(suite: str) -> pd.DataFrame:
    """Return the success rules that a stored suite declares, a row for each, defaults filled in.

    Raises GanbenchError for a text that is no suite.
    """
    loads: Callable[[str], Any] = json.loads if suite.startswith("{") else tomllib.loads
    try:
        tables = loads(suite).get("success", []) if suite else []
        rows = [fill_rule(table) for table in tables]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise GanbenchError(f"the stored suite: its success rules cannot be read ({type(error).__name__}).") from error
    return make_frame(rows, tuple(RULE_DEFAULTS))


def fill_rule(table: Mapping[str, Any]) -> Row:
    """Return a [[success]] table with its defaults; a single threshold is the primary one."""
    thresholds = table.get("thresholds", [])
    primary = {"primary": thresholds[0]} if len(thresholds) == 1 else {}
    return dict(spread({**RULE_DEFAULTS, **primary, **table}, ""))


def make_frame(rows: Sequence[Row], first: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with a column for every name in any of them, those in `first` first.

    Whole numbers with gaps become floats, and values of different types become texts. Raises ValueError for more
    columns than `MOST_COLUMNS`.
    """
    import pandas as pd

    names = dict.fromkeys((*first, *(name for row in rows for name in row)))
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"{len(names)} factors or options, more than {MOST_COLUMNS}")
    return pd.DataFrame({name: make_column([row.get(name) for row in rows]) for name in names}, columns=list(names))


def make_column(values: Sequence[Any]) -> pd.Series[Any]:
    """Return values of one type as a column; values of several types, and integers beyond 64 bits, as texts."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    fits = kinds <= {int, float} or (len(kinds) == 1 and kinds <= {bool, str})
    if not fits or any(type(value) is int and not -(2**63) <= value < 2**63 for value in values):
        return pd.Series([None if value is None else str(value) for value in values])
    return pd.Series(values, dtype=None if kinds else object)
