"""How the gradient of the critic's loss runs back through its layers: vanishing, exploding or neither.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, figure 1b: with clipped weights the
norm grows or decays exponentially backwards, with a penalty it stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge
from ganbench import Evidence, GanbenchError, Metric, Offer, Profile, hookimpl
from torch import Tensor, nn

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
"""The layers whose outputs are looked at, in the order of their first call."""


def read_norms(evidence: Evidence, number: int) -> tuple[list[float], float]:
    """Return the norm of the loss's gradient by each layer's output, and by the critic's parameters, on one batch.

    A layer that is called for real, generated and mixed samples counts with all its calls together.
    """
    module = evidence.networks.critic
    if module is None:
        raise GanbenchError("this method has no critic. Leave the metric out.")
    calls: dict[nn.Module, list[Tensor]] = {}

    def keep(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        calls.setdefault(layer, []).append(output)

    g = evidence.generator_parameters
    d = {name: weights.clone().requires_grad_() for name, weights in evidence.critic_parameters.items()}
    with ExitStack() as stack, torch.enable_grad():
        for layer in module.modules():
            if isinstance(layer, LAYERS):
                stack.callback(layer.register_forward_hook(keep).remove)
        loss = evidence.step(number).objective("critic", g, d)
        outputs = [output for several in calls.values() for output in several]
        slopes = torch.autograd.grad(loss, [*outputs, *d.values()], allow_unused=True, materialize_grads=True)
    norms, place = [], 0
    for several in calls.values():
        norms.append(join(slopes[place : place + len(several)]))
        place += len(several)
    return norms, join(slopes[place:])


def join(tensors: Sequence[Tensor]) -> float:
    """Return the Euclidean norm of all numbers of some tensors together."""
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))


def fit_slope(norms: Sequence[float]) -> float:
    """Return by how many decades a norm grows from one layer to the one before it: least squares of log10.

    NaN for fewer than two layers, or if a norm is 0.
    """
    if len(norms) < 2 or min(norms) <= 0:
        return math.nan
    x = torch.arange(len(norms), dtype=torch.float64)
    y = torch.tensor(norms, dtype=torch.float64).log10()
    x = x - x.mean()
    return -float((x * y).sum() / x.square().sum())


def measure(evidence: Evidence, batches: int) -> Mapping[str, Any]:
    """Return the root mean squares over batches of the norms by layer, their slope, and the norm by the parameters."""
    drawn = [read_norms(evidence, number) for number in range(batches)]
    norms = [
        math.sqrt(sum(norm**2 for norm in several) / batches) for several in zip(*(n for n, _ in drawn), strict=True)
    ]
    whole = math.sqrt(sum(norm**2 for _, norm in drawn) / batches)
    profile = Profile(norms, x=range(1, len(norms) + 1))
    return {"critic-gradient": whole, "critic-gradient-slope": fit_slope(norms), "critic-gradient-by-layer": profile}


def build(batches: Annotated[int, Ge(1)] = 4) -> Metric:
    """Build the gradient norms of the critic's loss, without its terms, over `batches` batches of the training's size.

    `critic-gradient-by-layer` is at the outputs of the linear and convolutional layers, 1 for the first after the
    input; the loss is a mean, so norms shrink with the root of the batch size, all alike. `critic-gradient-slope` is in
    decades per layer, positive if the norm grows on its way back to the input. `critic-gradient` is by all parameters.
    """
    return Metric(
        measure=partial(measure, batches=batches),
        values={"critic-gradient": "neutral", "critic-gradient-slope": "neutral"},
        profiles={"critic-gradient-by-layer": "layer"},
        needs="networks",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "critic-gradients",
        build,
        "The norm of the critic's gradient at each of its layers.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 3, figure 1b",
        formula="|grad_{h_l} L_D|, and the slope of its log10 over l, backwards",
    )
