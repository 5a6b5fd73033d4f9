"""The common style of all figures: canvas, inks, formats, and text that matplotlib shows unchanged.

Nothing here touches pyplot or the user's own settings, and the same drawing gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ganbench.escaping import escape_unprintable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color), without its yellow."""

DASHES = ("-", "--", ":", "-.")
"""Styles of the lines, one after the other, each once the colours are used up."""

FONT = "DejaVu Sans"  # ships with matplotlib, so text looks the same on every machine
INK, FAINT, PALE = "0.35", "0.6", "0.93"
LONGEST = 40
"""Characters of a third party's text that a figure shows, at most."""

STYLE: Any = {
    "font.family": [FONT],
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,  # the font itself is embedded, so text can be searched and copied
    "svg.fonttype": "none",  # text as text
    "svg.hashsalt": "ganbench",
}
DPI = 140
"""Dots per inch: a figure of 6.4 inches is 896 pixels wide, as a README shows it."""

FORMATS: Mapping[str, Mapping[str, None]] = MappingProxyType(
    {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
)
"""The formats of figures, and the metadata of each that would tell time and version."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How large a figure is: its width in inches; the sizes of its text and of its title in points; dots per inch."""

    width: float = 6.4
    font: float = 9
    title: float = 10
    dpi: float = DPI

    @property
    def small(self) -> float:
        """The size of the text at lines and marks, in points."""
        return self.font - 2 if self.font > 8 else self.font - 1

    def wrap(self, text: str, share: float = 0.98, size: float = 0.0) -> str:
        """Return text, already fit for matplotlib, in lines that fit into this share of the figure's width."""
        return "\n".join(break_lines(text, share * self.width * 72 / (size or self.font)))


SCREEN, PAPER = Look(), Look(width=3.25, font=8, title=8, dpi=300)
LOOKS: Mapping[str, Look] = MappingProxyType({"screen": SCREEN, "paper": PAPER})
"""The styles of figures by name: for a screen, and for one column of a paper."""


@contextmanager
def use_style(look: Look = SCREEN) -> Iterator[None]:
    """Use our settings of matplotlib within the block, not the user's own."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, "font.size": look.font, "axes.titlesize": look.title})
        yield


def render(draw: Callable[[Figure], None], format: str, look: Look = SCREEN, height: float = 3.6) -> bytes:
    """Return what `draw` draws on an empty figure, `height` inches high, in one of FORMATS, without time or version."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with use_style(look):
        figure = Figure(figsize=(look.width, height), dpi=look.dpi, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        content = io.BytesIO()
        figure.savefig(content, format=format, metadata=dict(FORMATS[format]))
    return add_fallbacks(content.getvalue()) if format == "svg" else content.getvalue()


def add_fallbacks(svg: bytes) -> bytes:
    """Return an SVG whose text is shown in fonts of like width where a machine lacks ours; text itself stays."""
    return re.sub(rb"(<text style=\"[^\"<>]*font-family: '%b')" % FONT.encode(), rb"\1, Verdana, sans-serif", svg)


def render_png(draw: Callable[[Figure], None], width: float = 6.4, height: float = 3.6) -> bytes:
    """Return, as PNG, what `draw` draws on an empty figure (width, height in inches)."""
    return render(draw, "png", Look(width=width), height)


def fit_text(text: str, longest: int = LONGEST) -> str:
    """Return a third party's text fit for matplotlib: no mathematics, no character without a glyph, no long line."""
    glyphs = known_glyphs()
    shown = "".join(c if ord(c) in glyphs else c.encode("unicode_escape").decode() for c in escape_unprintable(text))
    shown = shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"
    return shown.replace("$", r"\$")


def break_lines(text: str, width: float) -> Iterator[str]:
    """Yield the lines of a text, each at most `width` times as wide as its font is high; its own line ends stay.

    Lines break at spaces, not at those that hold words together, and within a word only if it is longer than a line.
    """
    for line in text.split("\n"):
        shown = ""
        for word in re.findall(r" *[^ ]+| +$", line):
            if shown.strip() and measure_text(shown + word) > width:
                yield shown
                shown, word = "", word.lstrip()
            for atom in re.findall(r"\\\$|.", word):
                if shown.strip() and measure_text(shown + atom) > width:
                    yield shown
                    shown = ""
                shown += atom
        yield shown


def measure_text(text: str) -> float:
    """Return how wide a line of text is, in units of its font's size."""
    return sum(map(measure_glyph, text.replace(r"\$", "$")))


@lru_cache
def measure_glyph(c: str) -> float:
    """Return how wide a character is, in units of its font's size."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=FONT)))
    font.set_size(100, 72)
    return float(font.load_char(ord(c)).linearHoriAdvance) / 65536 / 100


@lru_cache(maxsize=1)
def known_glyphs() -> frozenset[int]:
    """Return the code points that the font has a glyph for."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())
