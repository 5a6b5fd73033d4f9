"""Orthogonal regularisation: the filters of a layer shall be orthogonal, or orthonormal.

Brock, Lim, Ritchie, Weston 2017, "Neural Photo Editing with Introspective Adversarial Networks", arXiv:1609.07093,
equation 4; Brock, Donahue, Simonyan 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
arXiv:1809.11096, equations 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from ganbench import Constraint, Offer, Parameters, hookimpl
from torch import Tensor


def deviation(parameters: Parameters, form: str) -> Tensor:
    """Return the sum over weights W [out, -1] of |W W' - I|_F^2, or of the squares off its diagonal."""
    total = []
    for weight in parameters.values():
        if weight.ndim >= 2:
            gram = weight.flatten(1) @ weight.flatten(1).T
            eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            total.append((gram - eye if form == "full" else gram * (1 - eye)).square().sum())
    return sum(total[1:], total[0])


def build(
    form: Literal["off-diagonal", "full"] = "off-diagonal", player: Literal["critic", "generator"] = "generator"
) -> Constraint:
    """Build the term for one player's weights of two or more axes, as matrices [out, -1].

    "full" is |W W' - I|^2. "off-diagonal" leaves the norms of filters free, as BigGAN does (weight 1e-4): the authors'
    weight multiplies the sum of squares.
    """
    if player == "critic":
        return Constraint(critic=lambda play: deviation(play.critic_parameters, form))
    return Constraint(generator=lambda play: deviation(play.generator_parameters, form))


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "orthogonal",
        build,
        "Makes the filters of each layer orthogonal, in the generator or in the critic.",
        reference="Brock et al. 2019, arXiv:1809.11096, equation 3; full form: Brock et al. 2017, arXiv:1609.07093",
        formula="sum |W W' (1 - I)|^2, or sum |W W' - I|^2",
    )
