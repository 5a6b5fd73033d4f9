"""Which operation does not repeat its bits: a player's gradients are computed several times from the same numbers.

    python -m tests.device.repeats [METHOD ...]      # methods of tests/support/captured_methods.py; default: unrolled

They are called, and replayed from a recording that is not simplified. Of each, the values of every operation are kept,
and the first operations that differ between two runs are named, with their shapes and the line that asked for them.
"""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ganbench.api.trials import Mode
from ganbench.engine import device as devices
from ganbench.engine.functional import iterate_leaves
from ganbench.engine.replay import have_same_values, record
from ganbench.engine.train import Training, prepare
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from tests.device.measure import show
from tests.support.captured_methods import batch_of
from tests.support.tiny_batches import PLUGINS

RUNS, SECONDS, NAMED = 20, 2.0, 4
"""How often the same is computed, in how many seconds at most; and how many operations are named at most."""

UNSET = ("aten::empty", "aten::new_empty")
"""Operations whose values are whatever was in the memory."""

ROOT = Path(__file__).parents[2]
"""The folder whose lines are named; the others are of torch and of Python."""


@dataclass
class Operation:
    """One operation of a run: its name, its arguments and results as shapes, the results themselves, and its place."""

    name: str
    arguments: str
    results: list[Tensor]
    place: str = ""

    def differs(self, other: Operation) -> bool:
        """Return whether another run has another operation here, or other values."""
        if self.name != other.name or len(self.results) != len(other.results):
            return True
        pairs = zip(self.results, other.results, strict=True)
        return any(a.shape != b.shape or not have_same_values(a, b) for a, b in pairs)

    def describe(self, other: Operation) -> str:
        """Return the operation in words, with the largest difference from another run."""
        if self.name != other.name:
            return f"{self.name}, but {other.name} in another run{self.place}"
        both = zip(self.results, other.results, strict=False)
        pairs = [(a.double().nan_to_num(), b.double().nan_to_num()) for a, b in both]
        largest = max((float((a - b).abs().max()) for a, b in pairs if a.shape == b.shape and a.numel()), default=0.0)
        results = ", ".join(map(describe_tensor, self.results))
        moved = "" if self.arguments == other.arguments else f" ({other.arguments} in the other run)"
        return f"{self.name}: {self.arguments}{moved} -> {results}, differ by up to {largest:.1e}{self.place}"


@dataclass
class Differences:
    """How many runs ended in other values than the first one, and in words the first operations that differ."""

    operations: int
    runs: int = 0
    ends: int = 0
    named: dict[int, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what was found."""
        yield f"{self.operations:,} operations; {self.ends} of {self.runs} further runs end in other values"
        for number, text in sorted(self.named.items())[:NAMED]:
            yield f"  number {number:,}: {text}"


def describe_tensor(tensor: Tensor) -> str:
    """Return type, shape and strides, and on a GPU where in 256 bytes the memory begins: kernels may depend on it."""
    kind, place = str(tensor.dtype).removeprefix("torch."), tensor.data_ptr() % 256 if tensor.is_cuda else 0
    return f"{kind}{list(tensor.shape)} by {list(tensor.stride())}{f' at +{place}' if place else ''}"


def find_place() -> str:
    """Return the innermost line of ganbench, its plugins or a test that is running, in words."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        if Path(frame.f_code.co_filename).is_relative_to(ROOT):
            return f", at {Path(frame.f_code.co_filename).relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


class OperationLog(TorchDispatchMode):
    """Keeps what runs in its block, with copies of all values."""

    def __init__(self, places: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.places, self.operations = places, list[Operation]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        arguments = ", ".join(describe_tensor(leaf) for leaf in iterate_tensors((args, kwargs)))
        made = func(*args, **(kwargs or {}))
        name = func._schema.name
        if not name.startswith(UNSET):
            results = [tensor.detach().clone() for tensor in iterate_tensors(made)]
            self.operations.append(Operation(name, arguments, results, find_place() if self.places else ""))
        return made


def iterate_tensors(tree: Any) -> list[Tensor]:
    """Return the tensors of a tree that have memory."""
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, Tensor) and leaf.numel()]


def find_differences(work: Callable[[], Any], runs: int = RUNS, places: bool = True) -> Differences:
    """Do the same work several times; return which of its operations have other values than the first time.

    With `places` the line that asked for an operation is named.
    """

    def run(places: bool = False) -> tuple[list[Operation], list[Tensor]]:
        with OperationLog(places) as log:
            made = work()
        return log.operations, list(iterate_leaves(made))

    (expected, end), began = run(places), time.monotonic()
    found = Differences(operations=len(expected))
    while found.runs < runs - 1 and time.monotonic() - began < SECONDS:
        operations, other = run()
        found.runs += 1
        found.ends += not all(have_same_values(a, b) for a, b in zip(end, other, strict=True))
        if len(operations) != len(expected):
            found.named.setdefault(0, f"one run has {len(expected)} operations, another {len(operations)}")
        pairs = enumerate(zip(expected, operations, strict=False), 1)
        differing = [(number, a.describe(b)) for number, (a, b) in pairs if a.differs(b)]
        for number, text in differing[:NAMED]:
            found.named.setdefault(number, text)
    return found


def study(training: Training) -> Iterator[str]:
    """Yield what repeats of each player's gradients, in words: called, and replayed from a recording."""
    training.backend = None
    stage = training.begin_stage(0)
    for t in range(2):
        training.train_step(t, stage.game, stage.inputs)
    for player in ("generator", "critic"):
        due = stage.game.due(stage.game.updates[player])
        function, persistent = partial(stage.game.differentiate, player, due), stage.game.persistent
        inputs = stage.inputs[player].next()
        for line in find_differences(partial(function, persistent, inputs)).lines():
            yield f"{player}, called: {line}"
        replay = record(function, persistent, inputs, simplified=False)
        for line in find_differences(partial(replay, inputs), places=False).lines():
            yield f"{player}, replayed: {line}"
        yield f"{player}, not deterministic by torch's own list: {ask_torch(partial(function, persistent, inputs))}"


def ask_torch(work: Callable[[], Any]) -> str:
    """Return the operations of some work of which torch knows that they do not repeat their bits."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            torch.use_deterministic_algorithms(True, warn_only=True)
            work()
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    return "; ".join(dict.fromkeys(str(each.message).partition(". ")[0] for each in caught)) or "none"


def main(methods: list[str], seeds: int = 3, mode: Mode = "stack") -> None:
    """Print what is found of each method."""
    device = devices.configure("auto")
    for method in methods or ["unrolled"]:
        show(f"{method}, {seeds} seeds in a {mode}, {device.type}")
        try:
            for line in study(prepare(batch_of(method, seeds, mode), PLUGINS, device)):
                show(f"  {line}")
        except Exception:
            show(traceback.format_exc(limit=-8))


if __name__ == "__main__":
    main(sys.argv[1:])
