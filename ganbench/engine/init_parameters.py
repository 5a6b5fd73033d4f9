"""Which of the critic's parameters the `init` of a term receives."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ganbench.api.training import Parameters, Term

NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
"""torch's layers whose parameters scale and shift what they normalise."""


def choose_parameters(term: Term, parameters: dict[str, Tensor], critic: nn.Module | None) -> Parameters:
    """Return what a term's `init` receives: all parameters of the critic, or only the weights of its layers.

    A bias is known by its name, also in a normalisation that is not torch's.
    """
    if not term.weights_only or critic is None:
        return parameters
    norms = {
        f"{path}.{name}".lstrip(".")
        for path, module in critic.named_modules()
        if isinstance(module, NORMALISATIONS)
        for name, _ in module.named_parameters(recurse=False)
    }
    return {n: p for n, p in parameters.items() if n not in norms and n.rsplit(".", 1)[-1] != "bias"}
