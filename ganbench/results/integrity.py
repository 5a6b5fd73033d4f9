"""Guards against a third party's results: their cells are read as data, never as code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ganbench.api.records import TRAINED, UNTRAINED
from ganbench.errors import GanbenchError, shorten

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames

WORDS = {"key", "dataset", "architecture", "method", "status", "error", "code", "mode", "device", "name", "direction"}
WORDS |= {"measurement", "sampler"}
CHOICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "status": frozenset({*TRAINED, *UNTRAINED, "missing"}),
        "direction": frozenset({"higher", "lower", "neutral"}),
    }
)
BOUNDS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "seed": (0, 2**63 - 1),
        "generator_steps": (1, 10**12),
        "batch_size": (0, 10**7),
        "diverged_at": (-1, 2**62),
        "step": (0, 10**12),
        "samples": (0, 10**7),
    }
)
"""The least and the largest value of a number: those that a suite can ask for (`suite.suite`, `plan.budget`).

A batch size of 0 is not known: the trial was trained elsewhere."""

MOST: Mapping[str, int] = MappingProxyType({"trial": 1_000_000, "dataset": 1000, "method": 1000})
"""The largest numbers of planned trials, datasets and methods: those of a suite (`suite.suite`, `suite.bounds`)."""

KEY = re.compile("[0-9a-f]{64}")
"""The key of a trial or a batch: only such a text becomes a file name."""

NOT_OURS = "Open it with the program that made it, or choose another folder for ganbench."


def refuse_odd_cells(frames: Frames, file: Path) -> None:
    """Raise GanbenchError for cells that ganbench never writes: of the wrong type, or not one of the known values.

    Texts may hold anything: whoever shows them escapes them. What is not read yet is checked when it is.
    """
    for name in ("trials", "scores", "signals", "profiles", "calibration"):
        if name not in frames.unread:
            refuse_odd_rows(getattr(frames, name), name, file)
    planned = frames.trials[frames.trials["planned"]]
    for column in ("dataset", "method"):
        refuse_many(planned[column].nunique(), column, file)
    for key in frames.trials["key"].unique():
        if not KEY.fullmatch(key):
            raise GanbenchError(f"{file}: {shorten(key)} is no trial's key: 64 hexadecimal digits. {NOT_OURS}")


def refuse_many(count: int, what: str, file: Path) -> None:
    """Raise GanbenchError if a plan has more trials, datasets or methods (`what`) than any suite."""
    if count > MOST[what]:
        raise GanbenchError(f"{file}: its newest plan has {count} {what}s, more than {MOST[what]}. {NOT_OURS}")


def refuse_odd_rows(frame: pd.DataFrame, name: str, file: Path) -> None:
    """Raise GanbenchError for a cell of one frame, called `name`, that ganbench never writes."""
    from pandas.api.types import infer_dtype

    for column in frame.columns if len(frame) else ():
        kind = infer_dtype(frame[column], skipna=False)
        is_text = kind == "string" and not frame[column].isna().any()  # pandas reads bytes among texts as missing
        if not is_text if column in WORDS else frame[column].dtype.kind not in "biuf":
            raise GanbenchError(f"{file}: {column} in {name} has cells of the wrong type ({kind}). {NOT_OURS}")
    for column, (least, most) in BOUNDS.items():
        if column not in frame.columns or frame.empty or (name, column) == ("trials", "samples"):  # those are a cost
            continue
        if frame[column].dtype.kind not in "iu" or not frame[column].between(least, most).all():
            raise GanbenchError(f"{file}: {column} in {name} is not within {least} and {most}. {NOT_OURS}")
    for column, allowed in CHOICES.items():
        odd = sorted(set(frame[column].unique()) - allowed) if column in frame.columns else []
        if odd:
            raise GanbenchError(f"{file}: {column} in {name} is {shorten(odd[0])}. {NOT_OURS}")


@contextmanager
def explaining_bad_cells(file: Path) -> Iterator[None]:
    """Turn errors that cells of the wrong type or texts that are not JSON cause into a GanbenchError with the file."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = shorten(f"{type(error).__name__}: {error}")
        raise GanbenchError(f"{file}: holds what ganbench never writes ({reason}). {NOT_OURS}") from error
