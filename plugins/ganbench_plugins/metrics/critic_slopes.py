"""How steep the critic is: sampled norms of its gradient, a lower bound of its Lipschitz constant, and an upper bound.

Gulrajani et al. 2017, arXiv:1704.00028, section 4, where the norm is penalised; Gouk et al. 2018, arXiv:1804.04368,
section 3, for the product of the layers' spectral norms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import fmean
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor, nn
from torch.func import grad

PLAIN = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Flatten, nn.Identity, nn.Linear)
"""The modules of a chain whose Lipschitz constant is at most the product of the spectral norms of its layers."""


def find_norms(evidence: Evidence, number: int) -> dict[str, Tensor]:
    """Return the norms [n] of the critic's gradient at real, generated and mixed samples, and E r - E f as `em` [1]."""
    play = evidence.step(number).play(evidence.generator_parameters, evidence.critic_parameters)
    real, fake = play.real.detach(), play.fake.detach()
    mix = torch.rand(len(real), generator=torch.Generator().manual_seed(number)).to(real)
    mix = mix.reshape(-1, *(1 for _ in real.shape[1:]))
    places = {"real": real, "fake": fake, "between": mix * real + (1 - mix) * fake}

    def total(x: Tensor) -> Tensor:
        scores = play.score(x) if hasattr(play, "score") else play.critic(x)
        if scores.ndim != 1:
            raise GanbenchError("the loss of this method reads no scores of single samples. Leave the metric out.")
        return scores.sum()

    norms = {name: grad(total)(x).flatten(1).double().norm(dim=1) for name, x in places.items()}
    return {**norms, "em": ((total(real) - total(fake)) / len(real)).detach().double().reshape(1)}


def multiply_norms(evidence: Evidence) -> float:
    """Return the product of the spectral norms of a critic's linear layers; NaN if it is no plain chain of these."""
    module = evidence.networks.critic
    empty = (nn.Sequential, nn.ModuleDict, nn.ModuleList)
    leaves = [each for each in module.modules() if not list(each.children())] if module is not None else []
    layers = [each for each in leaves if not isinstance(each, empty)]
    names = {name for name, tensor in evidence.critic_parameters.items() if tensor.ndim > 1}
    linear = [each for each in layers if isinstance(each, nn.Linear)]
    if not linear or len(names) != len(linear) or not all(isinstance(each, PLAIN) for each in layers):
        return math.nan
    return math.prod(float(torch.linalg.matrix_norm(evidence.critic_parameters[name].double(), 2)) for name in names)


def measure(evidence: Evidence, batches: int) -> Mapping[str, float]:
    """Return the means of the norms at each place, the largest, E r - E f by it, and the product of spectral norms."""
    drawn = [find_norms(evidence, number) for number in range(batches)]
    joined = {name: torch.cat([norms[name] for norms in drawn]) for name in ("real", "fake", "between")}
    steepest = max(float(norms.max()) for norms in joined.values())
    em = fmean(float(norms["em"]) for norms in drawn)
    return {
        **{f"gradient-norm-{name}": float(norms.mean()) for name, norms in joined.items()},
        "max-gradient-norm": steepest,
        "em-per-slope": em / steepest if steepest > 0 else math.nan,
        "spectral-product": multiply_norms(evidence),
    }


def build(batches: Annotated[int, Ge(1)] = 4) -> Metric:
    """Build the norms of the critic's gradient by its input, at the samples of `batches` batches.

    `max-gradient-norm` is the largest norm found, a lower bound of the Lipschitz constant. `em-per-slope` is E r - E f
    of the scores divided by it: by the constant itself it would be at most W1, and W1 for the best critic; NaN for a
    flat one. `spectral-product` is the product of the spectral norms of the linear layers' raw weights, an upper bound
    for activations with slopes of at most 1 (softplus has, too); NaN for a critic with other layers, and not the
    trained critic's under a reparametrisation.
    """
    names = [
        "gradient-norm-real",
        "gradient-norm-fake",
        "gradient-norm-between",
        "max-gradient-norm",
        "em-per-slope",
        "spectral-product",
    ]
    return Metric(measure=partial(measure, batches=batches), values=dict.fromkeys(names, "neutral"), needs="networks")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "critic-slopes",
        build,
        "The norm of the critic's gradient at real, generated and mixed samples, and two bounds of its slope.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 4; Gouk et al. 2018, arXiv:1804.04368, section 3",
        formula="max_x |grad_x D(x)| <= Lip(D) <= prod_l |W_l|_2; (E D(x) - E D(G(z))) / Lip(D) <= W1",
    )
