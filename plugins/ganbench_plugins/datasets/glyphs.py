"""Letters and digits of the fonts that matplotlib ships, drawn by FreeType; labelled, at any number of pixels.

`python -m ganbench_plugins.datasets.glyphs [FILE]` makes the weights of their extractor again, in a minute or two: see
`small_classifier`.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Ge, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

from ganbench_plugins.datasets.labelled_images import Rows, hold_out, make_set
from ganbench_plugins.datasets.small_classifier import Recipe, make_extractor, make_weights, resize

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

SEED = 5_170_400_035
"""Seed of the sizes, turns and places; any constant would do."""

COPIES = 8
"""The images of each letter in each font."""

FINER = 4
"""A letter is drawn on so many times the pixels, and then averaged."""

FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
"""The text fonts in matplotlib's mpl-data/fonts/ttf; its other fonts hold symbols, or only some of the letters."""

ALL = string.ascii_uppercase + string.ascii_lowercase + string.digits
LETTERS = {"upper": string.ascii_uppercase, "lower": string.ascii_lowercase, "digits": string.digits, "all": ALL}

RECIPE = Recipe(
    name="glyphs-cnn",
    file=Path(__file__).with_name("glyphs_features.safetensors"),
    pixels=32,
    widths=(16, 32, 64, 64),
    classes=len(ALL),
    epochs=20,
    coarse=16,
)


@cache
def load_font(name: str, size: int) -> FreeTypeFont:
    """Return one of matplotlib's fonts; `size` is the height of its em square in pixels."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    file = Path(get_data_path(), "fonts", "ttf", f"{name}.ttf")
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


def draw_letter(letter: str, font: str, pixels: int, jitter: tuple[float, ...]) -> bytes:
    """Return a letter's pixels as bytes, row by row; `jitter` holds four numbers in [0, 1].

    They choose the em square's height, from .72 to .9 of the image, a turn of at most 8 degrees, and a place at most
    .06 of the image away from its centre.
    """
    from PIL import Image, ImageDraw

    size, turn, right, down = jitter
    side = FINER * pixels
    drawn = load_font(font, round(side * (0.72 + 0.18 * size)))
    picture, (x0, y0, x1, y1) = Image.new("L", (side, side)), drawn.getbbox(letter)
    x, y = ((side - low - high) / 2 for low, high in ((x0, x1), (y0, y1)))
    ImageDraw.Draw(picture).text((round(x), round(y)), letter, fill=255, font=drawn)
    move = (round(0.12 * side * (right - 0.5)), round(0.12 * side * (down - 0.5)))
    turned = picture.rotate(16 * (turn - 0.5), resample=Image.Resampling.BILINEAR, translate=move)
    return turned.reduce(FINER).tobytes()


@cache
def split(letters: str = "all", pixels: int = 32) -> tuple[Rows, Rows]:
    """Return the training rows, 126 a class, and the held-out rows, 42 a class: every fourth image is held out.

    Every font is on both sides. The classes alternate, so the first n rows of each side are balanced.
    """
    numbers = torch.rand(COPIES, len(FONTS), len(ALL), 4, generator=Generator().manual_seed(SEED))
    chosen = LETTERS[letters]
    places = [*product(range(COPIES), range(len(FONTS)), chosen)]
    drawn = [
        draw_letter(letter, FONTS[font], pixels, tuple(numbers[copy, font, ALL.index(letter)].tolist()))
        for copy, font, letter in places
    ]
    images = torch.frombuffer(bytearray(b"".join(drawn)), dtype=torch.uint8).view(-1, 1, pixels, pixels)
    labels = torch.tensor([chosen.index(letter) for _, _, letter in places])
    return hold_out(images.float().div(127.5).sub(1), labels, len(chosen), every=4)


def see(x: Tensor) -> Tensor:
    """Return images as the classifier sees them: resized to its 32 pixels."""
    return resize(x, RECIPE.pixels)


def glyphs(
    letters: Literal["upper", "lower", "digits", "all"] = "upper", pixels: Annotated[int, Ge(8), Le(128)] = 32
) -> Source:
    """Return the source of white letters on black, 1 x pixels x pixels in [-1, 1]; the reference is the held-out rows.

    Each of the letters is drawn eight times in each of 21 fonts, with another size, turn and place. The extractor knows
    all 62 letters and digits. With "all", some classes look alike, such as o, O and 0.
    """
    extractor = make_extractor(RECIPE, see, "" if pixels == RECIPE.pixels else f"at-{RECIPE.pixels}-pixels")
    return make_set(*split(letters, pixels), len(LETTERS[letters]), extractor)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "glyphs",
        glyphs,
        "4,368 letters A to Z in 21 fonts, a quarter of them held out.",
        reference="the fonts DejaVu, STIX and Computer Modern (BaKoMa) that matplotlib ships; after Bulatov 2011, "
        "notMNIST",
        metrics=("fid", "kid", "precision-recall"),
    )


if __name__ == "__main__":
    make_weights(RECIPE, *split(), *sys.argv[1:2])
