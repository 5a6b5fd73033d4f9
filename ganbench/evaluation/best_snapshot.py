"""Judges a batch's snapshots: their scores as training goes on, and the best ones again on samples that chose nothing.

The best of k noisy scores lies, by chance alone, where the best of k draws of the noise lies. So the snapshot is chosen
on one set of samples and reported on another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganbench.api.metrics import Metric
from ganbench.api.records import Score
from ganbench.api.trials import Part
from ganbench.engine.snapshot import pack, unpack
from ganbench.evaluation import scoring

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.engine.snapshot import Snapshot
    from ganbench.engine.train import Training

FRESH = "evaluation.fresh"
"""The stream of latents that the best snapshots are reported on, independent of the series' own."""


class BestSnapshots:
    """Scores snapshots one after another; `kept` are those where some value of some member is best so far.

    Values with a better direction are followed, but for those of `final` metrics, which leave nothing to choose.
    Values of metrics on networks need no second look: they are told again as they were.
    """

    def __init__(
        self,
        training: Training,
        samples: int,
        metrics: Sequence[tuple[Part, Metric]],
        reference: scoring.Reference,
    ) -> None:
        self.training, self.samples, self.metrics, self.reference = training, samples, metrics, reference
        going = [(part, metric) for part, metric in metrics if not metric.final]
        self.sampled = [(part, metric) for part, metric in going if metric.needs != "networks"]
        self.followed = {name for _, metric in going for name in metric.values}
        self.exact = self.followed - {name for _, metric in self.sampled for name in metric.values}
        self.seen: list[list[list[Score]]] = []
        self.best: list[dict[tuple[str, str], Score]] = [{} for _ in training.members]
        self.kept: Mapping[int, Snapshot] = {}

    def score_snapshot(self, snapshot: Snapshot) -> list[list[Score]]:
        """Give the scores of every member of a snapshot, and keep of it what is the best so far."""
        found = self._scores(snapshot, self.metrics, "evaluation", snapshot.final)
        self.take_scores(found)
        wanted = {
            step: [i for i, best in enumerate(self.best) if step in {score.step for score in best.values()}]
            for step in (*self.kept, snapshot.step)
        }
        self.kept = {
            step: one if step in self.kept and list(one.members) == wanted[step] else one.only(wanted[step])
            for step, one in {**self.kept, snapshot.step: snapshot}.items()
            if wanted[step]
        }
        return found

    def take_scores(self, found: list[list[Score]]) -> None:
        """Take in the scores of a snapshot: which of them are the best so far."""
        self.seen.append(found)
        for best, own in zip(self.best, found, strict=True):
            for score in own:
                if score.name in self.followed and is_better(score, best.get((score.name, score.measurement))):
                    best[score.name, score.measurement] = score

    def save_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Give what has been judged and kept so far, as tensors by name and plain numbers."""
        tensors: dict[str, Tensor] = {}
        kept = []
        for snapshot in self.kept.values():
            own, numbers = pack(snapshot, self.training.built)
            tensors |= {f"{snapshot.step}/{name}": tensor for name, tensor in own.items()}
            kept.append(numbers)
        return tensors, {"seen": [[list(map(vars, own)) for own in found] for found in self.seen], "kept": kept}

    def restore_state(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take over what another judge of this training has judged and kept."""
        for found in numbers["seen"]:
            self.take_scores([[Score(**score) for score in own] for own in found])
        for one in numbers["kept"]:
            prefix = f"{one['step']}/"
            own = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
            self.kept = {**self.kept, one["step"]: unpack(own, one, self.training.built)}

    def fresh_scores(self) -> Iterator[tuple[int, list[Score]]]:
        """Give members and their fresh scores at each of their best snapshots; nothing where there was but one."""
        for step, snapshot in self.kept.items() if len(self.seen) > 1 else ():
            again = self._scores(snapshot, self.sampled, FRESH, final=False)
            before = next(found for found in self.seen if found[0][0].step == step)
            for member, own in zip(snapshot.members, again, strict=True):
                exact = [score for score in before[member] if score.name in self.exact]
                yield member, [replace(score, fresh=True) for score in (*own, *exact)]

    def _scores(
        self, snapshot: Snapshot, metrics: Sequence[tuple[Part, Metric]], stream: str, final: bool
    ) -> list[list[Score]]:
        """Score the members of a snapshot on samples from latents of this stream; one sampling for all metrics."""
        samples = self.training.draw_samples(snapshot, self.samples, stream)
        found: list[list[Score]] = []
        for i in range(len(snapshot.members)):
            sight = scoring.ModelEvidence(
                samples[i],
                self.reference,
                networks=snapshot.ensemble.networks,
                generator_parameters={n: p[i].cpu() for n, p in snapshot.generators.items()},
                critic_parameters={n: p[i].cpu() for n, p in snapshot.ensemble.detached["critic"].items()},
            )
            judged = scoring.score_model(metrics, sight, step=snapshot.step, final=final)
            found.append([*judged, scoring.score_spread(sight, step=snapshot.step)])
        return found


def is_better(score: Score, best: Score | None) -> bool:
    """Say whether a score has a better direction and lies beyond the best so far; of equals the first stays."""
    if score.direction == "neutral" or not math.isfinite(score.value):
        return False
    return best is None or (score.value > best.value if score.direction == "higher" else score.value < best.value)
