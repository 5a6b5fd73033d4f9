"""Record a function of tensors once, as a straight line of torch's own operations, and replay it in every step.

A replay gives the same bits as a call, because it runs the same kernels in the same order. It saves the time of Python
and of autograd, and the work that autograd does on zeros (`engine.replay_simplify`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.plugin_state import ReplayDiffers
from ganbench.engine.random_streams import Member
from ganbench.engine.recorder import record_operations
from ganbench.engine.replay_simplify import simplify
from ganbench.errors import describe

Function = Callable[[Any, Any], Any]
"""A function from two trees of tensors, `persistent` and `inputs`, to one. Mappings and tuples are branches."""

COMPARED_EVERY = 1024
"""One in so many replays of a player, at random, is compared with a call."""

REPEATS = 8
"""How often a recording is replayed to find out whether the kernels of a device repeat their own values."""

UNREPEATABLE = "the kernels of this device do not repeat their own bits"
"""Why a step is called, if equal inputs do not give equal values, and no Python is the cause."""


class Recording:
    """A recorded function: `graph` has its operations, `output_tree` the structure of its value.

    It replays with the current values of the tensors that were persistent, or of others in their place.
    """

    def __init__(self, graph: fx.Graph, persistent: Any, output_tree: Any) -> None:
        self.graph, self.persistent, self.output_tree = graph, persistent, output_tree
        self.operations = compile_straight_line(graph)

    def __call__(self, inputs: Any) -> Any:
        """Return the value of the function for these inputs."""
        return self.run(self.persistent, inputs)

    def run(self, persistent: Any, inputs: Any) -> Any:
        """Return the value of the function for these inputs and persistent tensors."""
        with torch.no_grad():
            return refill(self.output_tree, self.operations(*iterate_leaves(persistent), *iterate_leaves(inputs)))


def record(function: Function, persistent: Any, inputs: Any, simplified: bool = True) -> Recording:
    """Record `function(persistent, inputs)`, and return it as a function of `inputs` that replays the recording.

    A replay takes inputs of the same shapes, and reads the current values of the tensors in `persistent`. Every tensor
    that changes between calls must be in `persistent` or in `inputs`, even where the function reads it through a
    closure: all other tensors are treated as constants. Raise what the recording raises, for instance where Python code
    reads a tensor's value. With `simplified` what changes no number is removed (`engine.replay_simplify`).
    """
    output_tree: list[Any] = []

    def flat_function(*tensors: Tensor) -> list[Tensor]:
        output = function(*refill((persistent, inputs), tensors))
        output_tree[:] = [output]
        return list(iterate_leaves(output))

    graph = record_operations(flat_function, [*iterate_leaves(persistent), *iterate_leaves(inputs)])
    if simplified:
        simplify(graph)
    return Recording(graph, tuple(iterate_leaves(persistent)), output_tree[0])


class RecordedStep:
    """`function(persistent, inputs)` as a function of `inputs`: recorded at the first call, replayed from the third on.

    At the second call, the replay must give the same bits as the function. If it does not, or if the function cannot
    be recorded, then the function is called every time. `recorded` is whether calls are replayed; it is None until this
    is decided. `refusal` is why they are not, in words. A replay is compared with the function again in each call for
    which `is_compared()` is true.
    """

    def __init__(self, function: Function, persistent: Any, is_compared: Callable[[], bool] = lambda: False) -> None:
        self.function, self.persistent, self.is_compared = function, persistent, is_compared
        self.calls, self.recorded = 0, None  # type: int, bool | None
        self.refusal = ""
        self.replay: Recording

    def __call__(self, inputs: Any) -> Any:
        """Return the value of the function, by a replay once it is recorded.

        Raise ReplayDiffers if a comparison finds that equal inputs no longer give equal values.
        """
        if self.recorded:
            replayed = self.replay(inputs)
            if self.is_compared() and not have_same_finite_members(replayed, self._call(inputs)):
                self._require_repeatable_kernels(inputs, replayed)
            return replayed
        output = self._call(inputs)
        if self.recorded is None:
            self.calls += 1
            self._record_or_compare(inputs, output)
        return output

    def _call(self, inputs: Any) -> Any:
        return self.function(self.persistent, inputs)

    def _record_or_compare(self, inputs: Any, output: Any) -> None:
        if self.calls == 2:
            replayed = self.replay(inputs)
            pairs = zip(iterate_leaves(replayed), iterate_leaves(output), strict=True)
            self.recorded = all(have_same_values(a, b) for a, b in pairs)
            if not self.recorded:
                self.refusal = self._explain_difference(inputs, output, replayed)
            return
        try:
            self.replay = record(self.function, self.persistent, inputs)
        except Exception as error:  # a plugin may do what cannot be recorded, and raise any exception then
            logging.getLogger("ganbench").info("a step cannot be recorded; it is called instead", exc_info=True)
            self.recorded = False
            self.refusal = f"a recording of them failed: {describe(error).partition(chr(10))[0][:200]}"

    def _explain_difference(self, inputs: Any, output: Any, replayed: Any) -> str:
        """Return why a replay has other bits than the call; raise ReplayDiffers if Python is the cause."""
        if not have_same_finite_members(self._call(inputs), output):
            self._require_repeatable_kernels(inputs, replayed)
            return UNREPEATABLE
        return "a replay gives other bits than a call" if self._repeats(inputs, replayed) else UNREPEATABLE

    def _require_repeatable_kernels(self, inputs: Any, replayed: Any) -> None:
        """Raise ReplayDiffers, unless the recording, in which no Python runs, does not repeat its own values either."""
        if self._repeats(inputs, replayed):
            raise ReplayDiffers(partial(self._call, inputs))

    def _repeats(self, inputs: Any, replayed: Any) -> bool:
        return all(have_same_finite_members(self.replay(inputs), replayed) for _ in range(REPEATS))


def is_chosen(member: Member, player: str, count: int) -> bool:
    """Return whether a player's replay after `count` updates is one of those that are compared at random.

    It depends on nothing else, so a training that is continued or repeated compares the same replays.
    """
    block, place = divmod(count, COMPARED_EVERY)
    return place == member.stream_seed(f"comparison.{player}", block) % COMPARED_EVERY


def have_same_values(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors have equal values, with non-finite ones replaced as `nan_to_num` does."""
    return torch.equal(a.nan_to_num(), b.nan_to_num())


def have_same_finite_members(replayed: Any, called: Any) -> bool:
    """Return whether two trees of tensors [S, ...] have equal values for each member that is finite in `called`.

    A member that has diverged may differ: a replay leaves out products with zero (`engine.replay_simplify`).
    """
    pairs = list(zip(iterate_leaves(replayed), iterate_leaves(called), strict=True))
    finite = torch.stack([b.isfinite().unsqueeze(-1).flatten(1).all(1) for _, b in pairs]).all(0)
    return all(have_same_values(a[finite], b[finite]) for a, b in pairs)


class RecordedLoop:
    """A function of all members as one `RecordedStep` for each member, whose values are put together.

    `function` takes any number of members, and `persistent` has the persistent tensors of each.
    """

    def __init__(self, function: Function, persistent: Iterable[Any], is_compared: Callable[[], bool]) -> None:
        self.steps = [RecordedStep(function, tensors, is_compared) for tensors in persistent]

    @property
    def recorded(self) -> bool | None:
        """Whether the calls of every member are replayed; None until this is decided."""
        return None if any(step.recorded is None for step in self.steps) else all(step.recorded for step in self.steps)

    @property
    def refusal(self) -> str:
        """Why the calls of a member are not replayed: the first member's for which it is so."""
        return next((step.refusal for step in self.steps if step.refusal), "")

    def __call__(self, inputs: Any) -> Any:
        """Return the value of the function for all members."""
        parts = map_leaves(lambda t: list(t.split(1)), inputs)
        results = [step(map_leaves(lambda part, i=i: part[i], parts)) for i, step in enumerate(self.steps)]
        return map_leaves(lambda *leaves: torch.cat(leaves), *results)


def compile_straight_line(graph: fx.Graph) -> Callable[..., tuple[Tensor, ...]]:
    """Return a recorded graph as a Python function: a line for each operation, each tensor freed after its last use."""
    names: dict[fx.Node, str] = {}
    namespace: dict[str, Any] = {}
    inputs: list[str] = []
    lines: list[str] = []
    last_uses = find_last_uses(graph)

    def expression(value: Any) -> str:
        if isinstance(value, fx.Node):
            return names[value]
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(expression, value))}]"
        namespace[name := f"k{len(namespace)}"] = value
        return name

    for node in graph.nodes:
        if node.op == "output":
            (results,) = node.args
            lines.append(f"return ({', '.join(map(expression, results))},)")
            continue
        name = names[node] = f"v{len(names)}"
        if node.op == "placeholder":
            inputs.append(name)
        elif node.op == "get_attr":
            namespace[name] = node.meta["constant"]
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
