"""Lookahead for games: after some steps, both players go back part of the way to where they were before these steps.

Chavdarova, Pagliardini, Stich, Fleuret, Jaggi 2021, "Taming GANs with Lookahead-Minimax", arXiv:2006.14567.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from annotated_types import Ge, Gt, Le
from ganbench import Dynamics, Offer, hookimpl


def build(
    steps: Annotated[int, Ge(1)] = 5, share: Annotated[float, Gt(0), Le(1)] = 0.5, together: bool = False
) -> Dynamics:
    """Build the rule that after every `steps` generator steps both players keep a `share` of their way (algorithm 1).

    The slow weights move this share towards the weights, and the weights return to them; the optimizers' states stay.
    With `together=True` the steps themselves are simultaneous, otherwise alternating. A share of 1 changes nothing.
    With the optimizer 'extra-adam', use an even number of steps, so that no look ahead of its own is cut off.
    """
    return Dynamics(together=together, lookahead=(steps, share))


@hookimpl
def ganbench_dynamics() -> Iterator[Offer]:
    yield Offer(
        "lookahead",
        build,
        "Both players go back part of the way after every few steps.",
        reference="Chavdarova et al. 2021, arXiv:2006.14567, algorithm 1",
        formula="every k steps: slow <- slow + a (w - slow), w <- slow, for both players",
    )
