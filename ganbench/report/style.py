"""The common style of all figures: canvas, inks, and text that matplotlib shows unchanged.

Nothing here touches pyplot or the user's own settings, and the same drawing gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ganbench.escaping import escape_unprintable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT = "DejaVu Sans"  # ships with matplotlib, so text looks the same on every machine
INK, FAINT, PALE = "0.35", "0.6", "0.93"
LONGEST = 40
"""Characters of a third party's text that a figure shows, at most."""

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
"""Dots per inch: a figure of 6.4 inches is 896 pixels wide, as a README shows it."""


@contextmanager
def use_style() -> Iterator[None]:
    """Use our settings of matplotlib within the block, not the user's own."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def render_png(draw: Callable[[Figure], None], width: float = 6.4, height: float = 3.6) -> bytes:
    """Return, as PNG without time or version, what `draw` draws on an empty figure (width, height in inches)."""
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
    """Return a third party's text fit for matplotlib: no mathematics, no character without a glyph, no long line."""
    glyphs = known_glyphs()
    shown = "".join(c if ord(c) in glyphs else c.encode("unicode_escape").decode() for c in escape_unprintable(text))
    shown = shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"
    return shown.replace("$", r"\$")


@lru_cache(maxsize=1)
def known_glyphs() -> frozenset[int]:
    """Return the code points that the font has a glyph for."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())
