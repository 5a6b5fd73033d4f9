"""A function of tensors, recorded once as a straight line of torch's own operations, and replayed step after step.

Replaying gives the same bits as calling: the same kernels in the same order. What is saved is Python's and autograd's
own time, and the work that autograd does on zeros (`engine.shortcuts`).
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
"""From two trees of tensors (mappings and tuples are branches) to one."""


def record(function: Function, held: Any, given: Any) -> Callable[[Any], Any]:
    """Record `function(held, given)`; the tape takes other `given` of the same shapes and reads `held` as it then is.

    Every tensor that changes between calls must be in `held` or `given`, even where the function reads it through a
    closure: all others are taken for constants. Raises whatever the recording raises, for instance where Python
    looks at a tensor's value.
    """
    fixed = tuple(iterate_leaves(held))
    shape: list[Any] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        out = function(*refill((held, given), tensors))
        shape[:] = [out]
        return list(iterate_leaves(out))

    recorded = make_fx(flat)(*fixed, *iterate_leaves(given))
    replay = compile_straight_line(recorded)

    def play(now: Any) -> Any:
        with torch.no_grad():
            return refill(shape[0], replay(*fixed, *iterate_leaves(now)))

    return play


class RecordedStep:
    """`function(held, given)` as a function of `given`: recorded at the first call, replayed from the third on.

    At the second the tape must give the very bits of the function; if it does not, or if the function cannot be
    recorded, there is no tape and the function is called every time. `taped` says which it came to, None before.
    """

    def __init__(self, function: Function, held: Any) -> None:
        self.function, self.held = function, held
        self.calls, self.recorded = 0, None  # type: int, bool | None
        self.replay: Callable[[Any], Any]

    def __call__(self, given: Any) -> Any:
        """Give the function's value."""
        if self.recorded:
            return self.replay(given)
        out = self.function(self.held, given)
        if self.recorded is None:
            self.calls += 1
            self._rehearse(given, out)
        return out

    def _rehearse(self, given: Any, out: Any) -> None:
        if self.calls == 2:
            pairs = zip(iterate_leaves(self.replay(given)), iterate_leaves(out), strict=True)
            self.recorded = all(same_numbers(one, other) for one, other in pairs)
            return
        try:
            self.replay = record(self.function, self.held, given)
        except Exception:  # whatever a plugin does that only a plain call can do
            logging.getLogger("ganbench").info("a step cannot be recorded; it is called instead", exc_info=True)
            self.recorded = False


def same_numbers(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors hold the same numbers, NaN for NaN."""
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def compile_straight_line(recorded: fx.GraphModule) -> Callable[..., tuple[Tensor, ...]]:
    """Make a Python function of a recorded graph: one line an operation, each tensor let go after its last use."""
    simplify(recorded.graph)
    names: dict[fx.Node, str] = {}
    known: dict[str, Any] = {}
    inputs: list[str] = []
    lines: list[str] = []
    last_uses = find_last_uses(recorded.graph)

    def written(value: Any) -> str:
        if isinstance(value, fx.Node):
            return names[value]
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(written, value))}]"
        known[name := f"k{len(known)}"] = value
        return name

    for node in recorded.graph.nodes:
        if node.op == "output":
            (results,) = node.args
            lines.append(f"return ({', '.join(map(written, results))},)")
            continue
        name = names[node] = f"v{len(names)}"
        if node.op == "placeholder":
            inputs.append(name)
        elif node.op == "get_attr":
            known[name] = getattr(recorded, node.target)
        else:
            words = [*map(written, node.args), *(f"{key}={written(value)}" for key, value in node.kwargs.items())]
            known[call := f"f{len(known)}"] = getattr(node.target, "_op", node.target)  # one Python frame less a call
            lines.append(f"{name} = {call}({', '.join(words)})")
        if spent := [names[each] for each in last_uses.get(node, ()) if each.op == "call_function"]:
            lines.append(f"del {', '.join(spent)}")
    body = "\n    ".join(lines)
    exec(f"def replay({', '.join(inputs)}):\n    {body}", known)  # our own text: names and operations, no input's
    replay: Callable[..., tuple[Tensor, ...]] = known["replay"]
    return replay


def find_last_uses(graph: fx.Graph) -> dict[fx.Node, list[fx.Node]]:
    """Give for each node those that nobody reads after it."""
    last: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        for needed in node.all_input_nodes:
            last[needed] = node
    found: dict[fx.Node, list[fx.Node]] = {}
    for needed, node in last.items():
        if node.op != "output":
            found.setdefault(node, []).append(needed)
    return found


def refill(tree: Any, tensors: Iterable[Tensor]) -> Any:
    """Give a tree of this shape with other tensors."""
    others = iter(tensors)
    return map_leaves(lambda _: next(others), tree)
