"""Plain gradient steps: the players alternate, or both step at once from one point.

Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1, alternates; Mescheder et al. 2018, arXiv:1801.04406, section 2
compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Dynamics, Offer, hookimpl


def alternate() -> Dynamics:
    """Build alternating steps: each player follows the gradient of its own loss after the other's last step."""
    return Dynamics()


def together() -> Dynamics:
    """Build simultaneous steps: each player follows its own loss's gradient, both taken at one point on one batch."""
    return Dynamics(together=True)


@hookimpl
def ganbench_dynamics() -> Iterator[Offer]:
    yield Offer(
        "alternating",
        alternate,
        "The players step in turn, each along the gradient of its own loss.",
        reference="Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1",
        formula="d <- d - h grad_d L_D(g, d), then g <- g - h grad_g L_G(g, d)",
    )
    yield Offer(
        "simultaneous",
        together,
        "Both players step at once, each along the gradient of its own loss.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, section 2",
        formula="(g, d) <- (g, d) - h (grad_g L_G, grad_d L_D)(g, d)",
    )
