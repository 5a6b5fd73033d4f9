"""The titles of metric values: their names with acronyms in capitals."""

from __future__ import annotations

import pytest
from ganbench import registry
from ganbench.api.metrics import metric_title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("fid", "FID"),
        ("is", "IS"),
        ("sliced-w1", "sliced-W1"),
        ("w1-floor", "W1-floor"),
        ("reverse-kl", "reverse-KL"),
        ("inception-score", "inception-score"),
        ("high-quality", "high-quality"),
        ("fiducial", "fiducial"),
        ("kid_of.mine", "KID_of.mine"),
        ("is > 4.5 and recall > 0.5", "IS > 4.5 and recall > 0.5"),
        ("", ""),
    ],
)
def test_acronyms_are_written_in_capitals_and_other_words_stay(name: str, title: str) -> None:
    assert metric_title(name) == title


def test_every_name_of_our_own_metric_values_differs_from_its_title_in_capitals_alone() -> None:
    plugins = registry.load()
    names = {value for offer in plugins.names("metrics") for value in plugins.build("metrics", offer).values}
    assert {"fid", "is", "kid", "mmd2", "w1"} <= names
    assert all(metric_title(name).lower() == name for name in names)
    assert all(metric_title(name) == name.upper() for name in ("fid", "is", "kid", "mmd2", "w1"))
