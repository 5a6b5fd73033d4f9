"""The colour and the line of each method: the same in every figure and on every page of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from ganbench.report.style import COLOURS, DASHES
from ganbench.statistics.outcome_table import stored_suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


class LineStyle(TypedDict):
    """The colour (#rrggbb) and the dashes of a line, as matplotlib names them."""

    color: str
    linestyle: str


def order_methods(frames: Frames) -> list[str]:
    """Return all methods in the suite's order, those without a trial too, then the others that have trials."""
    suite = stored_suite(frames)
    declared = suite.method_names if suite is not None else ()
    return list(dict.fromkeys([*declared, *frames.trials["method"]]))


def swept_styles(frames: Frames) -> dict[str, LineStyle]:
    """Return the colour and line of each declared method, however many configurations stand for it in other figures."""
    suite = stored_suite(frames)
    return list_styles(suite.declared_methods if suite is not None else ())


def method_colours(frames: Frames) -> dict[str, str]:
    """Return the colour of each method as #rrggbb, by its place in the suite; from the eighth on colours repeat."""
    return {method: style["color"] for method, style in method_styles(frames).items()}


def method_styles(frames: Frames) -> dict[str, LineStyle]:
    """Return the colour and line of each method; the line tells methods of the same colour apart."""
    return list_styles(order_methods(frames))


def list_styles(methods: Sequence[str]) -> dict[str, LineStyle]:
    """Return the colour and line of each of these methods, by its place among them."""
    return {
        method: {
            "color": COLOURS[place % len(COLOURS)],
            "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
        }
        for place, method in enumerate(methods)
    }
