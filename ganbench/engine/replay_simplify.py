"""Remove from a recorded step the operations that change nothing: views, products with one, and products of zeros.

A penalty on a gradient is differentiated twice, and the second derivative of a rectifier is zero. Autograd propagates
that zero back through the whole network: one sixth of the multiplications of a WGAN-GP step (3 x 64).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from ganbench.engine.recorder import Form

aten = torch.ops.aten

IDENTITIES = {aten.detach.default, aten.alias.default, aten.lift_fresh.default}
VIEWS = {aten.view.default, aten._unsafe_view.default, aten.expand.default, aten.reshape.default}
ONES: dict[Any, float] = {aten.mul.Scalar: 1, aten.mul.Tensor: 1, aten.div.Scalar: 1, aten.pow.Tensor_Scalar: 1}
"""Operations that return their first argument unchanged if the second argument is this number."""

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
    """Remove, in place, the operations of an aten graph that change no number.

    A graph with an operation that writes in place or draws random numbers is left as it is. In a member that is not
    finite, other values may become non-finite than without the simplification, because zero times infinity is NaN.
    """
    if any(is_impure(node.target) for node in graph.nodes if node.op == "call_function"):
        return
    zeros: set[fx.Node] = set()
    seen: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if is_zero(node, zeros):
            zeros.add(node)
            continue
        equal_node = find_unchanged(node, zeros) or find_duplicate(node, seen)
        if equal_node is not None:
            node.replace_all_uses_with(equal_node)
    for node in zeros:
        replace_with_zeros(graph, node, zeros)
    graph.eliminate_dead_code()


def is_impure(target: Any) -> bool:
    """Return whether an operation changes one of its arguments or draws random numbers."""
    if not isinstance(target, torch._ops.OpOverload):  # an index into an operation's tuple of results
        return False
    mutable: bool = target._schema.is_mutable
    return mutable or torch.Tag.nondeterministic_seeded in target.tags


def is_zero(node: fx.Node, zeros: set[fx.Node]) -> bool:
    """Return whether all values of a node are zero for every input; `zeros` are the nodes known to be zero."""
    first_zero = bool(node.args) and node.args[0] in zeros
    return (
        node.target in ZEROS
        or (node.target in ZERO_IF_FIRST and first_zero)
        or (node.target in ZERO_IF_EITHER and any(arg in zeros for arg in node.args))
        or (node.target is aten.add.Tensor and all(arg in zeros for arg in node.args[:2]))
    )


def find_unchanged(node: fx.Node, zeros: set[fx.Node]) -> fx.Node | None:
    """Return the argument that this node returns unchanged in values, shape, type and strides, or None."""
    candidate: Any = node.args[0] if node.args else None
    if node.target is aten.add.Tensor and not node.kwargs:
        left, right = node.args[0], node.args[1]
        candidate = right if left in zeros else left if right in zeros else None
    elif node.target in ONES:
        candidate = candidate if node.args[1] == ONES[node.target] else None
    elif node.target not in IDENTITIES | VIEWS:
        return None
    return (
        candidate
        if isinstance(candidate, fx.Node) and tensor_layout(candidate) == tensor_layout(node) is not None
        else None
    )


def find_duplicate(node: fx.Node, seen: dict[Any, fx.Node]) -> fx.Node | None:
    """Return an earlier node that is the same operation on the same arguments, or None; `seen` is updated."""
    key = (node.target, freeze(node.args), freeze(node.kwargs))
    earlier = seen.setdefault(key, node)
    return None if earlier is node else earlier


def freeze(value: Any) -> Any:
    """Return a node's arguments as a hashable value in which 1 and 1.0 differ."""
    if isinstance(value, dict):
        return tuple((key, freeze(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(freeze, value))
    return (type(value), value)


def tensor_layout(node: fx.Node) -> Any:
    """Return the shape, type and strides of a node's value; None if the value is not a tensor."""
    form = node.meta.get("form")
    return None if form is None else form[:3]


def replace_with_zeros(graph: fx.Graph, node: fx.Node, zeros: set[fx.Node]) -> None:
    """Replace a zero node by a new `zeros` operation if a node that is not zero still uses it."""
    if node.target in ZEROS or all(user in zeros for user in node.users):
        return
    form: Form = node.meta["form"]
    with graph.inserting_before(node):
        operation: Callable[..., Any] = aten.zeros.default
        fresh = graph.call_function(operation, (list(form.shape),), {"dtype": form.dtype, "device": form.device})
        fresh.meta["form"] = form
    node.replace_all_uses_with(fresh, delete_user_cb=lambda user: user not in zeros)
