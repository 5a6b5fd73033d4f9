"""What every figure shares: a canvas of its own, colours, and text that matplotlib shows as it is.

Nothing here touches pyplot or the reader's own settings, and the same drawing gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ganbench.escaping import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers tell apart (jfly.uni-koeln.de/color), without its yellow."""

DASHES = ("-", "--", ":", "-.")
"""How a line is drawn once the colours are used up."""

FONT = "DejaVu Sans"  # matplotlib brings it along, so that text looks alike everywhere
INK, FAINT, PALE = "0.35", "0.6", "0.93"
LONGEST = 40
"""Characters of a stranger's text that a figure shows."""

STYLE: Any = {
    "font.family": [FONT],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "axes.unicode_minus": True,
}
DPI = 140
"""At 6.4 inches a figure is 896 pixels wide, as a README shows it."""


@contextmanager
def use_style() -> Iterator[None]:
    """Draw by our settings, whatever the reader's are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def render_png(draw: Callable[[Figure], None], width: float = 6.4, height: float = 3.6) -> bytes:
    """Give what `draw` draws on an empty figure of so many inches, as PNG without the time or any version in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with use_style():
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def fit_text(text: str, longest: int = LONGEST) -> str:
    """Give a stranger's text as matplotlib shows it: no mathematics, no character without a glyph, no endless line."""
    known = known_glyphs()
    shown = "".join(c if ord(c) in known else c.encode("unicode_escape").decode() for c in visible(text))
    shown = shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"
    return shown.replace("$", r"\$")


@lru_cache(maxsize=1)
def known_glyphs() -> frozenset[int]:
    """Give the code points that the font has a glyph for."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def line_style(place: int) -> dict[str, Any]:
    """Give the colour and the dashes of the method at this place."""
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place // len(COLOURS) % len(DASHES)]}
