"""The look of methods: the same colour, dash and symbol for a method in every chart and legend of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganbench.page.packing import show_text
from ganbench.report.style import COLOURS

if TYPE_CHECKING:
    import altair as alt

DASHES = ([1, 0], [7, 3], [2, 2], [7, 2, 2, 2])
SYMBOLS = ("circle", "square", "triangle-up", "diamond")
"""Dashes of lines and symbols of points, one after the other, each once the colours are used up."""

INK = COLOURS[-1]
"""The colour that the page replaces by that of its text: black, which a dark page would hide."""


class Palette:
    """The look of each method, by its place in the suite."""

    def __init__(self, methods: Mapping[str, int]) -> None:
        self.names = [show_text(name) for name in methods]
        count = range(len(self.names))
        self.colours = [COLOURS[place % len(COLOURS)] for place in count]
        self.dashes = [DASHES[place // len(COLOURS) % len(DASHES)] for place in count]
        self.symbols = [SYMBOLS[place // len(COLOURS) % len(SYMBOLS)] for place in count]

    def colour(self) -> alt.Color:
        """Return the encoding of a method by its colour, without a legend: the page has its own."""
        import altair as alt

        return alt.Color("method:N", legend=None, scale=alt.Scale(domain=self.names, range=self.colours))

    def dash(self) -> alt.StrokeDash:
        """Return the encoding of a method by its dash."""
        import altair as alt

        return alt.StrokeDash("method:N", legend=None, scale=alt.Scale(domain=self.names, range=list(self.dashes)))

    def symbol(self) -> alt.Shape:
        """Return the encoding of a method by its symbol."""
        import altair as alt

        return alt.Shape("method:N", legend=None, scale=alt.Scale(domain=self.names, range=self.symbols))

    def legend(self) -> list[dict[str, Any]]:
        """Return what the page's own legends show of each method."""
        looks = zip(self.names, self.colours, self.dashes, self.symbols, strict=True)
        return [
            {
                "name": name,
                "colour": "var(--ink)" if colour == INK else colour,
                "dash": " ".join(map(str, dash)) if dash[1] else "",
                "symbol": symbol,
            }
            for name, colour, dash, symbol in looks
        ]
