"""Scoring untrained baselines before training, and refusing success rules that they pass."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

from ganbench.api.events import Calibrating
from ganbench.api.records import Calibration
from ganbench.errors import GanbenchError
from ganbench.results.store import Store
from ganbench.runner.isolation import isolated, list_scoring_offers
from ganbench.suite import locations
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.evaluation.calibration import MeasurementProtocol
    from ganbench.registry.registry import Registry


def calibrate(
    suite: Suite, protocols: Mapping[str, MeasurementProtocol], plugins: Registry, store: Store
) -> Generator[Calibrating, None, None]:
    """Score and store the untrained baselines of every protocol that is not stored yet.

    `protocols` maps a dataset's label to its protocol. Yields an event before each baseline is scored. Raises
    GanbenchError where building a dataset or a metric does, or where one changes what all methods share, because every
    trial would fail with the same error. Any other exception is reported as an event with `error`, and the run goes on:
    the trials may still succeed.
    """
    from ganbench.engine.shared_state import SharedState
    from ganbench.evaluation.calibration import BaselineScorer, single_thread

    with single_thread():
        for label, protocol in protocols.items():
            if store.calibrations(protocol.key):
                continue
            rows: list[Calibration] = []
            offers = list_scoring_offers(protocol.dataset, protocol.measurement, plugins)
            try:
                with isolated(SharedState(), offers):
                    scorer = BaselineScorer(protocol, plugins)
                for sampler in scorer.samplers:
                    yield Calibrating(label, sampler.name)
                    with isolated(SharedState(), offers):
                        rows += scorer.score(sampler)
            except GanbenchError as error:
                place = locations.locate(suite, "dataset", [table.title for table in suite.dataset].index(label))
                raise GanbenchError(f"{place}: {error}") from error
            except Exception as error:
                yield Calibrating(label, error=str(error) or type(error).__name__)
            else:
                store.calibrate(protocol.key, rows)


def refuse_trivial_rules(suite: Suite, rows: Mapping[str, Sequence[Calibration]]) -> None:
    """Raise GanbenchError for the first success rule that an untrained baseline passes, unless the rule allows it.

    `rows` maps a dataset's label to the scores of its baselines.
    """
    from ganbench.evaluation.trivial_thresholds import explain_refusal, find_passing

    for rule in suite.success:
        passing = [] if rule.allow_trivial else find_passing(rule, rows.get(rule.dataset, ()))
        if passing:
            raise GanbenchError(f"{suite.where}: [[success]] for {rule.dataset!r}: {explain_refusal(rule, passing)}")
