"""What a recorded step need not do: look at a tensor as it already is, multiply by one, or carry zeros about.

A penalty on a gradient is differentiated twice, and the second derivative of a rectifier is zero: autograd carries that
zero back through the whole network, a sixth of the multiplications of a WGAN-GP step (3 x 64).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten

SAME = {aten.detach.default, aten.alias.default, aten.lift_fresh.default}
VIEWS = {aten.view.default, aten._unsafe_view.default, aten.expand.default, aten.reshape.default}
ONES: dict[Any, float] = {aten.mul.Scalar: 1, aten.mul.Tensor: 1, aten.div.Scalar: 1, aten.pow.Tensor_Scalar: 1}
"""Operations that change nothing if their second argument is this number."""

ZEROS = {aten.zeros_like.default, aten.zeros.default, aten.new_zeros.default}
ZERO_IF_FIRST = {
    *VIEWS,
    *(aten.transpose.int, aten.t.default, aten.permute.default, aten.unsqueeze.default, aten.squeeze.dims),
    *(aten.sum.dim_IntList, aten.sum.default, aten.mean.dim, aten.neg.default, aten.mul.Scalar, aten.div.Scalar),
    *(aten.threshold_backward.default, aten.tanh_backward.default, aten.sigmoid_backward.default),
    *(aten.leaky_relu_backward.default, aten.softplus_backward.default),
}
ZERO_IF_EITHER = {aten.mul.Tensor, aten.mm.default, aten.bmm.default}


def simplify(graph: fx.Graph) -> None:
    """Take out of a graph of aten operations what changes no number; one that writes in place is left as it is.

    A member that is not finite may become so a little differently: zero times infinity is no number.
    """
    if any(writes(node.target) for node in graph.nodes if node.op == "call_function"):
        return
    zeros: set[fx.Node] = set()
    seen: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if is_zero(node, zeros):
            zeros.add(node)
            continue
        other = find_unchanged(node, zeros) or find_twin(node, seen)
        if other is not None:
            node.replace_all_uses_with(other)
    for node in zeros:
        materialise(graph, node, zeros)
    graph.eliminate_dead_code()


def writes(target: Any) -> bool:
    """Tell whether an operation changes one of its arguments, or draws random numbers."""
    if not isinstance(target, torch._ops.OpOverload):  # an index into what an operation gave
        return False
    mutable: bool = target._schema.is_mutable
    return mutable or torch.Tag.nondeterministic_seeded in target.tags


def is_zero(node: fx.Node, zeros: set[fx.Node]) -> bool:
    """Tell whether all of a node's numbers are zero whatever the inputs."""
    first_zero = bool(node.args) and node.args[0] in zeros
    return (
        node.target in ZEROS
        or (node.target in ZERO_IF_FIRST and first_zero)
        or (node.target in ZERO_IF_EITHER and any(arg in zeros for arg in node.args))
        or (node.target is aten.add.Tensor and all(arg in zeros for arg in node.args[:2]))
    )


def find_unchanged(node: fx.Node, zeros: set[fx.Node]) -> fx.Node | None:
    """Give the node whose numbers, shape and precision this one only repeats."""
    candidate: Any = node.args[0] if node.args else None
    if node.target is aten.add.Tensor and not node.kwargs:
        left, right = node.args[0], node.args[1]
        candidate = right if left in zeros else left if right in zeros else None
    elif node.target in ONES:
        candidate = candidate if node.args[1] == ONES[node.target] else None
    elif node.target not in SAME | VIEWS:
        return None
    return (
        candidate
        if isinstance(candidate, fx.Node) and tensor_kind(candidate) == tensor_kind(node) is not None
        else None
    )


def find_twin(node: fx.Node, seen: dict[Any, fx.Node]) -> fx.Node | None:
    """Give an earlier node that is the same operation on the same arguments."""
    key = (node.target, freeze(node.args), freeze(node.kwargs))
    earlier = seen.setdefault(key, node)
    return None if earlier is node else earlier


def freeze(value: Any) -> Any:
    """Give arguments as something that can be looked up; 1 and 1.0 stay apart."""
    if isinstance(value, dict):
        return tuple((key, freeze(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(freeze, value))
    return (type(value), value)


def tensor_kind(node: fx.Node) -> Any:
    """Give what a stand-in must share: shape, type, and how the numbers lie."""
    value = node.meta.get("val")
    return (value.shape, value.dtype, value.stride()) if isinstance(value, torch.Tensor) else None


def materialise(graph: fx.Graph, node: fx.Node, zeros: set[fx.Node]) -> None:
    """Make zeros that somebody still reads without computing what they came from."""
    if node.target in ZEROS or all(user in zeros for user in node.users):
        return
    value: torch.Tensor = node.meta["val"]
    with graph.inserting_before(node):
        plain: Callable[..., Any] = aten.zeros.default
        made = graph.call_function(plain, (list(value.shape),), {"dtype": value.dtype, "device": value.device})
    node.replace_all_uses_with(made, delete_user_cb=lambda user: user not in zeros)
