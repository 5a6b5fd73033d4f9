"""The gradients of all members by our own kernels: one member's update is recorded and lowered, then run for each.

What one member computes stays in the processor's cache, no Python runs between operations, and a member's numbers do
not depend on who trains beside it. They are those of torch up to rounding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch._decomp import core_aten_decompositions, decomposition_table

from ganbench.engine import kernels
from ganbench.engine.ensemble import Ensemble, list_convolutions
from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.layout import Layout
from ganbench.engine.lowering import NotLowered
from ganbench.engine.lowering_rules import is_known
from ganbench.engine.plugin_state import ReplayDiffers
from ganbench.engine.recorder import record_operations
from ganbench.engine.replay import Function, Recording, have_same_finite_members, record, refill
from ganbench.engine.replay_simplify import simplify

COMPARED_CALLS = 3
"""In so many first calls, and in those that are chosen, one member's update is also called."""

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
"""How far a result of the kernels may be from torch's, as a share of the largest number of its tensor, or of all.

Both round, and a gradient may be a small difference of large numbers.
"""

NEARBY = 0.9
"""The factor of all inputs at the point at which values are compared that differed."""


@dataclass(frozen=True)
class Members:
    """The persistent tensors of all members: `stacked` leaves are [S, ...], `shared` ones are of all members."""

    stacked: tuple[Any, ...]
    shared: tuple[Any, ...]
    count: int

    def select(self, member: int) -> Any:
        """Return the persistent tensors of one member, stacked ones as views [1, ...], which follow every update."""
        return *select(self.stacked, member), *self.shared


def select(stacked: Any, member: int) -> Any:
    """Return one member's part of stacked tensors, as views [1, ...]."""
    return map_leaves(lambda t: t[member : member + 1], stacked)


def suits_kernels(ensemble: Ensemble) -> bool:
    """Return whether our kernels may train these networks: on a CPU, in a precision they have, without convolutions."""
    if not kernels.are_on():
        return False
    leaf = next(p for parameters in ensemble.parameters.values() for p in parameters.values())
    return leaf.device.type == "cpu" and leaf.dtype in kernels.REALS and not list_convolutions(ensemble.networks)


class KernelStep:
    """`function(persistent, inputs)` of all members as a function of `inputs`, by our kernels.

    `function` takes the tensors of one member, [1, ...]. `otherwise` computes the same for all members. It is called
    instead if the function cannot be recorded or lowered, or if it gives other values when it is called than in the
    recording. Gradients and all else that is returned are valid until the next call.
    """

    def __init__(
        self,
        function: Function,
        members: Members,
        otherwise: Callable[[Any], Any],
        is_compared: Callable[[], bool] = lambda: False,
    ) -> None:
        self.function, self.members, self.otherwise, self.is_compared = function, members, otherwise, is_compared
        self.calls, self.lowered = 0, None  # type: int, bool | None
        self.recording: Recording
        self.update: KernelUpdate

    @property
    def recorded(self) -> bool | None:
        """Whether the calls are replayed, by the kernels or by torch; None until this is decided."""
        return getattr(self.otherwise, "recorded", False) if self.lowered is False else self.lowered

    @property
    def refusal(self) -> str:
        """Why the calls are not replayed."""
        return getattr(self.otherwise, "refusal", "") if self.lowered is False else ""

    def __call__(self, inputs: Any) -> Any:
        """Return the value of the function for all members.

        Raise ReplayDiffers if a comparison finds that equal inputs no longer give equal values.
        """
        if self.calls == 0 and self.lowered is None and not self._lower(inputs):
            self.lowered = False
        if self.lowered is False:
            return self.otherwise(inputs)
        self.calls += 1
        values = self.update(inputs)
        if self.calls <= COMPARED_CALLS or self.is_compared():
            self.lowered = self._agrees(inputs, values)
            if not self.lowered:
                return self.otherwise(inputs)
        return values

    def _lower(self, inputs: Any) -> bool:
        """Record and lower the first member's update; return whether the kernels can run it."""
        log, persistent = logging.getLogger("ganbench"), self.members.select(0)
        first = map_leaves(Tensor.contiguous, select(inputs, 0))
        try:
            self.recording = record(self.function, persistent, first)
        except Exception:  # a plugin may do what cannot be recorded, and raise any exception then
            log.info("a step cannot be recorded; it is called instead", exc_info=True)
            return False
        try:
            self.update = KernelUpdate(self.recording, self.members, first)
        except NotLowered as error:
            log.info("a step is replayed as torch's operations: our kernels do not have %s", error)
            return False
        return True

    def _agrees(self, inputs: Any, values: Any) -> bool:
        """Return whether the kernels' values of a member are those of the call and of the recording.

        The member is the first one that is finite. Raise ReplayDiffers if the call and the recording differ, unless
        that is so from the beginning and each repeats its own values.
        """
        finite = torch.stack([t.isfinite().unsqueeze(-1).flatten(1).all(1) for t in iterate_leaves(values)]).all(0)
        member = int(finite.int().argmax())
        persistent, part = self.members.select(member), select(inputs, member)
        call = partial(self.function, persistent, part)
        called, replayed = call(), self.recording.run(persistent, part)
        if not have_same_finite_members(replayed, called):
            if self.calls > COMPARED_CALLS or not have_same_finite_members(call(), called):
                raise ReplayDiffers(call)
            return False
        if (
            not finite[member]
            or are_close(select(values, member), replayed)
            or self._differs_by_rounding(inputs, member)
        ):
            return True
        logging.getLogger("ganbench").warning("our kernels and torch disagree; torch's operations are used instead")
        return False

    def _differs_by_rounding(self, inputs: Any, member: int) -> bool:
        """Return whether the kernels are as exact as torch for these inputs, or for somewhat smaller ones.

        Both are compared with the recording in double precision. A gradient that is nearly zero may be nothing but
        rounding. Where a unit is at the edge of a rectifier, rounding decides on which side of it, and the gradient of
        one sample is there or not; that does not happen twice. The values of `inputs` are in place again afterwards.
        """
        smaller = map_leaves(lambda t: t * NEARBY if t.is_floating_point() else t, inputs)
        try:
            return self._is_as_exact(inputs, member) or self._is_as_exact(smaller, member)
        finally:
            self.update(inputs)

    def _is_as_exact(self, inputs: Any, member: int) -> bool:
        found, part = select(self.update(inputs), member), (self.members.select(member), select(inputs, member))
        replayed = exact = self.recording.run(*part)
        with suppress(RuntimeError):  # where a constant stays in single precision, a product refuses it
            exact = self.recording.run(*map_leaves(lambda t: t.double() if t.is_floating_point() else t, part))
        return are_close(found, exact, replayed)


def is_lowered(function: Any) -> bool:
    """Return whether our kernels compute this function of inputs."""
    return isinstance(function, KernelStep) and function.lowered is not False


def are_close(found: Any, expected: Any, other: Any = None) -> bool:
    """Return whether all tensors of two trees are equal up to rounding; a tree's members must be finite.

    Rounding is twice what the tensors of an `other` tree are off, and the tolerance.
    """
    sides = [list(iterate_leaves(tree)) for tree in (found, expected, expected if other is None else other)]
    scale = max(float(b.abs().max()) for b in sides[1])
    tolerance = TOLERANCE[sides[0][0].dtype] * max(scale, 1e-6)
    largest = [[float((a - b).abs().max()) for a, b in zip(side, sides[1], strict=True)] for side in sides[::2]]
    return all(gap <= tolerance + 2 * allowed for gap, allowed in zip(*largest, strict=True))


class KernelUpdate:
    """A recorded update of one member, run by our kernels for all members.

    Raise NotLowered if the kernels do not have one of its operations, or are not to be had here.
    """

    def __init__(self, recording: Recording, members: Members, first: Any) -> None:
        persistent = list(iterate_leaves(members.select(0)))
        self.dtype = next(t.dtype for t in persistent if t.is_floating_point())
        loaded = kernels.load(self.dtype)
        if loaded is None:
            raise NotLowered("anything: they are not compiled here")
        graph = decompose(recording, [*persistent, *iterate_leaves(first)])
        self.layout = Layout(graph, self.dtype)
        self.run, self.members = loaded.run, members.count
        self.workspace = torch.empty(self.layout.workspace, dtype=self.dtype)
        self.outputs = [torch.empty(members.count, *shape[1:], dtype=self.dtype) for shape in self.layout.outputs]
        self.values = refill(recording.output_tree, self.outputs)
        self._lay_out_arrays([*iterate_leaves(members.stacked)], [*iterate_leaves(members.shared)])

    def _lay_out_arrays(self, stacked: list[Tensor], shared: list[Tensor]) -> None:
        """Set the addresses of all arrays, and the strides from one member to the next."""
        count = len(stacked) + len(shared)
        read = self.layout.inputs
        arrays = [self.workspace, *(([*stacked, *shared][i] if i < count else None) for i in read), *self.outputs]
        self.bases = np.array([0 if t is None else t.data_ptr() for t in arrays], np.int64)
        steps = [0, *(stacked[i].stride(0) if i < len(stacked) else 0 for i in read)]
        self.strides = np.array([*steps, *(t.stride(0) for t in self.outputs)], np.int64)
        self.kept_alive = arrays
        self.changing = [(1 + place, i - count) for place, i in enumerate(read) if i >= count]
        operations = self.layout.operations
        addresses = self.bases.ctypes.data, self.strides.ctypes.data
        self.arguments = operations.ctypes.data, len(operations), *addresses, len(self.bases), self.members

    def __call__(self, inputs: Any) -> Any:
        """Return the values for all members, in memory that the next call writes again."""
        leaves = list(iterate_leaves(inputs))
        alive = []
        for place, number in self.changing:
            leaf = leaves[number]
            if not leaf[0].is_contiguous():
                leaf = leaf.contiguous()
                alive.append(leaf)
            self.bases[place], self.strides[place] = leaf.data_ptr(), leaf.stride(0)
        self.run(*self.arguments)
        return self.values


def decompose(recording: Recording, tensors: list[Tensor]) -> fx.Graph:
    """Return a recording's graph with those operations that have no rule taken apart, as torch does it."""
    targets = {node.target for node in recording.graph.nodes if node.op == "call_function"}
    if all(map(is_covered, targets)):
        return recording.graph
    known = {**decomposition_table, **dict(core_aten_decompositions().items())}
    table = {target: parts for target, parts in known.items() if not is_covered(target)}
    with torch.no_grad():
        graph = record_operations(torch.func.functionalize(recording.operations), tensors, table)
    simplify(graph)
    return graph


def is_covered(target: Any) -> bool:
    """Return whether an operation has a rule, or is an index into a tuple."""
    return is_known(target) or getattr(target, "__name__", "") == "getitem"
