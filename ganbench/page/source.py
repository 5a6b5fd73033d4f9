"""What a page is made from: the results of one suite, and the names under which it shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError
from ganbench.page.packing import show_text
from ganbench.report.shown import limit_values
from ganbench.suite.loading import restore

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.suite.success import SuccessRule
    from ganbench.suite.suite import Suite

SHORT_KEY = 12
"""Characters of a trial's key that the page shows; every command takes them."""


@dataclass(frozen=True, eq=False)
class Source:
    """The results of one suite: `frames`, read with signals; `suite`; the `title` and the `folder` that readers see."""

    frames: Frames
    suite: Suite
    title: str
    folder: str
    pictures: tuple[tuple[str, str, bytes], ...] = field(default=())

    @cached_property
    def shown(self) -> Frames:
        """The frames without the values that no table shows, where there are very many (`report.shown`)."""
        return limit_values(self.frames, self.rules)[0]

    @property
    def rules(self) -> tuple[SuccessRule, ...]:
        """The success rules of the suite."""
        return self.suite.success

    @cached_property
    def methods(self) -> Mapping[str, int]:
        """The methods by name, with the place of each: in the order of the suite, then any others of the results."""
        found = self.frames.trials["method"].drop_duplicates().tolist()
        known = [name for name in self.suite.method_names if name in set(found)]
        return {name: place for place, name in enumerate(dict.fromkeys([*known, *found]))}

    @property
    def datasets(self) -> list[str]:
        """The datasets in the order of the plan."""
        return self.frames.trials["dataset"].drop_duplicates().tolist()


def read_source(results: Path) -> Source:
    """Return the results of a folder; raise GanbenchError where nothing is planned, naming the folder."""
    from ganbench.results.store import read

    frames = read(results)
    if not frames.runs:
        raise GanbenchError(f"{results}: nothing is planned here yet. `ganbench run SUITE` plans, then trains.")
    try:
        suite = restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{results}: {error}") from error
    name = results.resolve().name
    shown = name if results.is_absolute() else str(results)
    return Source(frames, suite, show_text(name.replace("_", " ")), shown)
