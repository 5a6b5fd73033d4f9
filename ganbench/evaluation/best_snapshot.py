"""Scores of a batch's snapshots during training, and scores of the best ones on samples that did not choose them.

The best of k noisy scores is biased: noise alone makes it as good as the best of k draws of the noise. So a snapshot is
chosen on one set of samples and reported on another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganbench.api.metrics import Metric
from ganbench.api.records import MeasuredProfile, Score
from ganbench.api.trials import Part
from ganbench.engine.snapshot import pack, unpack
from ganbench.errors import describe
from ganbench.evaluation import scoring
from ganbench.evaluation.evidence import ModelEvidence, make_undefined
from ganbench.evaluation.judging import iterate_evidence
from ganbench.evaluation.memory import MemoryExhausted, is_out_of_memory
from ganbench.evaluation.reference import Reference
from ganbench.evaluation.stages import open_stage

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.engine.snapshot import Snapshot
    from ganbench.engine.train import Training

FRESH = "evaluation.fresh"
"""The stream of latents that the best snapshots are reported on; independent of the stream of the series."""


class BestSnapshots:
    """The scorer of a batch: it scores its snapshots one after another and stores the best ones.

    `snapshots` maps a step to the snapshot there, restricted to the members for which some value is the best so far. It
    has no critics, which no metric on samples calls.
    `history` has the scores of every snapshot, by member; `profiles` has the profiles of each member, of the series
    alone. The best is chosen by each value with a better direction, except the values of `final` metrics, which are
    measured only once. Values of metrics on networks depend on no
    sample, so they are not measured again but repeated. Calibration has no networks, so their first finite model is
    measured twice here, and they are refused if the values differ. What could not be measured because memory ran out is
    NaN; `shortages` says why, by the step.
    """

    def __init__(
        self,
        training: Training,
        samples: int,
        metrics: Sequence[tuple[Part, Metric]],
        reference: Reference,
    ) -> None:
        self.training, self.samples, self.metrics, self.reference = training, samples, metrics, reference
        repeated = [(part, metric) for part, metric in metrics if not metric.final]
        self.sample_metrics = [(part, metric) for part, metric in repeated if metric.needs != "networks"]
        self.choosing_values = {name for _, metric in repeated for name in metric.values}
        self.exact_values = self.choosing_values - {name for _, metric in self.sample_metrics for name in metric.values}
        self.unchecked = [metric for _, metric in metrics if metric.needs == "networks"]
        self.history: list[list[list[Score]]] = []
        self.profiles: list[list[MeasuredProfile]] = [[] for _ in training.members]
        self.shortages: dict[int, str] = {}
        if reference.normalisation == "standing":
            training.drawing.refuse_standing(training.ensembles)
        self.best_scores: list[dict[tuple[str, str], Score]] = [{} for _ in training.members]
        self.snapshots: Mapping[int, Snapshot] = {}

    def score_snapshot(self, snapshot: Snapshot) -> list[list[Score]]:
        """Return the scores of every member of a snapshot; store the snapshot for the members that are best there."""
        scores = self._score_members(snapshot, self.metrics, "evaluation", snapshot.final)
        self.update_best(scores)
        members = {
            step: [i for i, best in enumerate(self.best_scores) if step in {score.step for score in best.values()}]
            for step in (*self.snapshots, snapshot.step)
        }
        self.snapshots = {
            step: one if step in self.snapshots and list(one.members) == members[step] else one.select(members[step])
            for step, one in {**self.snapshots, snapshot.step: snapshot.without_critics()}.items()
            if members[step]
        }
        return scores

    def update_best(self, scores: list[list[Score]]) -> None:
        """Add the scores of a snapshot, by member, to the history, and update the best score of each value."""
        self.history.append(scores)
        for best, member_scores in zip(self.best_scores, scores, strict=True):
            for score in member_scores:
                if score.name in self.choosing_values and is_better(score, best.get((score.name, score.measurement))):
                    best[score.name, score.measurement] = score

    def save_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the scores and snapshots so far, as tensors by name and plain numbers."""
        tensors: dict[str, Tensor] = {}
        packed = []
        for snapshot in self.snapshots.values():
            snapshot_tensors, numbers = pack(snapshot, self.training.ensembles)
            tensors |= {f"{snapshot.step}/{name}": tensor for name, tensor in snapshot_tensors.items()}
            packed.append(numbers)
        history = [[list(map(vars, member_scores)) for member_scores in scores] for scores in self.history]
        profiles = [[vars(profile) for profile in member] for member in self.profiles]
        return tensors, {
            "seen": history,
            "kept": packed,
            "profiles": profiles,
        }  # the keys of checkpoints that are already stored

    def restore_state(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Continue from the state that `save_state` returned for the same training."""
        for scores in numbers["seen"]:
            self.update_best([[Score(**score) for score in member_scores] for member_scores in scores])
        for member, profiles in zip(self.profiles, numbers["profiles"], strict=True):
            for profile in profiles:
                parts = {name: tuple(profile[name]) for name in ("x", "y", "values")}
                member.append(MeasuredProfile(**profile | parts))
        for packed in numbers["kept"]:
            step, prefix = packed["step"], f"{packed['step']}/"
            snapshot_tensors = {
                name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
            }
            self.snapshots = {**self.snapshots, step: unpack(snapshot_tensors, packed, self.training.ensembles)}

    def fresh_scores(self) -> Iterator[tuple[int, list[Score]]]:
        """Yield members and their fresh scores at each of their best snapshots; nothing for a single snapshot."""
        for step, snapshot in self.snapshots.items() if len(self.history) > 1 else ():
            scores = self._score_members(snapshot, self.sample_metrics, FRESH, final=False)
            before = next(earlier for earlier in self.history if earlier[0][0].step == step)
            for member, member_scores in zip(snapshot.members, scores, strict=True):
                exact = [score for score in before[member] if score.name in self.exact_values]
                yield member, [replace(score, fresh=True) for score in (*member_scores, *exact)]

    def _score_members(
        self, snapshot: Snapshot, metrics: Sequence[tuple[Part, Metric]], stream: str, final: bool
    ) -> list[list[Score]]:
        """Score the members of a snapshot by all metrics on one set of samples, from the latents of this stream."""
        due = [(part, metric) for part, metric in metrics if final or not metric.final]
        wanted = [metric for _, metric in due]
        reference = open_stage(self.reference, snapshot.ensemble.networks)
        judged = iterate_evidence(self.training, snapshot, wanted, self.samples, reference, stream)
        kept = [self.profiles[member] if stream != FRESH else [] for member in snapshot.members]
        return [
            self._score_member(snapshot.step, due, evidence, reference, profiles)
            for evidence, profiles in zip(judged, kept, strict=True)
        ]

    def _score_member(
        self,
        step: int,
        metrics: Sequence[tuple[Part, Metric]],
        evidence: ModelEvidence | MemoryExhausted,
        reference: Reference,
        profiles: list[MeasuredProfile],
    ) -> list[Score]:
        """Return one member's scores by these metrics, and add its profiles to `profiles`.

        Where memory ran out, note why, and the value is NaN.
        """
        if isinstance(evidence, MemoryExhausted):
            self.shortages[step] = str(evidence)
            evidence = make_undefined(self.samples, reference)
        twice = [metric for metric in self.unchecked if evidence.finite and metric in [one for _, one in metrics]]
        scores: list[Score] = []
        for part, metric in metrics:
            try:
                again, keep = metric in twice, profiles.append
                scores += scoring.score_metric(part, metric, evidence, step=step, twice=again, keep=keep)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self.shortages[step] = f"metric {part.name!r}: {describe(error)}"
                undefined = make_undefined(self.samples, reference)
                scores += scoring.score_metric(part, metric, undefined, step=step)
        self.unchecked = [metric for metric in self.unchecked if metric not in twice]
        return [*scores, scoring.score_spread(evidence, step=step)]


def is_better(score: Score, best: Score | None) -> bool:
    """Return whether a score is finite, has a better direction and is strictly better than the best so far, if any."""
    if score.direction == "neutral" or not math.isfinite(score.value):
        return False
    return best is None or (score.value > best.value if score.direction == "higher" else score.value < best.value)
