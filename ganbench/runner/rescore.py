"""Scoring the stored final generators of a results folder by another protocol, without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.records import Score
from ganbench.api.trials import Part, digest
from ganbench.errors import GanbenchError, UnknownOffer
from ganbench.registry.exits import describe_fault
from ganbench.results.files import find_database, list_networks
from ganbench.results.store import Store
from ganbench.runner.rebuild import RebuiltBatch, find_table, is_rounded, rebuild_batch
from ganbench.runner.used_plugins import naming_plugins
from ganbench.suite.loading import refuse_imported

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.api.data import Extractor
    from ganbench.api.metrics import Metric
    from ganbench.evaluation.reference import Reference
    from ganbench.registry.registry import Registry

OnProgress = Callable[[int, int], None]
"""A function that is called with the number of trials that are done and the number of all trials."""


@dataclass(kw_only=True)
class RescoreResult:
    """The result of rescoring: the scores by trial key, and how many trials were skipped, by the reason.

    `extractors` has a fact for each dataset, extractor and measurement of scores on features.
    """

    scores: dict[str, Sequence[Score]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    extractors: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)

    def add(self, scores: Mapping[str, Sequence[Score]], dataset: str, extractor: Extractor | None) -> None:
        """Add the scores of a batch, on features of this extractor."""
        self.scores.update(scores)
        if extractor is not None:
            for score in (score for several in scores.values() for score in several):
                fact = {"dataset": dataset, "name": extractor.name, "digest": extractor.digest}
                known = self.extractors.setdefault(
                    (*fact.values(), score.measurement), {**fact, "values": [], "measurements": [score.measurement]}
                )
                known["values"] = sorted({*known["values"], score.name})

    @property
    def lines(self) -> Iterator[str]:
        """The result as the lines that `ganbench evaluate` prints."""
        every = (score for scores in self.scores.values() for score in scores)
        counts = Counter((score.name, score.measurement[:8], score.samples) for score in every)
        for (name, measurement, samples), count in counts.items():
            yield f"{name} of {count} trials on {samples} samples, measurement {measurement}"
        for reason, count in self.skipped.items():
            yield f"{count} trials not scored: {reason}"


def rescore_trials(
    folder: Path,
    metric: str,
    plugins: Registry,
    samples: int | None = None,
    on_progress: OnProgress = lambda done, trials: None,
) -> RescoreResult:
    """Score every stored final generator by a metric and store the scores; return them.

    `samples` is the number of samples of each generator (None: as many as it was scored on before). Normalisation
    and extractor are those that the newest run's suite names for the dataset. All scores are stored in one transaction,
    beside the old ones. A trial that the metric cannot score is skipped with the reason. Raises GanbenchError where
    every trial is skipped, where the metric needs the critic, which is not stored, or for fewer than two samples.
    """
    from ganbench.evaluation.scoring import build_metric

    if samples is not None and samples < 2:
        raise GanbenchError(f"--samples = {samples}: give 2 or more, or leave it out.")
    with naming_plugins(folder):
        offered = plugins.get("metrics", metric)
    part, built = build_metric(Part(metric, offered.offer.version), plugins)
    if built.needs == "networks":
        raise GanbenchError(f"metric {metric!r} needs the critic, but only generators are stored. Use another metric.")
    find_database(folder)
    result = RescoreResult()
    with Store(folder) as store:
        if not list_networks(folder):
            refuse_imported(store.suite(), folder, "so there are no models that could be scored")
        frames = store.frames(everything=True, signals=False, apart=False)
        counts = frames.scores.groupby("key")["samples"].max()
        trials: pd.DataFrame = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
        for key in trials["key"]:
            if key not in result.scores:
                _score_batch(store, key, plugins, (part, built), samples or int(counts.get(key, 0)), result)
            on_progress(len(result.scores) + result.skipped.total(), len(trials))
        if not result.scores:
            reasons = "; ".join(result.skipped) or "no trials"
            raise GanbenchError(f"{folder}: no generator could be scored by {metric!r}: {reasons.rstrip('.')}.")
        store.add_scores(result.scores, [*result.extractors.values()])
    return result


def _score_batch(
    store: Store, key: str, plugins: Registry, metric: tuple[Part, Metric], samples: int, result: RescoreResult
) -> None:
    """Score a trial and the other members of its batch into `result`; count the reason where that fails."""
    try:
        with naming_plugins(store.folder):
            rebuilt = rebuild_batch(store, key, plugins, samples)
            if metric[1].on_features:
                rebuilt = with_extractor(rebuilt, store, plugins)
        scores, reference = _score_members(rebuilt, plugins, metric)
        used = reference.extractor if metric[1].on_features else None
        result.add(scores, rebuilt.batch.trials[0].labels["dataset"], used)
    except (KeyboardInterrupt, UnknownOffer):  # without a plugin, no score of this folder would be complete
        raise
    except BaseException as error:  # a third party's metric or network may raise anything
        reason = str(error) if isinstance(error, GanbenchError) else describe_fault(error)
        result.skipped[reason.partition("\n")[0]] += 1


def with_extractor(rebuilt: RebuiltBatch, store: Store, plugins: Registry) -> RebuiltBatch:
    """Return a rebuilt batch that is scored by the extractor that the newest run's suite names for its dataset."""
    from ganbench.plan.planner import Planner

    batch = rebuilt.batch
    suite, table = find_table(store, batch.trials[0].labels["dataset"])
    if suite is None or table is None:
        return rebuilt
    measurement = replace(batch.measurement, extractor=Planner(suite, plugins).resolve_extractor(table))
    return replace(rebuilt, batch=replace(batch, measurement=measurement))


def _score_members(
    rebuilt: RebuiltBatch, plugins: Registry, metric: tuple[Part, Metric]
) -> tuple[dict[str, Any], Reference]:
    """Return the scores of every member of a batch that has a generator, on the latents of training's evaluation.

    Also return the reference that they are compared with.
    """
    from ganbench.evaluation.judging import iterate_evidence
    from ganbench.evaluation.memory import MemoryExhausted
    from ganbench.evaluation.scoring import score_model
    from ganbench.runner.worker import load_reference

    training, snapshot, batch = rebuilt.training, rebuilt.snapshot, rebuilt.batch
    reference = load_reference(plugins, batch.trials[0].dataset, training.source, batch, training.device)
    scores: dict[str, Any] = {}
    judged = iterate_evidence(training, snapshot, metric[1:], batch.measurement.samples, reference)
    for (key, file), evidence in zip(rebuilt.files.items(), judged, strict=True):
        if isinstance(evidence, MemoryExhausted):
            raise evidence
        if file:
            twice = () if scores else metric[1:]  # one member is enough to find a metric without a fixed seed
            measured = score_model([metric], evidence, step=snapshot.step, final=True, twice=twice)
            scores[key] = tuple(mark_rounded(score) for score in measured) if is_rounded(file) else measured
    return scores, reference


def mark_rounded(score: Score) -> Score:
    """Return the score of a generator that was stored as float16, as one of another measurement.

    It is that of the rounded weights. So it never stands beside scores of the weights as they were trained.
    """
    return replace(score, measurement=digest([score.measurement, "float16"]))
