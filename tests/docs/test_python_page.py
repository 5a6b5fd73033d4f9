"""The page about results in Python names all that there is; its code runs with that of the other pages."""

from __future__ import annotations

import pandas as pd
import pytest
from ganbench.results.export import list_frames
from ganbench.results.frames import Frames

from tests.support.documents import ROOT

EMPTY = pd.DataFrame()


@pytest.mark.parametrize("name", list_frames(Frames(trials=EMPTY, scores=EMPTY, signals=EMPTY)))
def test_the_page_names_every_frame(name: str) -> None:
    assert f"`frames.{name}`" in (ROOT / "docs/how_to/python.md").read_text()
