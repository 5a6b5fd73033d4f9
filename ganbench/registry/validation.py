"""What plugins hand over, checked where it enters: the fields of offers, and what their `build` returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, get_args

from ganbench.api.data import Extractor, Source
from ganbench.api.events import Watcher
from ganbench.api.metrics import Direction, Metric
from ganbench.api.models import Space
from ganbench.api.offers import Example, Method, Offer, Report
from ganbench.api.training import Constraint, Draw, Dynamics, Input, Objective
from ganbench.errors import GanbenchError, shorten
from ganbench.escaping import is_unicode

NEEDS = ("samples", "features", "networks", "moments", "logits")
SEEN = ("float", "bytes")
LONGEST_NAME = 100
LAWS = ("normal", "uniform", "sign", "onehot")

BUILT: Mapping[str, type] = {
    "losses": Objective,
    "constraints": Constraint,
    "inputs": Input,
    "dynamics": Dynamics,
    "architectures": Space,
    "datasets": Source,
    "metrics": Metric,
    "extractors": Extractor,
    "methods": Method,
    "reports": Report,
    "watch": Watcher,
}
"""What `build` returns, by the kind of the offer; optimizers and executors are functions."""

Check = tuple[Callable[[Any], bool], str]
"""Whether a value is allowed, and what is allowed, in words."""


def is_text(value: Any) -> bool:
    """Return whether a value is a string that can be stored: without halves of characters (lone surrogates)."""
    return isinstance(value, str) and is_unicode(value)


def is_name(value: Any) -> bool:
    """Return whether a value is a name: 1 to 100 printable characters, not only spaces."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= LONGEST_NAME


def is_whole(value: Any, least: int) -> bool:
    """Return whether a value is a whole number of at least `least`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_optional(value: Any) -> bool:
    """Return whether a value is a function or None."""
    return value is None or callable(value)


def is_named(value: Any) -> bool:
    """Return whether a value is a mapping of names."""
    return isinstance(value, Mapping) and all(map(is_name, value))


def is_interval(value: Any) -> bool:
    """Return whether a value is a pair of finite numbers, the lower one first."""
    low, high = value
    return math.isfinite(high - low) and low < high


def is_draws(value: Any) -> bool:
    """Return whether a value maps names to draws of known laws."""
    return isinstance(value, Mapping) and all(
        is_name(name) and isinstance(draw, Draw) and draw.law in LAWS for name, draw in value.items()
    )


TEXT: Check = is_text, "a text"
FUNCTION: Check = callable, "a function"
OPTIONAL: Check = is_optional, "a function or None"
SWITCH: Check = (lambda value: isinstance(value, bool)), "True or False"
VERSION: Check = (lambda value: type(value) is int), "a whole number"

FIELDS: Mapping[type, Mapping[str, Check]] = {
    Offer: {
        "build": FUNCTION,
        "summary": TEXT,
        "reference": TEXT,
        "formula": TEXT,
        "version": VERSION,
        "high_is_real": SWITCH,
        "stackable": SWITCH,
        "safe_range": (lambda value: isinstance(value, int | float), "a number"),
        "examples": (lambda value: all(isinstance(each, Example) for each in value), "a tuple of Examples"),
        "metrics": (lambda value: isinstance(value, tuple | list) and all(map(is_name, value)), "a tuple of names"),
        "caution": OPTIONAL,
        "proportional_to": TEXT,
    },
    Metric: {
        "measure": FUNCTION,
        "values": (is_named, "a dictionary of names, each with its direction"),
        "profiles": (is_named, "a dictionary of names, each with what its positions are"),
        "needs": (lambda value: value in NEEDS, f"one of {', '.join(map(repr, NEEDS))}"),
        "final": SWITCH,
        "least_samples": (lambda value: is_whole(value, 1), "a whole number, 1 or more"),
        "software": TEXT,
        "images": (lambda value: value is None or is_whole(value, 1), "a whole number, 1 or more, or None"),
        "prepare": OPTIONAL,
    },
    Source: {
        "shape": (
            lambda value: isinstance(value, tuple | list) and all(is_whole(size, 0) for size in value),
            "a tuple of whole numbers",
        ),
        "draw": OPTIONAL,
        "size": (lambda value: isinstance(value, Integral), "a whole number"),
        "take": OPTIONAL,
        "reference": FUNCTION,
        "classes": (lambda value: is_whole(value, 0), "a whole number, 0 or more"),
        "labels": OPTIONAL,
        "facts": (lambda value: isinstance(value, Mapping), "a dictionary"),
        "extractor": (lambda value: value is None or isinstance(value, Extractor), "an Extractor or None"),
        "digest": TEXT,
        "range": (is_interval, "two finite numbers, the lower one first"),
        "stream": SWITCH,
        "augment": OPTIONAL,
        "draws": (is_draws, f"a dictionary of Draws, whose laws are {', '.join(LAWS)}"),
    },
    Watcher: {"open": FUNCTION, "on_event": FUNCTION, "close": FUNCTION},
    Extractor: {
        "name": TEXT,
        "digest": TEXT,
        "extract": FUNCTION,
        "module": (
            lambda value: value is None or (callable(value) and callable(value.to)),
            "a torch.nn.Module or None",
        ),
        "sees": (lambda value: value in SEEN, f"one of {', '.join(map(repr, SEEN))}"),
        "channels": (lambda value: value is None or is_whole(value, 1), "a whole number, 1 or more, or None"),
        "chunk": (lambda value: is_whole(value, 1), "a whole number, 1 or more"),
    },
}
"""The fields that are checked, by the record that they belong to."""


def refuse_other_type(kind: str, built: Any) -> None:
    """Raise GanbenchError unless this is what `build` of an offer of this kind must return."""
    expected = BUILT.get(kind)
    if expected is None and not callable(built):
        raise GanbenchError(f"build returns {shorten(built)}. It must return a function.")
    if expected is not None and not isinstance(built, expected):
        article = "an" if expected.__name__[0] in "IOE" else "a"
        raise GanbenchError(f"build returns {shorten(built)}. It must return {article} {expected.__name__}.")
    refuse_wrong_fields(built)
    if isinstance(built, Source) and built.extractor is not None:
        refuse_wrong_fields(built.extractor, "extractor.")
    for name, direction in built.values.items() if isinstance(built, Metric) else ():
        if direction not in get_args(Direction):
            known = ", ".join(get_args(Direction))
            raise GanbenchError(f"the direction of {name!r} is {shorten(direction)}. Known: {known}.")
    if isinstance(built, Metric):
        refuse_wrong_names(built)


def refuse_wrong_names(metric: Metric) -> None:
    """Raise GanbenchError for a metric that measures nothing, or a value and a profile under one name."""
    if not metric.values and not metric.profiles:
        raise GanbenchError("`values` is {}, and `profiles` too: give a dictionary of names, each with its direction.")
    if both := sorted(metric.values.keys() & metric.profiles.keys()):
        raise GanbenchError(f"{both[0]!r} is a value and a profile. Give them different names.")


def refuse_wrong_fields(record: Any, prefix: str = "") -> None:
    """Raise GanbenchError for the first field of a record that holds what it must not; `prefix` opens its name."""
    for name, (is_allowed, allowed) in FIELDS.get(type(record), {}).items():
        value = getattr(record, name)
        try:
            sound = is_allowed(value)
        except Exception:  # of a third party's class
            sound = False
        if not sound:
            raise GanbenchError(f"`{prefix}{name}` is {shorten(value)}: it must be {allowed}.")
