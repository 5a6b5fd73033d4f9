"""Before training: refusing data that breaks its contract, scoring untrained baselines, refusing rules they pass."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ganbench.api.data import Source
from ganbench.api.events import Calibrating
from ganbench.api.records import Calibration
from ganbench.api.trials import Batch, Trial
from ganbench.errors import GanbenchError, describe
from ganbench.evaluation.outcomes import SPREAD
from ganbench.registry.exits import explaining_exits
from ganbench.results.store import Store
from ganbench.runner.apart import Tell, iterate_apart
from ganbench.runner.isolation import isolated, list_scoring_offers
from ganbench.runner.places import choose_own_device
from ganbench.suite import locations
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    import torch

    from ganbench.evaluation.calibration import MeasurementProtocol
    from ganbench.registry.plugin_files import PluginFile
    from ganbench.registry.registry import Registry
    from ganbench.runner.settings import Settings


class Scored(NamedTuple):
    """The scores of a dataset's baselines, to be stored."""

    label: str
    rows: Sequence[Calibration]


def calibrate(
    suite: Suite,
    protocols: Mapping[str, MeasurementProtocol],
    plugins: Registry,
    store: Store,
    training: Sequence[Batch],
    settings: Settings,
) -> Generator[Calibrating, None, None]:
    """Check the data of the batches in `training`; score and store the baselines of every protocol not stored yet.

    `protocols` maps a dataset's label to its protocol. Yields an event for each oddity of the data, and before each
    baseline is scored. Raises GanbenchError for data that breaks its contract, and where building a dataset or a metric
    does, or where one changes what all methods share, because every trial would fail with the same error. Any other
    exception is reported as an event with `error`, and the run goes on: the trials may still succeed. Where offers of
    others are in use, and there are workers, it happens in a process of its own, which they may end.
    """
    first_trials = {batch.trials[0].labels["dataset"]: batch.trials[0] for batch in reversed(training)}
    stored = {label: store.calibrations(protocol.key) for label, protocol in protocols.items()}
    work = partial(
        score_datasets,
        suite=suite,
        protocols=protocols,
        stored=stored,
        first_trials=first_trials,
        device=choose_own_device(settings),
    )
    if settings.in_process or not (files := list_foreign_files(protocols, first_trials, plugins)):
        items = work(lambda doing: None, plugins=plugins)
    else:
        items = iterate_apart(partial(work, files=plugins.files), files, settings.timeout)
    with closing(items):
        for item in items:
            if isinstance(item, Calibrating):
                yield item
            else:
                store.calibrate(protocols[item.label].key, item.rows)


def list_foreign_files(
    protocols: Mapping[str, MeasurementProtocol], first_trials: Mapping[str, Trial], plugins: Registry
) -> list[str]:
    """Return the files of the offers that calibration uses and that are not our own."""
    used = [plugins.get("architectures", trial.architecture.name) for trial in first_trials.values()]
    for protocol in protocols.values():
        used += list_scoring_offers(protocol.dataset, protocol.measurement, plugins)
    return list(dict.fromkeys(offered.origin for offered in used if offered.is_foreign))


def score_datasets(
    tell: Tell,
    *,
    suite: Suite,
    protocols: Mapping[str, MeasurementProtocol],
    stored: Mapping[str, list[Calibration]],
    first_trials: Mapping[str, Trial],
    plugins: Registry | None = None,
    files: tuple[PluginFile, ...] = (),
    device: str = "cpu",
) -> Generator[Calibrating | Scored, None, None]:
    """Yield the events of `calibrate`, and the scores that are not `stored`, by the label of their dataset.

    `first_trials` has a trial of each dataset that is about to be trained on. `plugins` is the registry of this
    process; without it, it is loaded with these plugin `files`. Features are extracted on `device`, as in training.
    """
    from ganbench.engine import device as devices
    from ganbench.evaluation.calibration import single_thread
    from ganbench.runner.worker import load_plugins

    tell(f"{suite.where}: loading the plugins")
    plugins = plugins or load_plugins(files)
    with single_thread():
        configured = devices.configure(device)
        for label, protocol in protocols.items():
            place = locations.locate(suite, "dataset", [table.title for table in suite.dataset].index(label))
            tell_place = partial(tell_at, tell, place)
            try:
                with explaining_exits(f"dataset {protocol.dataset.name!r}"):
                    trial = first_trials.get(label)
                    yield from score_dataset(label, protocol, plugins, stored[label], trial, tell_place, configured)
            except GanbenchError as error:
                raise GanbenchError(f"{place}: {error}") from error
            except Exception as error:
                yield Calibrating(label, error=describe(error))


def list_extractors(
    extractors: Mapping[str, Mapping[str, Any]], baselines: Mapping[str, Sequence[Calibration]]
) -> dict[str, dict[str, Any]]:
    """Return the fact `extractors` of a run: those of its plan, each with the measurements that come from it.

    `baselines` maps a dataset's label to the scores of its baselines.
    """
    return {
        label: {
            **extractor,
            "measurements": sorted({row.measurement for row in baselines[label] if row.name in extractor["values"]}),
        }
        for label, extractor in extractors.items()
    }


def tell_at(tell: Tell, place: str, doing: str) -> None:
    """Call `tell` with what is being done, after the place in the suite that it is done for."""
    tell(f"{place}: {doing}")


def score_dataset(
    label: str,
    protocol: MeasurementProtocol,
    plugins: Registry,
    rows: list[Calibration],
    trial: Trial | None,
    tell: Tell,
    device: torch.device,
) -> Generator[Calibrating | Scored, None, None]:
    """Check a dataset if a `trial` is to train on it, and score its baselines if there are no `rows` yet."""
    from ganbench.engine.shared_state import SharedState
    from ganbench.evaluation.calibration import BaselineScorer

    source: Source | None = None
    offers = list_scoring_offers(protocol.dataset, protocol.measurement, plugins)
    scorer: BaselineScorer | None = None
    tell("checking the data")
    if trial is not None:
        with isolated(SharedState(), offers):
            source = build_sound_data(protocol, plugins)
            cautions = list(list_cautions(source, trial, plugins))
        for sentence in cautions:
            yield Calibrating(label, caution=sentence)
    if not rows:
        with isolated(SharedState(), offers):
            scorer = BaselineScorer(protocol, plugins, source, tell, device)
        for sampler in scorer.samplers:
            yield Calibrating(label, sampler.name)
            with isolated(SharedState(), offers):
                rows = rows + scorer.score(sampler)
    if source is not None:
        for sentence in list_undefined(source, rows, scorer.reasons if scorer else {}):
            yield Calibrating(label, caution=sentence)
    if scorer is not None:
        yield Scored(label, rows)


def build_sound_data(protocol: MeasurementProtocol, plugins: Registry) -> Source:
    """Return the dataset of a protocol, built; raise GanbenchError, in the words of its contract, if it breaks one."""
    from ganbench.testing import datasets
    from ganbench.testing.rule import Contract, ContractError, Subject

    part = protocol.dataset
    subject = Subject(plugins.get("datasets", part.name), plugins, dict(part.options))
    case = datasets.Case(subject, protocol.measurement.samples)
    try:
        source = case.source
    except ContractError as error:
        raise GanbenchError(f"{subject}: {error}") from error
    for rule in datasets.RULES:
        if breach := Contract(subject, rule, case).find_breach():
            raise GanbenchError(breach)
    return source


def list_cautions(source: Source, trial: Trial, plugins: Registry) -> Iterator[str]:
    """Yield a sentence for each oddity of the data that a trial would train on."""
    from ganbench.evaluation.data_cautions import find_oddities

    space = plugins.build("architectures", trial.architecture.name, trial.architecture.options)
    yield from find_oddities(source, space, trial.spec)


def list_undefined(source: Source, rows: Sequence[Calibration], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each value that the data itself does not have; `reasons` are why, where it is known.

    Raise GanbenchError if the reference is a single sample and so the reason.
    """
    from ganbench.evaluation.calibration import describe_undefined, find_undefined

    for name, row in find_undefined(rows).items():
        if name == SPREAD:
            continue  # of equal samples, which is a caution of its own
        sentence = describe_undefined(row, reasons.get(name, ""))
        if len(source.reference(2)) < 2:
            raise GanbenchError(f"{sentence}. Its `reference` is a single sample: let it return two or more.")
        yield f"{sentence}. So no model's value has a scale: request more samples, or use another metric."


def list_other_measurements(
    batches: Sequence[Batch],
    rows: Mapping[str, Sequence[Calibration]],
    measured: Mapping[str, Collection[tuple[str, str]]],
) -> Iterator[tuple[str, str]]:
    """Yield a dataset and a sentence for each metric by which its stored trials were not measured as its baselines are.

    `rows` maps a dataset's label to the scores of its baselines; `measured` is `Store.measured`. The metric is new in
    the suite, or its code, its options, the extractor, the number of samples or the reference samples have changed
    since.
    """
    for label, calibrations in rows.items():
        trials = [trial for batch in batches for trial in batch.trials if trial.labels["dataset"] == label]
        stored = [trial.key for trial in trials if trial.key in measured]
        values = dict.fromkeys((row.measurement, row.name) for row in calibrations if row.name != SPREAD)
        for measurement in dict.fromkeys(measurement for measurement, _ in values):
            names = [name for one, name in values if one == measurement]
            if count := sum((names[0], measurement) not in measured[key] for key in stored):
                yield (
                    label,
                    f"{count} stored trials have no {', '.join(map(repr, names))} as measured now: the metric is new "
                    "in this suite, or its code, its options, the extractor, the number of samples or the "
                    "reference samples have changed. `ganbench evaluate RESULTS --metric NAME` scores their "
                    "generators.",
                )
