"""The rows of a query, portion by portion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

PORTION = 50_000
"""Rows that are in memory as Python objects at once: a few dozen megabytes."""


def iterate_rows(connection: Connection, statement: Any, portion: int = PORTION) -> Iterator[Sequence[Any]]:
    """Yield the rows of a query as sqlite3 has them, in lists of a `portion`: SQLAlchemy's rows take as long again."""
    cursor = connection.execute(statement).cursor
    while cursor is not None and (rows := cursor.fetchmany(portion)):
        yield rows
