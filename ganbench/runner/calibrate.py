"""Scoring the untrained baselines before training, and refusing rules that they pass."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

from ganbench.api.events import Calibrating
from ganbench.api.records import Calibration
from ganbench.errors import GanbenchError
from ganbench.results.store import Store
from ganbench.suite import locations
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.evaluation.calibration import MeasurementProtocol
    from ganbench.registry.registry import Registry


def calibrate(
    asked: Suite, judged: Mapping[str, MeasurementProtocol], plugins: Registry, store: Store
) -> Generator[Calibrating, None, None]:
    """Score the untrained samplers of every protocol that is not stored yet, telling each before its turn.

    Raises GanbenchError where a dataset or a metric has one: every trial would fail with it. Another exception is told,
    and left to the trials.
    """
    from ganbench.evaluation.calibration import BaselineScorer, single_thread

    with single_thread():
        for label, protocol in judged.items():
            if store.calibrations(protocol.key):
                continue
            rows: list[Calibration] = []
            try:
                bench = BaselineScorer(protocol, plugins)
                for sampler in bench.samplers:
                    yield Calibrating(label, sampler.name)
                    rows += bench.score(sampler)
            except GanbenchError as error:
                place = locations.locate(asked, "dataset", [table.title for table in asked.dataset].index(label))
                raise GanbenchError(f"{place}: {error}") from error
            except Exception as error:
                yield Calibrating(label, error=str(error) or type(error).__name__)
            else:
                store.calibrate(protocol.key, rows)


def refuse_trivial(asked: Suite, rows: Mapping[str, Sequence[Calibration]]) -> None:
    """Raise GanbenchError for the first success rule that an untrained sampler passes, unless that is allowed."""
    from ganbench.evaluation.trivial_thresholds import explain_refusal, find_passing

    for rule in asked.success:
        passes = [] if rule.allow_trivial else find_passing(rule, rows.get(rule.dataset, ()))
        if passes:
            raise GanbenchError(f"{asked.where}: [[success]] for {rule.dataset!r}: {explain_refusal(rule, passes)}")
