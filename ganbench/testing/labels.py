"""Contract rules for labels: a term reads those that it requests, and a reference has one for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganbench.testing.constraints import Case, collect_effects
from ganbench.testing.datasets import Case as DatasetCase
from ganbench.testing.purity import largest_difference
from ganbench.testing.rule import require, rule
from ganbench.testing.small_game import BATCH_SIZE, CLASSES


@rule(lambda case: case.part.labels)
def reads_the_labels_it_requests(case: Case) -> None:
    """Reads the labels that it requests, and that of every sample."""
    plain = collect_effects(case.game)
    for row in range(BATCH_SIZE):

        def change(inputs: Mapping[str, Any], row: int = row) -> Mapping[str, Any]:
            labels = inputs["labels"].clone()
            labels[row] = (labels[row] + 1) % CLASSES
            return {**inputs, "labels": labels}

        require(
            largest_difference(collect_effects(case.game.change_inputs(change)), plain) > 0,
            f"it declares labels=True, and the label of sample {row} changes nothing: read play.labels, or declare no "
            "labels.",
        )


@rule(lambda case: case.source.reference_labels is not None)
def has_labels_of_its_reference(case: DatasetCase) -> None:
    """Returns a label for each reference sample, an integer in [0, classes), and the same ones every time."""
    labels_of, source = case.source.reference_labels, case.source
    assert labels_of is not None
    count = len(source.reference(case.samples))
    labels, again = labels_of(count), labels_of(count)
    require(
        isinstance(labels, Tensor) and labels.shape == (count,) and not labels.is_floating_point(),
        f"`reference_labels` returns {getattr(labels, 'dtype', type(labels).__name__)} "
        f"{list(getattr(labels, 'shape', []))} for {count} reference samples: return one integer for each.",
    )
    least, most = int(labels.min()), int(labels.max())
    require(
        least >= 0 and most < source.classes,
        f"`reference_labels` returns {least if least < 0 else most}, and there are {source.classes} classes.",
    )
    require(bool((labels == again).all()), "`reference_labels` returns other labels the second time.")


TERM_RULES = (reads_the_labels_it_requests,)
DATASET_RULES = (has_labels_of_its_reference,)
