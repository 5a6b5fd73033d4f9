"""The configurations of a suite's methods: each a setting of what the method varies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from ganbench.api.offers import Method
from ganbench.suite.methods import PLAYERS, MethodTable, write_value
from ganbench.suite.tuning import Law, TuningTable, draw_share, parse_values
from ganbench.suite.validation import Complaint, Complaints

FRUITLESS_DRAWS = 1_000
"""The laws count as exhausted after so many draws in a row without a new configuration."""

LONGEST_LABEL = 100
TERMS = ("constraints", "inputs")
PARTS = ("loss", "dynamics", "optimizer", *PLAYERS)


@dataclass(frozen=True)
class Configuration:
    """One configuration of a method: its label in tables, its number from 0, and the value of each varied option."""

    label: str
    method: str
    number: int
    settings: Mapping[str, Any]


def list_configurations(table: MethodTable, tuning: TuningTable | None) -> list[Configuration]:
    """Return the configurations of a method in order; raise Complaints if there are fewer than were asked for."""
    settings = list_settings_of(table, tuning)
    return [Configuration(write_label(table.name, each, i), table.name, i, each) for i, each in enumerate(settings)]


def list_settings_of(table: MethodTable, tuning: TuningTable | None) -> list[dict[str, Any]]:
    """Return the settings of each configuration: the grid of the lists, or as many draws as are asked for.

    With both, the k-th configuration takes the k-th cell of the grid, which begins again at its end, and new draws.
    """
    varied = {option: parse_values(values) for option, values in (table.vary or {}).items()}
    lists = {option: values for option, values in varied.items() if not isinstance(values, Law)}
    laws = {option: law for option, law in varied.items() if isinstance(law, Law)}
    cells = [dict(zip(lists, cell, strict=True)) for cell in product(*lists.values())]
    count = tuning.configurations if tuning is not None else None
    if not laws:
        if count not in (None, len(cells)):
            reason = f"the lists of this method form a grid of {len(cells)}, and [tuning] has configurations = {count}."
            way_out = "Write lists of another length, draw from a law such as { choice = [...] }, or leave it out."
            raise Complaints([Complaint(("vary",), table.vary, f"{reason} {way_out}")])
        return cells
    if count is None or tuning is None:
        option, law = next((option, (table.vary or {})[option]) for option in laws)
        reason = "a law without a number of draws. Add [tuning] with configurations, as in configurations = 16."
        raise Complaints([Complaint(("vary", option), law, reason)])
    found: list[dict[str, Any]] = []
    draw = fruitless = 0
    while len(found) < count:
        values = {option: law.quantile(draw_share(tuning.seed, option, draw)) for option, law in laws.items()}
        settings = {option: (cells[len(found) % len(cells)] | values)[option] for option in varied}
        draw, is_new = draw + 1, settings not in found
        fruitless = 0 if is_new else fruitless + 1
        if is_new:
            found.append(settings)
        elif fruitless > FRUITLESS_DRAWS:
            reason = f"there are only {len(found)} different ones, and [tuning] has configurations = {count}."
            raise Complaints([Complaint(("vary",), table.vary, f"{reason} Ask for fewer, or vary more.")])
    return found


def write_label(method: str, settings: Mapping[str, Any], number: int) -> str:
    """Return the name of a configuration, as in "wgan-gp lr=0.001 weight=10"; one that is too long has its number."""
    names = shorten_options(settings)
    words = [f"{names[option]}={write_plain(value)}" for option, value in settings.items()]
    label = " ".join((method, *words))
    return label if len(label) <= LONGEST_LABEL and label.isprintable() else f"{method[:80]} configuration {number + 1}"


def write_plain(value: Any) -> str:
    """Return a value as a suite writes it, a text without quotes, and a number as short as it can be."""
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return value if isinstance(value, str) else write_value(value)


def shorten_options(options: Iterable[str]) -> dict[str, str]:
    """Return a short name for each option: its last word, if no other option has it, else the whole of it."""
    options = list(options)
    counts = Counter(option.rpartition(".")[2] for option in options)
    return {option: last if counts[last := option.rpartition(".")[2]] == 1 else option for option in options}


def change_method(method: Method, table: MethodTable, settings: Mapping[str, Any]) -> Method:
    """Return a method with these settings of what its table varies.

    Raise Complaints, or pydantic's ValidationError, for an option that cannot be set in this way.
    """
    changes: dict[str, Any] = {}
    for option, value in settings.items():
        place_change(changes, method, option, value, table)
    for key in TERMS:
        if key in changes:
            changes[key] = [{"name": use.name} | changes[key].get(use.name, {}) for use in getattr(method, key)]
    return MethodTable.model_validate({"name": table.name, **changes}).apply(method)


def place_change(changes: dict[str, Any], method: Method, option: str, value: Any, table: MethodTable) -> None:
    """Add the setting of an option to the changes of a method's table; raise Complaints for one that it lacks."""
    key, _, rest = option.partition(".")
    if key in PARTS:
        changes.setdefault(key, {})[rest or "name"] = value
        return
    if key not in TERMS:
        changes[option] = value
        return
    names = [use.name for use in getattr(method, key)]
    name = next((each for each in names if rest.startswith(f"{each}.")), "")
    if names.count(name) != 1:
        known = ", ".join(f"{key}.{each}.weight" for each in dict.fromkeys(names)) or f"the method has no {key}"
        reason = "it appears twice in this method." if name else f"no such option. Write one as in {known}."
        raise Complaints([Complaint(("vary", option), (table.vary or {}).get(option), reason)])
    changes.setdefault(key, {}).setdefault(name, {})[rest.removeprefix(f"{name}.")] = value


def find_unequal(counts: Mapping[str, int], varies: bool, tuning: TuningTable | None) -> Iterator[Complaint]:
    """Yield a complaint if methods have different numbers of configurations, `counts`, and the suite does not say why.

    `varies` is whether any method varies something.
    """
    if not varies or len(set(counts.values())) <= 1 or (tuning is not None and tuning.unequal):
        return
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    reason = (
        f"methods have different numbers of configurations ({listed}), and more tries make a better best. "
        'Give each the same number, or say why not: [tuning] with unequal = "...".'
    )
    yield Complaint(("tuning", "unequal"), None, reason)
