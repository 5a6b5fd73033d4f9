"""The extractors that scores come from, in words: their name and the start of their digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ganbench.api.metrics import metric_title
from ganbench.escaping import escape_unprintable

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

SHORT = 8
"""Digits of a hash that a reader sees."""


def show_extractor(fact: Mapping[str, Any]) -> str:
    """Return an extractor's name and the start of its digest; of one that is no hash, the start of its hash."""
    digest = str(fact.get("digest", ""))
    if not re.match(f"[0-9a-fA-F]{{{SHORT}}}", digest):
        digest = sha256(digest.encode()).hexdigest()
    return escape_unprintable(f"{fact.get('name', 'unknown')} ({digest[:SHORT]})")


def describe_features(fact: Mapping[str, Any]) -> str:
    """Return which values compare the features of which extractor, as "FID, KID compare features of NAME (HASH)"."""
    names = [metric_title(str(name)) for name in list_texts(fact.get("values"))]
    verb = "compares" if len(names) == 1 else "compare"
    return f"{escape_unprintable(', '.join(names))} {verb} features of {show_extractor(fact)}"


def list_texts(values: Any) -> list[str]:
    """Return the texts of a list in a run's facts; [] for anything else."""
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def list_facts(frames: Frames, dataset: str) -> Iterator[Mapping[str, Any]]:
    """Yield what the runs of a results folder know of the extractors for a dataset, the newest first.

    Those that `ganbench evaluate` used later come after the run's own.
    """
    for run in reversed(frames.runs):
        facts = run.facts.get("extractors")
        fact = facts.get(dataset) if isinstance(facts, Mapping) else None
        rescored = run.facts.get("rescored_by")
        for each in [fact, *(rescored if isinstance(rescored, list) else ())]:
            if isinstance(each, Mapping) and each.get("dataset", dataset) == dataset:
                yield each


def describe_all_features(frames: Frames) -> list[str]:
    """Return a sentence for each dataset with metrics on features: which extractor they come from, as known last."""
    datasets = map(str, frames.trials["dataset"].unique())
    known = {dataset: next(list_facts(frames, dataset), None) for dataset in datasets}
    return [f"On {dataset}, {describe_features(fact)}." for dataset, fact in known.items() if fact is not None]


def features_notes(frames: Frames, dataset: str, measurements: Iterable[str | None]) -> list[str]:
    """Return a note on each extractor that scores of these measurements come from; none where no run knows it."""
    extractors: dict[str, list[str]] = {}
    for measurement in dict.fromkeys(measurements):
        known = (fact for fact in list_facts(frames, dataset) if measurement in list_texts(fact.get("measurements")))
        if measurement is not None and (fact := next(known, None)) is not None:
            extractors.setdefault(show_extractor(fact), []).append(measurement[:SHORT])
    if len(extractors) < 2:
        return [f"Features: {name}." for name in extractors]
    return [f"Features of measurement {', '.join(ways)}: {name}." for name, ways in extractors.items()]
