"""The kept final generators of a results folder, scored by another protocol without training anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.records import Score
from ganbench.api.trials import Part
from ganbench.errors import GanbenchError
from ganbench.results.store import Store
from ganbench.runner.rebuild import RebuiltBatch, rebuild_batch

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.api.metrics import Metric
    from ganbench.registry.registry import Registry

Tell = Callable[[int, int], None]


@dataclass(kw_only=True)
class Rescored:
    """What came of it: scores by trial, and for how many trials there are none, by the reason."""

    scores: dict[str, Sequence[Score]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> Iterator[str]:
        """Say it all."""
        every = [score for own in self.scores.values() for score in own]
        ways = dict.fromkeys((s.name, s.measurement[:8], s.samples) for s in every)
        for name, measurement, samples in ways:
            count = sum((s.name, s.measurement[:8], s.samples) == (name, measurement, samples) for s in every)
            yield f"{name} of {count} trials on {samples} samples, measurement {measurement}"
        for reason, count in self.skipped.items():
            yield f"{count} trials not scored: {reason}"


def rescore(
    folder: Path, metric: str, plugins: Registry, samples: int | None = None, tell: Tell = lambda done, trials: None
) -> Rescored:
    """Score every kept final generator by a metric, on so many samples (None: as many as it was judged on), and store.

    All of it is stored in one transaction, beside what there was. A trial whose dataset the metric cannot judge is
    skipped with the reason; GanbenchError where that is all of them, where the metric needs what is not kept, or for a
    wrong number of samples. `tell(done, trials)` is called on the way.
    """
    if samples is not None and samples < 2:
        raise GanbenchError(f"--samples = {samples}: give 2 or more, or leave it out.")
    offered = plugins.get("metrics", metric)
    part, built = Part(metric, offered.offer.version), plugins.build("metrics", metric)
    if built.needs == "networks":
        raise GanbenchError(f"metric {metric!r} looks at the critic, and only generators are kept.")
    if not (folder / "results.sqlite").is_file():
        raise GanbenchError(f"{folder}: no results here. `ganbench run SUITE` makes them.")
    found = Rescored()
    with Store(folder) as store:
        frames = store.frames(everything=True, signals=False)
        counts = frames.scores.groupby("key")["samples"].max()
        trials: pd.DataFrame = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
        for key in trials["key"]:
            if key not in found.scores:
                _score(store, key, plugins, (part, built), samples or int(counts.get(key, 0)), found)
            tell(len(found.scores) + found.skipped.total(), len(trials))
        if not found.scores:
            raise GanbenchError(f"{folder}: nothing to score by {metric!r}: {'; '.join(found.skipped) or 'no trials'}.")
        store.add_scores(found.scores)
    return found


def _score(
    store: Store, key: str, plugins: Registry, metric: tuple[Part, Metric], samples: int, found: Rescored
) -> None:
    """Score a trial, and its company with it; the reason where it cannot be."""
    try:
        kept = rebuild_batch(store, key, plugins, samples)
        found.scores.update(_judged(kept, plugins, metric))
    except Exception as error:  # a stranger's metric or network may raise whatever it likes
        reason = str(error) if isinstance(error, GanbenchError) else f"{type(error).__name__}: {error}"
        found.skipped[reason.partition("\n")[0]] += 1


def _judged(kept: RebuiltBatch, plugins: Registry, metric: tuple[Part, Metric]) -> dict[str, Any]:
    """Score every member of a batch that left a generator, on the latents that members are judged on."""
    from ganbench.evaluation import scoring
    from ganbench.runner.worker import load_reference

    training, snapshot = kept.training, kept.snapshot
    reference = load_reference(plugins, kept.batch.trials[0].dataset, training.source, kept.batch)
    drawn = training.draw_samples(snapshot, kept.batch.measurement.samples)
    scored: dict[str, Any] = {}
    for i, (key, file) in enumerate(kept.files.items()):
        if file:
            own = {name: tensor[i].cpu() for name, tensor in snapshot.generators.items()}
            networks = snapshot.ensemble.networks
            sight = scoring.ModelEvidence(
                drawn[i], reference, networks=networks, generator_parameters=own, critic_parameters={}
            )
            scored[key] = scoring.score_model([metric], sight, step=snapshot.step, final=True)
    return scored
