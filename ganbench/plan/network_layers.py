"""The layers of an architecture as they run: each with the shape of its output and its weights, without arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.plan.network_size import without_memory

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One call of a module: its name in the network, its kind, the shape of its output for one sample, its weights.

    The weights of a module that is called twice are counted at its first call.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int


def list_layers(space: Space, spec: Spec, ask: Ask) -> Mapping[str, list[Layer]]:
    """Return the layers of each network in the order of their calls, by "generator" and "critic".

    The networks run on tensors that have shapes but no memory. A growing network has the stage in its name. Raise what
    the space raises.
    """
    import torch

    with without_memory(), torch.no_grad():
        built = space.networks(spec, ask)
        stages = built if isinstance(built, tuple) else (built,)
        found: dict[str, list[Layer]] = {}
        for index, networks in enumerate(stages, start=1):
            stage = f", stage {index} of {len(stages)}" if len(stages) > 1 else ""
            found |= {f"{player}{stage}": layers for player, layers in trace_networks(networks, ask)}
        return found


def trace_networks(networks: Networks, ask: Ask) -> Iterator[tuple[str, list[Layer]]]:
    """Yield each network's name with its layers, from one call on two samples."""
    import torch

    labels = (torch.zeros(2, dtype=torch.long),) if networks.conditional else ()
    critic_labels = labels if networks.conditional is True else ()
    fake, layers = trace(networks.generator, torch.zeros(2, networks.latent + ask.latent), *labels)
    yield "generator", layers
    if networks.critic is not None:
        packed = torch.cat([fake] * ask.pack, 1)
        yield "critic", trace(networks.critic, packed, *critic_labels)[1]


def trace(net: nn.Module, *inputs: Tensor) -> tuple[Any, list[Layer]]:
    """Return a network's output, and its layers: modules without submodules, and those with weights of their own."""
    from torch import Tensor
    from torch.utils._pytree import tree_leaves

    layers: list[Layer] = []
    seen: set[str] = set()
    handles = []
    for name, module in net.named_modules():
        own = sum(weight.numel() for weight in module.parameters(recurse=False))
        if own or not list(module.children()):

            def add(module: nn.Module, _: Any, output: Any, name: str = name, own: int = own) -> None:
                shape = next((tuple(leaf.shape[1:]) for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), ())
                layers.append(Layer(name, name_kind(module), shape, 0 if name in seen else own))
                seen.add(name)

            handles.append(module.register_forward_hook(add))
    try:
        return net(*inputs), layers
    finally:
        for handle in handles:
            handle.remove()


def name_kind(module: nn.Module) -> str:
    """Return a module's class, and the kernel and stride of a convolution or pooling."""
    words = [type(module).__name__]
    for attribute, word in (("kernel_size", ""), ("stride", "stride ")):
        value = getattr(module, attribute, None)
        size = value if isinstance(value, tuple) else (value,) * 2
        if all(isinstance(each, int) for each in size) and not (attribute == "stride" and set(size) == {1}):
            words.append(word + "x".join(map(str, size if len(set(size)) > 1 or not word else size[:1])))
    return " ".join(words)
