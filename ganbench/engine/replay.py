"""Record a function of tensors once, as a straight line of torch's own operations, and replay it in every step.

A replay gives the same bits as a call, because it runs the same kernels in the same order. It saves the time of Python
and of autograd, and the work that autograd does on zeros (`engine.replay_simplify`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.replay_simplify import simplify

Function = Callable[[Any, Any], Any]
"""A function from two trees of tensors, `persistent` and `inputs`, to one. Mappings and tuples are branches."""


def record(function: Function, persistent: Any, inputs: Any) -> Callable[[Any], Any]:
    """Record `function(persistent, inputs)`, and return it as a function of `inputs` that replays the recording.

    A replay takes inputs of the same shapes, and reads the current values of the tensors in `persistent`. Every tensor
    that changes between calls must be in `persistent` or in `inputs`, even where the function reads it through a
    closure: all other tensors are treated as constants. Raise what the recording raises, for instance where Python code
    reads a tensor's value.
    """
    fixed = tuple(iterate_leaves(persistent))
    output_tree: list[Any] = []

    def flat_function(*tensors: Tensor) -> list[Tensor]:
        output = function(*refill((persistent, inputs), tensors))
        output_tree[:] = [output]
        return list(iterate_leaves(output))

    recorded = make_fx(flat_function)(*fixed, *iterate_leaves(inputs))
    run_operations = compile_straight_line(recorded)

    def replay(new_inputs: Any) -> Any:
        with torch.no_grad():
            return refill(output_tree[0], run_operations(*fixed, *iterate_leaves(new_inputs)))

    return replay


class RecordedStep:
    """`function(persistent, inputs)` as a function of `inputs`: recorded at the first call, replayed from the third on.

    At the second call, the replay must give the same bits as the function. If it does not, or if the function cannot
    be recorded, then the function is called every time. `recorded` is whether calls are replayed; it is None until this
    is decided.
    """

    def __init__(self, function: Function, persistent: Any) -> None:
        self.function, self.persistent = function, persistent
        self.calls, self.recorded = 0, None  # type: int, bool | None
        self.replay: Callable[[Any], Any]

    def __call__(self, inputs: Any) -> Any:
        """Return the value of the function, by a replay once it is recorded."""
        if self.recorded:
            return self.replay(inputs)
        output = self.function(self.persistent, inputs)
        if self.recorded is None:
            self.calls += 1
            self._record_or_compare(inputs, output)
        return output

    def _record_or_compare(self, inputs: Any, output: Any) -> None:
        if self.calls == 2:
            pairs = zip(iterate_leaves(self.replay(inputs)), iterate_leaves(output), strict=True)
            self.recorded = all(have_same_values(replayed, expected) for replayed, expected in pairs)
            return
        try:
            self.replay = record(self.function, self.persistent, inputs)
        except Exception:  # a plugin may do what cannot be recorded, and raise any exception then
            logging.getLogger("ganbench").info("a step cannot be recorded; it is called instead", exc_info=True)
            self.recorded = False


def have_same_values(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors have equal values, with non-finite ones replaced as `nan_to_num` does."""
    return torch.equal(a.nan_to_num(), b.nan_to_num())


def compile_straight_line(recorded: fx.GraphModule) -> Callable[..., tuple[Tensor, ...]]:
    """Return a recorded graph as a Python function: a line for each operation, each tensor freed after its last use."""
    simplify(recorded.graph)
    names: dict[fx.Node, str] = {}
    namespace: dict[str, Any] = {}
    inputs: list[str] = []
    lines: list[str] = []
    last_uses = find_last_uses(recorded.graph)

    def expression(value: Any) -> str:
        if isinstance(value, fx.Node):
            return names[value]
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(expression, value))}]"
        namespace[name := f"k{len(namespace)}"] = value
        return name

    for node in recorded.graph.nodes:
        if node.op == "output":
            (results,) = node.args
            lines.append(f"return ({', '.join(map(expression, results))},)")
            continue
        name = names[node] = f"v{len(names)}"
        if node.op == "placeholder":
            inputs.append(name)
        elif node.op == "get_attr":
            namespace[name] = getattr(recorded, node.target)
        else:
            arguments = map(expression, node.args)
            options = (f"{key}={expression(value)}" for key, value in node.kwargs.items())
            words = [*arguments, *options]
            # `_op` saves one Python frame in each call
            namespace[operation := f"f{len(namespace)}"] = getattr(node.target, "_op", node.target)
            lines.append(f"{name} = {operation}({', '.join(words)})")
        if finished := [names[used] for used in last_uses.get(node, ()) if used.op == "call_function"]:
            lines.append(f"del {', '.join(finished)}")
    body = "\n    ".join(lines)
    # the text is generated here, from names and numbers only; no text of a user is in it
    exec(f"def run_operations({', '.join(inputs)}):\n    {body}", namespace)
    run_operations: Callable[..., tuple[Tensor, ...]] = namespace["run_operations"]
    return run_operations


def find_last_uses(graph: fx.Graph) -> dict[fx.Node, list[fx.Node]]:
    """Return, for each node, the nodes that are used for the last time by it (the output excepted)."""
    last_users: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        for used in node.all_input_nodes:
            last_users[used] = node
    last_uses: dict[fx.Node, list[fx.Node]] = {}
    for used, node in last_users.items():
        if node.op != "output":
            last_uses.setdefault(node, []).append(used)
    return last_uses


def refill(tree: Any, tensors: Iterable[Tensor]) -> Any:
    """Return a tree of the same structure with these tensors as its leaves, in order."""
    remaining = iter(tensors)
    return map_leaves(lambda _: next(remaining), tree)
