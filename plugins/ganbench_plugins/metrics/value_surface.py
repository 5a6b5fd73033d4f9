"""The critic's value surface: its scores over a square of the plane, whose level sets show what it has learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from annotated_types import Ge, Le
from ganbench import Evidence, GanbenchError, Metric, Offer, Profile, hookimpl

Place = Annotated[float, Ge(-1e6), Le(1e6)]


def value_surface(lo: Place = -2.0, hi: Place = 2.0, points: Annotated[int, Ge(2), Le(300)] = 64) -> Metric:
    """Build the metric: scores on a lattice of points x points in [lo, hi]^2, edges included.

    The score is what the loss reads of the complete critic. `surface-range` is the largest score minus the smallest.
    Raises GanbenchError for data that is not in the plane, and for a critic without one score for each sample.
    """
    if not lo < hi:
        raise GanbenchError(f"lo = {lo:g} and hi = {hi:g}: give lo below hi.")

    def measure(evidence: Evidence) -> Mapping[str, float | Profile]:
        shape = tuple(evidence.source.shape)
        if shape != (2,):
            raise GanbenchError(
                f"the value surface is over the plane, and the data has shape {shape}. Use a dataset of points in the "
                "plane, such as 'ring' or 'swiss-roll', or leave the metric out."
            )
        ticks = torch.linspace(lo, hi, points)
        places = torch.cartesian_prod(ticks, ticks)
        scores = evidence.critic(places).detach().double()
        if scores.shape != (len(places),):
            raise GanbenchError(
                f"the critic answers with {list(scores.shape)} to {len(places)} samples, and the value surface has one "
                "score for each. Use a loss on scores, without packing."
            )
        x, y = places.double().T.tolist()
        surface = Profile(values=scores.tolist(), x=x, y=y)
        return {"surface-range": float(scores.max() - scores.min()), "critic-surface": surface}

    return Metric(
        measure=measure,
        values={"surface-range": "neutral"},
        profiles={"critic-surface": "x1, x2"},
        needs="networks",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "value-surface",
        value_surface,
        "The critic's scores over a square of the plane: are its level sets those of the data?",
        reference="Gulrajani et al. 2017, Improved Training of Wasserstein GANs, arXiv:1704.00028, figure 1b",
        formula="D(x1, x2) on a lattice of [lo, hi]^2",
    )
