"""Scores of a trained model: the calls of the metrics on its evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from ganbench.api.metrics import Metric, Profile
from ganbench.api.records import MeasuredProfile, Score
from ganbench.api.trials import Part, digest
from ganbench.errors import GanbenchError
from ganbench.evaluation.evidence import ModelEvidence, open_evidence
from ganbench.evaluation.measuring import measure
from ganbench.evaluation.memory import is_out_of_memory
from ganbench.evaluation.outcomes import SPREAD, spread_measurement
from ganbench.evaluation.pieces import choose_spread_rows, mean_pairwise_distance
from ganbench.evaluation.reference import Reference
from ganbench.registry.exits import explaining_exits
from ganbench.registry.registry import Registry

__all__ = ["ModelEvidence", "Reference", "build_metric", "open_evidence", "score_metric", "score_model", "score_spread"]

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Two measurements of a model may differ by this much: libraries may add in another order. Chance differs by more."""


def score_model(
    metrics: Sequence[tuple[Part, Metric]],
    evidence: ModelEvidence,
    *,
    step: int,
    final: bool,
    twice: Container[Metric] = (),
) -> tuple[Score, ...]:
    """Return the scores of one model at one snapshot, in the metrics' order; `final` metrics only if `final` is true.

    The metrics in `twice` are measured twice, and refused if their values differ.

    A model whose samples are not all finite (or, for metrics on features, their features) has NaN for every value. So
    its row stays in the table, and metrics need not handle this case. Raise GanbenchError like `score_metric`.
    """
    return tuple(
        score
        for part, metric in metrics
        if final or not metric.final
        for score in score_metric(part, metric, evidence, step=step, twice=metric in twice)
    )


def build_metric(part: Part, plugins: Registry) -> tuple[Part, Metric]:
    """Build a metric; the code behind it counts as part of its software, so edited code is another measurement."""
    metric: Metric = plugins.build("metrics", part.name, part.options)
    return part, replace(metric, software=f"{metric.software} {plugins.code('metrics', part.name)}")


def score_metric(
    part: Part,
    metric: Metric,
    evidence: ModelEvidence,
    *,
    step: int,
    twice: bool = False,
    keep: Callable[[MeasuredProfile], None] = lambda profile: None,
) -> tuple[Score, ...]:
    """Return one metric's scores of one model, a score for each of its values.

    `keep` is called with each of its profiles; a model that is not finite has none.

    The measurement is the hash of all that the numbers depend on besides the model: the metric with its version and
    options, the number of samples, the extractor, the reference samples and the metric's software (`build_metric`).
    The size of the batches that samples are generated in is not in it, although batch normalisation depends on it. It
    is the batch size of the training: it belongs to the model, is in the trial's key, and is one for all trials of a
    suite. Baselines have none, and are thus measured as the trials are.

    With `twice` it is measured again, and GanbenchError is raised if a value differs.

    Raise GanbenchError if the metric returns other values than it declares, if it needs features and the dataset has no
    extractor, and where `measure` does; the message begins with the metric's name.
    """
    evidence.focus(metric, digest([part.name, part.version, dict(part.options), metric.software]))
    try:
        with explaining_exits("`measure`"):
            finite = evidence.finite_features if metric.on_features else evidence.finite
            undefined = dict.fromkeys(metric.values, math.nan)
            measured: Mapping[str, float | Profile] = measure(metric, evidence) if finite else undefined
            extractor = evidence.extractor_identity if metric.on_features else ""
    except GanbenchError as error:
        if is_out_of_memory(error):
            raise
        raise GanbenchError(f"metric {part.name!r}: {error}") from error
    declared = {*metric.values, *(metric.profiles if finite else ())}
    if measured.keys() != declared:
        raise GanbenchError(
            f"metric {part.name!r} measured {sorted(map(str, measured))}, but declares {sorted(declared)}: `measure` "
            "must return a float for each of `values`, a Profile for each of `profiles`, and nothing else."
        )
    values = {name: value for name, value in measured.items() if not isinstance(value, Profile)}
    profiles = {name: value for name, value in measured.items() if isinstance(value, Profile)}
    if twice:
        again: list[MeasuredProfile] = []
        refuse_other_values(
            part.name, values, profiles, score_metric(part, metric, evidence, step=step, keep=again.append), again
        )
    samples, protocol = evidence.count, evidence.protocol
    known = [part.name, part.version, dict(part.options), samples, extractor, *evidence.reference_identity]
    measurement = digest([*known, metric.software, *protocol])
    for name, profile in profiles.items():
        x, y, numbers = (tuple(part or ()) for part in (profile.x, profile.y, profile.values))
        keep(MeasuredProfile(step=step, name=name, measurement=measurement, x=x, y=y, values=numbers))
    return tuple(
        Score(step, name, values[name], direction, measurement, samples) for name, direction in metric.values.items()
    )


def refuse_other_values(
    name: str,
    values: Mapping[str, float],
    profiles: Mapping[str, Profile],
    scores_again: Sequence[Score],
    profiles_again: Sequence[MeasuredProfile],
) -> None:
    """Raise GanbenchError if a metric measured other values the second time; NaN equals NaN."""
    pairs = [(score.name, values[score.name], score.value) for score in scores_again]
    for profile in profiles_again:
        first = profiles[profile.name]
        moved = (tuple(first.x), tuple(first.y or ())) != (profile.x, profile.y)
        pairs += (
            [(profile.name, math.nan, 0.0)] * moved
            if moved
            else [(profile.name, *both) for both in zip(first.values, profile.values, strict=True)]
        )
    for value, first_value, second in pairs:
        close = math.isclose(first_value, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        if not close and not (math.isnan(first_value) and math.isnan(second)):
            raise GanbenchError(
                f"metric {name!r}: {value!r} is {first_value:g} at first and {second:g} the second time, for the same "
                "model: draw random numbers from a generator with a fixed seed, and keep no state."
            )


def score_spread(evidence: ModelEvidence, *, step: int) -> Score:
    """Return the spread of a model's samples: their mean pairwise distance over that of the reference samples.

    It is 1 for a model of the right distribution and 0 for a model that generates a single sample, so it detects
    collapse without any metric. It uses at most `SPREAD_SAMPLES` samples of each, so it costs milliseconds. The value
    is NaN if a sample is not finite, if there are fewer than two samples, or if the data is a single point.
    """
    value = (
        mean_pairwise_distance(evidence.spread_samples) / evidence.reference_distance
        if evidence.finite and evidence.reference_distance
        else math.nan
    )
    samples = len(choose_spread_rows(evidence.parts.count))
    return Score(step, SPREAD, value, "neutral", spread_measurement(samples, standing=bool(evidence.protocol)), samples)
