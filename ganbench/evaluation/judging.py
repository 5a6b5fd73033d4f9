"""The evidence of the members of a snapshot, one after another, in groups that fit into a fixed number of bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ganbench.api.metrics import Metric
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from ganbench.evaluation.evidence import ModelEvidence, open_evidence
from ganbench.evaluation.memory import EVALUATION_BYTES, MemoryExhausted, halve_until_it_fits
from ganbench.evaluation.pieces import Parts, Wanted, collect, find_wanted
from ganbench.evaluation.reference import Reference
from ganbench.evaluation.stages import open_stage


def iterate_evidence(
    training: Training,
    snapshot: Snapshot,
    metrics: Iterable[Metric],
    count: int,
    reference: Reference,
    stream: str = "evaluation",
) -> Iterator[ModelEvidence | MemoryExhausted]:
    """Yield the evidence of every member of a snapshot, in order, with all that these metrics need of `count` samples.

    The samples come from the latents of this stream. In an early stage of a growing network they are compared with real
    samples of its own size (`open_stage`). Where memory runs out, fewer members are judged together; a member
    whose samples do not fit alone is yielded as the error.
    """
    drawing, reference = training.drawing, open_stage(reference, snapshot.ensemble.networks)
    if reference.normalisation != drawing.normalisation:
        drawing = replace(drawing, normalisation=reference.normalisation)
    wanted = find_wanted(metrics, count, reference.has_extractor)
    members, start = len(snapshot.members), 0
    together = count_together(wanted, count, reference)

    def draw(number: int) -> list[dict[str, Any]]:
        return collect(drawing.iterate(snapshot, count, stream, list_rows(number)), count, wanted, reference)

    def list_rows(number: int) -> list[int] | None:
        return None if number == members else [*range(start, start + number)]

    while start < members:
        try:
            fitting = min(together, members - start)
            group, together = halve_until_it_fits(draw, fitting, f"the evaluation of {count} samples")
        except MemoryExhausted as error:
            yield error
            start, together = start + 1, 1
            continue
        for row, collected in enumerate(group, start):
            parts = Parts(count, reference, partial(drawing.iterate, snapshot, count, stream, [row]), collected)
            yield open_evidence(training, snapshot, row, parts, reference)
        start += len(group)


def count_together(wanted: Wanted, count: int, reference: Reference) -> int:
    """Return how many members are judged together: as many as fit into EVALUATION_BYTES, at least one."""
    try:
        widths = reference.widths if wanted.answers else {}
    except MemoryExhausted:  # then nothing is extracted of any member either
        widths = {}
    one = wanted.count_bytes(count, 4 * math.prod(reference.source.shape), widths)
    return max(1, EVALUATION_BYTES // max(1, one))
