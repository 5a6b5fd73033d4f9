"""Extragradient: both players step along the gradient taken one step ahead, from where they are now.

Korpelevich 1976; Gidel et al. 2018, "A Variational Inequality Perspective on Generative Adversarial Networks",
arXiv:1802.10551.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from ganbench import Dynamics, Losses, Offer, Parameters, Scalar, hookimpl
from torch.func import grad


def extrapolate(losses: Losses, g: Parameters, d: Parameters, lr: Scalar) -> tuple[Parameters, Parameters]:
    """Return both players' parameters after one plain simultaneous step of gradient descent."""
    of_g, _ = grad(losses.generator, argnums=0, has_aux=True)(g, d)
    of_d, _ = grad(losses.critic, argnums=1, has_aux=True)(g, d)
    ahead_g = {name: weights - lr * of_g[name] for name, weights in g.items()}
    ahead_d = {name: weights - lr * of_d[name] for name, weights in d.items()}
    return ahead_g, ahead_d


def build(lr: Scalar = 1e-4) -> Dynamics:
    """Build each player's gradient at the extrapolated point, on the step's own batch.

    `lr` is the learning rate of the extrapolation; in the classical method it equals the optimizer's.
    """

    def move(player: Literal["generator", "critic"], own: int) -> Callable[..., tuple[Parameters, Any]]:
        def gradients(losses: Losses, g: Parameters, d: Parameters) -> tuple[Parameters, Any]:
            return grad(getattr(losses, player), argnums=own, has_aux=True)(*extrapolate(losses, g, d, lr))

        return gradients

    return Dynamics(generator=move("generator", 0), critic=move("critic", 1), together=True)


@hookimpl
def ganbench_dynamics() -> Iterator[Offer]:
    yield Offer(
        "extragradient",
        build,
        "Both players step along the gradient found one step ahead.",
        reference="Gidel et al. 2018, arXiv:1802.10551, section 3",
        formula="grad L(w - lr grad L(w)), both players at once",
    )
