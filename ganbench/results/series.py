"""The series of trials as tidy frames: signals over the generator steps, and profiles over positions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import Connection, or_, select

from ganbench.api.metrics import MOST_POINTS
from ganbench.results.rows import iterate_rows
from ganbench.results.schema import PROFILES, SIGNALS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray

MOST_STEPS, MOST_STEP = 100_000, 10**12
"""Steps at which a signal is stored, at most: hundreds of times as many as a training records; and the largest step."""

BLOCK = 10_000
"""Signals that are in memory at once while they are streamed: 16 MB of values, at 200 points each."""

PROFILE_COLUMNS = ("key", "step", "name", "measurement", "x", "y", "value")


class SignalBlock(NamedTuple):
    """One signal of n trials, each of t points: their keys [n], steps [n, t] and values [n, t]."""

    name: str
    keys: ExtensionArray
    steps: NDArray[np.int64]
    values: NDArray[np.float64]


class Build(Protocol):
    """A function that returns the series of trials as a frame; `keys` has the key of each by its number."""

    def __call__(self, connection: Connection, keys: pd.Series[str], /) -> pd.DataFrame: ...


class Opening(Protocol):
    """A function that returns a context: a connection to a results folder, whose faults are explained."""

    def __call__(self) -> AbstractContextManager[Connection]: ...


class Check(Protocol):
    """A function that raises GanbenchError for a frame with cells that ganbench never writes."""

    def __call__(self, frame: pd.DataFrame, /) -> None: ...


@dataclass(frozen=True, eq=False)
class StoredSeries:
    """The series of a results folder that are not read yet: those of 100,000 trials are more than memory holds.

    `keys` has the key of each trial, by its number, whose series these are. `build` makes their frame, and `check`
    looks at its cells.
    """

    opening: Opening
    keys: pd.Series[str]
    build: Build
    check: Check

    def __call__(self) -> pd.DataFrame:
        """Return the series as one frame."""
        with self.opening() as connection:
            frame = self.build(connection, self.keys)
        self.check(frame)
        return frame

    def take(self, keys: Collection[str]) -> StoredSeries:
        """Return the series of the trials with these keys only."""
        return replace(self, keys=self.keys[self.keys.isin(keys)])

    def iterate_signals(self, names: Collection[str], prefixes: Iterable[str]) -> Iterator[SignalBlock]:
        """Yield the signals with these names, or names that begin so, in blocks of equal length, in no order."""
        columns = SIGNALS.c
        chosen = or_(columns.name.in_(names), *(columns.name.op("GLOB")(f"{prefix}*") for prefix in prefixes))
        wanted = select(columns.trial, columns.name, columns.steps, columns["values"]).where(chosen)
        with self.opening() as connection:
            for rows in iterate_rows(connection, wanted, BLOCK):
                yield from make_blocks(rows, self.keys)


def make_blocks(rows: Sequence[Sequence[Any]], keys: pd.Series[str]) -> Iterator[SignalBlock]:
    """Yield packed signals as blocks: rows of trial, name, steps and values; `keys` by the number of the trial.

    Trials that are not among the keys are left out. Raise ValueError or TypeError for what ganbench never writes.
    """
    import numpy as np
    import pandas as pd

    groups: dict[tuple[str, int], list[Sequence[Any]]] = {}
    for row in rows:
        groups.setdefault((row[1], len(row[2])), []).append(row)
    for (name, size), several in groups.items():
        if any(len(row[3]) != size for row in several) or size // 8 > MOST_STEPS:
            raise ValueError(f"a signal of {size // 8} steps with other values, or of more than {MOST_STEPS}")
        places = keys.index.get_indexer(pd.Index([row[0] for row in several]))
        known = [row for row, place in zip(several, places, strict=True) if place >= 0]
        if not known:
            continue
        texts = {text: i for i, text in enumerate(dict.fromkeys(row[2] for row in known))}
        steps = np.frombuffer(b"".join(texts), "<i8").reshape(len(texts), size // 8)
        if steps.size and not 0 <= steps.min() <= steps.max() <= MOST_STEP:
            raise ValueError(f"a signal with a step that is not within 0 and {MOST_STEP}")
        values = np.frombuffer(b"".join(row[3] for row in known), "<f8").reshape(len(known), size // 8)
        same = len(texts) == 1  # then no copy of the steps for each trial
        steps = np.broadcast_to(steps, values.shape) if same else steps[[texts[row[2]] for row in known]]
        yield SignalBlock(name, keys.array[places[places >= 0]], steps, values)


def signals_frame(connection: Connection, keys: pd.Series[str]) -> pd.DataFrame:
    """Return every signal of these trials, one row per step."""
    import numpy as np
    import pandas as pd

    rows = connection.execute(select(SIGNALS).order_by(SIGNALS.c.trial)).all() if len(keys) else []
    known = keys.to_dict() if rows else {}
    found = [(known[trial], name, steps, values) for trial, name, steps, values in rows if trial in known]
    counts = [len(steps) // 8 for _, _, steps, _ in found]
    if max(counts, default=0) > MOST_STEPS:
        raise ValueError(f"a signal of {max(counts)} steps, more than {MOST_STEPS}")
    return pd.DataFrame(
        {
            "key": pd.Series([key for key, *_ in found], dtype="str").repeat(counts).reset_index(drop=True),
            "name": pd.Series([name for _, name, *_ in found], dtype="str").repeat(counts).reset_index(drop=True),
            "step": np.frombuffer(b"".join(steps for *_, steps, _ in found), "<i8"),
            "value": np.frombuffer(b"".join(values for *_, values in found), "<f8"),
        }
    )


def empty_profiles() -> pd.DataFrame:
    """Return an empty frame of profiles."""
    import pandas as pd

    texts, numbers = ("key", "name", "measurement"), ("x", "y", "value")
    types = {**dict.fromkeys(texts, "str"), "step": "int64", **dict.fromkeys(numbers, "float64")}
    return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in PROFILE_COLUMNS})


def profiles_frame(connection: Connection, keys: pd.Series[str]) -> pd.DataFrame:
    """Return every profile of these trials, one row per position, in the order of steps."""
    import numpy as np
    import pandas as pd

    rows = connection.execute(select(PROFILES).order_by(PROFILES.c.trial, PROFILES.c.step)).all() if len(keys) else []
    known = keys.to_dict() if rows else {}
    rows = [row for row in rows if row.trial in known]
    if not rows:
        return empty_profiles()
    columns: dict[str, list[NDArray[np.float64]]] = {"x": [], "y": [], "value": []}
    for row in rows:
        x, y, values = (np.frombuffer(cell, "<f8") for cell in (row.x, row.y, row[6]))
        if not len(values) == len(x) == (len(y) or len(x)) <= MOST_POINTS:
            raise ValueError(f"a profile of {len(values)} values at {len(x)} and {len(y)} positions")
        for name, numbers in (("x", x), ("y", y if len(y) else np.full(len(x), np.nan)), ("value", values)):
            columns[name].append(numbers)
    counts = [len(numbers) for numbers in columns["x"]]
    labels = {"key": [known[row.trial] for row in rows], "step": [row.step for row in rows]}
    labels |= {name: [getattr(row, name) for row in rows] for name in ("name", "measurement")}
    repeated = pd.DataFrame(labels).loc[np.repeat(np.arange(len(rows)), counts)].reset_index(drop=True)
    return repeated.assign(**{name: np.concatenate(parts) for name, parts in columns.items()})[list(PROFILE_COLUMNS)]
