"""The scores of trials as a tidy frame, read in portions: those of a million trials are millions of rows."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from ganbench.results.rows import iterate_rows
from ganbench.results.schema import SCORES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


class Texts(dict[tuple[str, ...], int]):
    """The distinct names, directions and measurements of scores, each with a number: the next one when it is new."""

    def __missing__(self, key: tuple[str, ...]) -> int:
        number = self[key] = len(self)
        return number


def scores_frame(connection: Connection, keys: pd.Series[str], shortages: Container[tuple[str, int]]) -> pd.DataFrame:
    """Return every score of these trials, in the order of steps; a NaN at one of `shortages` could not be measured."""
    import numpy as np
    import pandas as pd

    texts = Texts()
    portions = list(iterate_portions(connection, keys, texts))
    columns: list[NDArray[Any]] = [np.concatenate(parts) for parts in zip(*portions, strict=True)]
    places, step, value, samples, fresh, codes = columns
    name, direction, measurement = (
        pd.Series([each[i] for each in texts], dtype=None if texts else "str").array.take(codes) for i in range(3)
    )
    frame = pd.DataFrame(
        {
            "key": keys.array.take(places),
            "step": step,
            "name": name,
            "value": value,
            "direction": direction,
            "measurement": measurement,
            "samples": samples,
            "fresh": fresh,
        }
    )
    short = np.isnan(value)
    short[short] = [place in shortages for place in zip(frame["key"][short], step[short].tolist(), strict=True)]
    return frame.assign(not_scored=short)


def iterate_portions(connection: Connection, keys: pd.Series[str], texts: Texts) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the scores of these trials in portions of columns, the first of them empty.

    The columns are the place of the trial among the keys, step, value, samples, fresh, and the number of its `texts`,
    to which new ones are added.
    """
    import numpy as np
    import pandas as pd

    yield tuple(np.zeros(0, kind) for kind in (np.intp, np.int64, np.float64, np.int64, np.bool_, np.intp))
    columns = SCORES.c["trial", "step", "value", "samples", "fresh", "name", "direction", "measurement"]
    wanted = select(*columns).order_by(SCORES.c.trial, SCORES.c.step)
    for rows in iterate_rows(connection, wanted):
        trial, step, value, samples, fresh, *named = zip(*rows, strict=True)
        places = keys.index.get_indexer(pd.Index(trial))
        codes = list(map(texts.__getitem__, zip(*named, strict=True)))
        numbers = np.array(step), np.array(value, float), np.array(samples), np.array(fresh, bool), np.array(codes)
        yield tuple(column[places >= 0] for column in (places, *numbers))
