"""The series of trials as tidy frames: signals over the generator steps, and profiles over positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from ganbench.api.metrics import MOST_POINTS
from ganbench.results.schema import PROFILES, SIGNALS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MOST_STEPS = 100_000
"""Steps at which a signal is stored, at most: hundreds of times as many as a training records."""

PROFILE_COLUMNS = ("key", "step", "name", "measurement", "x", "y", "value")


def signals_frame(connection: Connection, keys: pd.Series[str]) -> pd.DataFrame:
    """Return every signal of these trials, one row per step."""
    import numpy as np
    import pandas as pd

    known = keys.to_dict()
    rows = connection.execute(select(SIGNALS).order_by(SIGNALS.c.trial)).all() if known else []
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

    known = keys.to_dict()
    rows = connection.execute(select(PROFILES).order_by(PROFILES.c.trial, PROFILES.c.step)).all() if known else []
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
