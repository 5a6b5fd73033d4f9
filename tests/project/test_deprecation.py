"""What will be removed warns first, at the line that uses it, and names the replacement and the release."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import ganbench
import pytest
from ganbench import deprecation
from ganbench.api import offers
from ganbench.deprecation import Deprecation, GanbenchDeprecationWarning
from ganbench.registry import registry, validation

from tests.support.terminal import process

SOON = Deprecation("Objective", "99.0")
PLUGIN = """
from ganbench import Constraint, Offer, hookimpl

@hookimpl
def ganbench_constraints():
    yield Offer("mine", lambda: Constraint(), "Nothing.")
"""
CHECK = """
from ganbench import cli, deprecation
deprecation.NAMES = {"Constraint": deprecation.Deprecation("Term", "99.0")}
cli.main(["check", "mine.py"])
"""


def use_twice() -> None:
    """Use a name in two ways."""
    from ganbench import Source

    assert ganbench.Source is Source


def test_a_deprecated_name_warns_at_the_line_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecation, "NAMES", {"Source": SOON})
    monkeypatch.delitem(vars(ganbench), "Source", raising=False)
    message = r"^ganbench\.Source will be removed in ganbench 99\.0\. Use Objective\.$"
    with pytest.warns(GanbenchDeprecationWarning, match=message) as caught:
        use_twice()
    assert {warning.filename for warning in caught} == {__file__}
    assert len({warning.lineno for warning in caught}) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ganbench.Offer is not None


def test_a_deprecated_field_warns_where_a_plugin_sets_it() -> None:
    @dataclass(frozen=True)
    class Record:
        new: int = 0
        old: int = field(default=0, metadata={"deprecated": Deprecation("new", "99.0")})

    message = r"^mine\.py: the field 'old' of Record will be removed in ganbench 99\.0\. Use new\.$"
    with pytest.warns(GanbenchDeprecationWarning, match=message):
        deprecation.warn_of_fields(Record(old=1), "mine.py")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deprecation.warn_of_fields(Record(new=1), "mine.py")


def test_the_registry_asks_what_plugins_hand_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr(registry, "warn_of_fields", lambda record, where: asked.append(type(record).__name__))
    (tmp_path / "mine.py").write_text(PLUGIN)
    registry.load(files=[tmp_path / "mine.py"], installed=False).build("constraints", "mine")
    assert asked == ["Offer", "Constraint"]


def test_check_shows_an_author_what_will_be_removed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    ended = subprocess.run([sys.executable, "-c", CHECK], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    line = "mine.py:2: GanbenchDeprecationWarning: ganbench.Constraint will be removed in ganbench 99.0. Use Term."
    assert line in ended.stderr
    assert process("check", "mine.py", cwd=tmp_path).stderr == ""


def test_nothing_stays_beyond_the_release_in_which_it_goes() -> None:
    """A deprecated name or field is removed when the version of its removal is reached."""
    records = [*validation.BUILT.values(), offers.Offer]
    planned = [*deprecation.NAMES.values()]
    planned += [
        each.metadata["deprecated"]
        for record in records
        for each in record.__dataclass_fields__.values()
        if "deprecated" in each.metadata
    ]
    version = tuple(map(int, ganbench.__version__.split(".")[:2]))
    assert not [each for each in planned if tuple(map(int, each.goes_in.split("."))) <= version]
