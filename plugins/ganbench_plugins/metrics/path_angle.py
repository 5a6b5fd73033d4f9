"""The angle between the game's gradient field and the line from the first weights to the trained ones.

Berard et al. 2020, "A Closer Look at the Optimization Landscapes of Generative Adversarial Networks", arXiv:1906.04848,
section 3.3, with the field turned round: there v = (grad_g L_G, grad_d L_D), here its negative, the way players step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import fmean
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from ganbench import Evidence, Metric, Offer, Profile, hookimpl
from torch import Tensor

from ganbench_plugins.game_field import Field, flatten_parameters, open_field


def walk(fields: list[Field], start: Tensor, end: Tensor, places: list[float]) -> tuple[list[float], list[float]]:
    """Return the cosine of the mean field with the line, and the field's norm, at each place: 0 is start, 1 is end.

    The cosine is NaN where the field or the line has no length.
    """
    line = (end - start).double()
    cosines, norms = [], []
    for place in places:
        v = torch.stack([field(torch.lerp(start, end, place)) for field in fields]).double().mean(0)
        norms.append(float(v.norm()))
        lengths = norms[-1] * float(line.norm())
        cosines.append(float(line @ v) / lengths if lengths > 0 else math.nan)
    return cosines, norms


def measure(evidence: Evidence, points: int, batches: int) -> Mapping[str, Any]:
    """Return the profiles of cosine and norm, and half of what the cosine falls by at the trained weights."""
    opened = [open_field(evidence, number) for number in range(batches)]
    start = flatten_parameters([evidence.first_parameters(player) for player in ("generator", "critic")])
    beyond = points // 4
    places = [k / points for k in range(points + beyond + 1)]
    cosines, norms = walk([field for field, _ in opened], start, opened[0][1], places)
    before, after = cosines[points - beyond : points], cosines[points + 1 :]
    return {
        "path-attraction": (fmean(before) - fmean(after)) / 2,
        "path-angle": Profile(cosines, x=places),
        "path-norm": Profile(norms, x=places),
    }


def build(points: Annotated[int, Ge(4), Le(400)] = 20, batches: Annotated[int, Ge(1)] = 4) -> Metric:
    """Build the cosine of v = (-grad_g L_G, -grad_d L_D) with the line from the first weights (0) to the trained (1).

    v is the mean over `batches` batches. Places are 1 / `points` apart, and go on to 1.25. Where the trained weights
    attract along the line, the cosine changes its sign at 1, from above 0 to below. Where the field turns round them,
    it is 0, or has a bump of one sign if they are near the centre but not in it. `path-attraction` is half of what the
    mean over the last quarter before 1 exceeds that over the quarter after it: 1 for attraction alone, 0 for rotation
    alone, -1 where weights are pushed away. All but norms is NaN for weights that did not move.

    The states of constraints, such as the vector of spectral norm, are those of the snapshot at every place. The
    gradient of a player that does not train is part of v, too. Raises GanbenchError for networks that grow.
    """
    return Metric(
        measure=partial(measure, points=points, batches=batches),
        values={"path-attraction": "neutral"},
        profiles=dict.fromkeys(("path-angle", "path-norm"), "place on the line"),
        needs="networks",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "path-angle",
        build,
        "The angle between the game's gradient field and the way from the first weights to the trained ones.",
        reference="Berard et al. 2020, arXiv:1906.04848, section 3.3",
        formula="cos(w1 - w0, v(w0 + a (w1 - w0))), v = (-grad_g L_G, -grad_d L_D)",
    )
