"""The tables of a results database, and the rows that store trials and records."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from ganbench.api.records import Record
from ganbench.api.trials import Trial, canonical_json, digest

SCHEMA = 4
"""Raised when a table changes, with a step in `migrations.STEPS`; other versions are refused, never half understood."""

RENAMED: Mapping[int, tuple[tuple[str, str, str], ...]] = MappingProxyType(
    {2: (("trials", "asked", "content"), ("records", "died", "diverged_at"))}
)
"""The columns of earlier schema versions that the next one renamed: table, old name, new name."""

ADDED: Mapping[int, tuple[str, ...]] = MappingProxyType({3: ("profiles",)})
"""The tables that the next version of each earlier schema version added."""

LONGEST_ERROR = 100_000
"""Characters of a record's error, at most; of a longer one the beginning and the end are kept."""

METADATA = MetaData()


def text_column(name: str) -> Column[str]:
    """Return a column of text that is never NULL."""
    return Column(name, Text, nullable=False)


def integer_column(name: str) -> Column[int]:
    """Return a column of integers that is never NULL."""
    return Column(name, Integer, nullable=False)


def label_columns() -> tuple[Column[str], ...]:
    """Return the columns of a trial's labels: facts of the plan or the record, not part of its key."""
    return text_column("dataset"), text_column("architecture"), text_column("method")


META = Table("meta", METADATA, Column("name", Text, primary_key=True), text_column("value"))

TRIALS = Table(
    "trials",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    integer_column("seed"),
    integer_column("generator_steps"),
    integer_column("batch_size"),
    text_column("content"),
)
"""Every trial that was ever planned or recorded: its content, under its key."""

RUNS = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    text_column("started"),
    text_column("suite"),
    text_column("facts"),
)

PLAN = Table(
    "plan",
    METADATA,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("trial", ForeignKey("trials.id"), nullable=False),
    text_column("code"),
    *label_columns(),
    sqlite_with_rowid=False,
)
"""The trials of each run in order, each with the hash of its code at that time."""

BATCHES = Table(
    "batches", METADATA, Column("id", Text, primary_key=True), text_column("composition"), text_column("facts")
)
"""What the members of a batch share; its id is the hash of both texts."""

RECORDS = Table(
    "records",
    METADATA,
    Column("trial", ForeignKey("trials.id"), primary_key=True),
    Column("batch", ForeignKey("batches.id"), nullable=False),
    text_column("code"),
    text_column("status"),
    text_column("error"),
    integer_column("diverged_at"),
    text_column("seconds"),
    text_column("updates"),
    text_column("network"),
    *label_columns(),
)
"""The newest record of each trial; `network` is the SHA-256 of its generator's file, empty where there is none."""

SCORES = Table(
    "scores",
    METADATA,
    Column("trial", ForeignKey("records.trial", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("measurement", Text, primary_key=True),
    Column("fresh", Boolean, primary_key=True),
    Column("value", Float),
    text_column("direction"),
    integer_column("samples"),
    sqlite_with_rowid=False,
)
"""One value of one metric at one snapshot, of the series or on fresh samples; a NULL value is a NaN."""

SIGNALS = Table(
    "signals",
    METADATA,
    Column("trial", ForeignKey("records.trial", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("steps", LargeBinary, nullable=False),
    Column("values", LargeBinary, nullable=False),
)
"""A whole series in one row, packed little-endian: int64 steps, float64 values."""

PROFILES = Table(
    "profiles",
    METADATA,
    Column("trial", ForeignKey("records.trial", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("measurement", Text, primary_key=True),
    Column("x", LargeBinary, nullable=False),
    Column("y", LargeBinary, nullable=False),
    Column("values", LargeBinary, nullable=False),
)
"""A whole profile in one row, packed little-endian float64: positions x, y (empty along one axis), and values."""

CALIBRATIONS = Table(
    "calibrations",
    METADATA,
    Column("protocol", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    text_column("sampler"),
    Column("trivial", Boolean, nullable=False),
    text_column("name"),
    Column("value", Float),
    text_column("direction"),
    text_column("measurement"),
    integer_column("samples"),
    sqlite_with_rowid=False,
)
"""The scores of the untrained baselines under a protocol, the real data first; a NULL value is a NaN."""

PROTOCOLS = Table(
    "protocols",
    METADATA,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("dataset", Text, primary_key=True),
    text_column("protocol"),
)
"""The protocol by which each run scored a dataset; the dataset by its label."""


def table_texts(names: Sequence[str] = ()) -> list[str]:
    """Return the SQL that makes each table of today's schema, or those of these names."""
    tables = [table for table in METADATA.sorted_tables if not names or table.name in names]
    return [str(CreateTable(table).compile(dialect=sqlite.dialect())) for table in tables]


def pack(kind: Literal["q", "d"], values: Sequence[int] | Sequence[float]) -> bytes:
    """Pack int64 (`q`) or float64 (`d`) values little-endian."""
    return struct.pack(f"<{len(values)}{kind}", *values)


def trial_row(trial: Trial) -> dict[str, Any]:
    """Return a trial's content in full, and the columns that tables need."""
    return {
        "key": trial.key,
        "seed": trial.seed,
        "generator_steps": trial.budget.generator_steps,
        "batch_size": trial.budget.batch_size,
        "content": trial.content_text,
    }


def label_values(trial: Trial) -> dict[str, str]:
    """Return the labels of a trial's dataset, architecture and method."""
    offers = {"dataset": trial.dataset, "architecture": trial.architecture, "method": trial.recipe.loss}
    return {kind: trial.labels.get(kind, offer.name) for kind, offer in offers.items()}


def composition_row(record: Record) -> dict[str, str]:
    """Return the composition and facts that all records of a batch share, under the hash of both."""
    shared = {"composition": canonical_json(dict(record.composition)), "facts": canonical_json(dict(record.facts))}
    return {"id": digest(shared), **shared}


def record_row(record: Record) -> dict[str, Any]:
    """Return the columns that belong to one record alone."""
    return {
        "code": record.trial.code,
        "status": record.status,
        "error": cut_middle(record.error, LONGEST_ERROR),
        "diverged_at": record.diverged_at,
        "seconds": canonical_json(dict(record.seconds)),
        "updates": canonical_json(dict(record.updates)),
        **label_values(record.trial),
    }


def cut_middle(text: str, most: int) -> str:
    """Return the text, with the middle of a longer one than `most` characters left out."""
    left_out = f"\n[{len(text)} characters, the middle left out]\n"
    half = (most - len(left_out)) // 2
    return text if len(text) <= most else text[:half] + left_out + text[-half:]


def score_rows(records: Mapping[int, Record]) -> Iterator[dict[str, Any]]:
    """Yield every score of every record, by the number of its trial; a NaN becomes a NULL, which means nothing else."""
    for trial, record in records.items():
        for score in record.scores:
            yield {"trial": trial, **vars(score)}


def signal_rows(records: Mapping[int, Record]) -> Iterator[dict[str, Any]]:
    """Yield every signal of every record, by the number of its trial, packed; float64 keeps NaN and infinities."""
    for trial, record in records.items():
        for name, (steps, values) in record.signals.items():
            yield {"trial": trial, "name": name, "steps": pack("q", steps), "values": pack("d", values)}


def profile_rows(records: Mapping[int, Record]) -> Iterator[dict[str, Any]]:
    """Yield every profile of every record, by the number of its trial, packed; float64 keeps NaN and infinities."""
    for trial, record in records.items():
        for profile in record.profiles:
            packed = {part: pack("d", getattr(profile, part)) for part in ("x", "y", "values")}
            yield {"trial": trial, **vars(profile), **packed}
