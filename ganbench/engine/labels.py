"""The labels that condition networks: what they require of the data, and the rows that they belong to."""

from __future__ import annotations

from torch import Tensor

from ganbench.api.models import Networks
from ganbench.engine.program import Program
from ganbench.engine.random_streams import Data
from ganbench.errors import GanbenchError


def takes_labels(networks: Networks, player: str) -> bool:
    """Return whether a player's network takes labels as its second argument."""
    return networks.conditional is True or networks.conditional == player


def uses_labels(networks: Networks, program: Program) -> bool:
    """Return whether a network takes labels, or a term reads them."""
    return bool(networks.conditional) or program.reads_labels


def require_labels(networks: Networks, program: Program, data: Data) -> None:
    """Raise GanbenchError if labels are used and the data has none, or samples are packed; and for idle labels."""
    wanted: bool | str = {"": False, "both": True}.get(program.conditional, program.conditional)
    if wanted and networks.conditional != wanted:
        raise GanbenchError(
            f"an input of this method conditions {'both networks' if wanted is True else 'the generator'} by labels, "
            f"and this architecture's networks have conditional={networks.conditional!r}. Choose an architecture that "
            "follows ask.conditional, such as 'mlp'."
        )
    if not uses_labels(networks, program):
        return
    source, labels = data.source, data.stored_labels
    if source.classes < 1 or labels is None:
        who = "the architecture is conditional" if networks.conditional else "a term of this method reads labels"
        raise GanbenchError(
            f"{who}, but its dataset has no labels (classes = {source.classes}, `labels` is "
            f"{'not ' if labels is None else ''}set). Choose a dataset that is a set with `labels` and `classes`, or "
            f"{'an architecture' if networks.conditional else 'a method'} without labels."
        )
    least, most = int(labels.min()), int(labels.max())
    if labels.shape != (source.size,) or least < 0 or most >= source.classes:
        raise GanbenchError(
            f"the dataset's `labels` are {list(labels.shape)} numbers from {least} to {most} for {source.size} samples "
            f"of {source.classes} classes: return one integer in [0, classes) for each sample."
        )
    if program.pack > 1:
        raise GanbenchError(
            f"inputs: packing (pack = {program.pack}) and labels cannot be combined: the samples in one packed row "
            "have several labels. Remove one of the two."
        )


def fit_labels(labels: Tensor, rows: int) -> Tensor:
    """Return the labels [n] of `rows` samples, which are one batch or several batches in a row (real, then fake).

    Raise GanbenchError if the rows are not whole batches: then no label belongs to a row.
    """
    batches, rest = divmod(rows, len(labels))
    if rest or not batches:
        raise GanbenchError(
            f"a conditional network is called with {rows} samples, and the batch has {len(labels)} labels. In a term "
            "or a wrap, call play.critic(x) and play.generator(z) with as many rows as play.real has."
        )
    return labels if batches == 1 else labels.repeat(batches)
