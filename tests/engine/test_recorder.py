"""What is recorded of a function: torch's own tracer records the same, and what no graph can repeat is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from ganbench.engine.functional import iterate_leaves
from ganbench.engine.recorder import NotRecorded, record_operations
from ganbench.engine.replay import compile_straight_line, refill
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from tests.engine.test_graphs import open_training
from tests.support.captured_methods import METHODS, batch_of


def replay(function: Callable[..., Sequence[Tensor]], recorded_on: Tensor, called_on: Tensor) -> list[Tensor]:
    """Record a function on one tensor, and return its values for another by the recording."""
    return list(compile_straight_line(record_operations(function, [recorded_on]))(called_on))


def list_targets(graph: fx.Graph) -> list[str]:
    """Return the operations that the results depend on, in order; the tracer calls a view of all `alias`."""
    graph.eliminate_dead_code()
    names = (str(node.target) for node in graph.nodes if node.op == "call_function")
    return [name.replace("alias", "detach") for name in names]


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("method", ["ns-gan", "wgan-gp", "hinge-sn", "infogan", "unrolled", "consensus", "lazy"])
def test_torchs_own_tracer_records_the_same_operations(method: str, mode: Any) -> None:
    training = open_training(batch_of(method, 2, mode), captured=False)
    stage = training.begin_stage(0)
    game, due = stage.game, frozenset(link.name for link in training.program.terms)
    for player in ("critic", "generator"):
        inputs = stage.inputs[player].next()
        tensors = [*iterate_leaves(game.persistent), *iterate_leaves(inputs)]

        def flat(*tensors: Tensor, player: str = player, inputs: Any = inputs) -> list[Tensor]:
            return list(iterate_leaves(game.differentiate(player, due, *refill((game.persistent, inputs), tensors))))

        expected, found = make_fx(flat)(*tensors).graph, record_operations(flat, tensors)
        assert list_targets(found) == list_targets(expected)
        values = compile_straight_line(found)(*tensors)
        assert all(torch.equal(a, b) for a, b in zip(values, flat(*tensors), strict=True))


def test_every_method_of_the_graph_tests_is_known() -> None:
    assert {"infogan", "unrolled", "consensus", "lazy"} <= METHODS.keys()


def test_closures_are_constants_that_follow_changes_in_place() -> None:
    held = torch.ones(2)
    operations = compile_straight_line(record_operations(lambda x: [x * held], [torch.zeros(2)]))
    held.fill_(3.0)
    (value,) = operations(torch.ones(2))
    assert value.tolist() == [3.0, 3.0]


def test_a_tensor_that_the_code_makes_is_new_at_each_call() -> None:
    def count(x: Tensor) -> list[Tensor]:
        total = torch.tensor([0.0, 0.0])
        total.add_(x)
        return [total]

    operations = compile_straight_line(record_operations(count, [torch.ones(2)]))
    assert [operations(torch.ones(2))[0].tolist() for _ in range(2)] == [[1.0, 1.0]] * 2


def test_an_operation_with_several_values_and_results_that_are_inputs_or_constants_are_recorded() -> None:
    held = torch.tensor([7.0])

    def function(x: Tensor) -> list[Tensor]:
        values, places = x.sort(descending=True)
        first, *_ = x.split(2)
        return [values, places, first, x, held]

    values = replay(function, torch.zeros(3), torch.tensor([1.0, 3.0, 2.0]))
    assert [value.tolist() for value in values] == [[3.0, 2.0, 1.0], [1, 2, 0], [1.0, 3.0], [1.0, 3.0, 2.0], [7.0]]


def test_what_is_written_in_place_is_read_afterwards() -> None:
    def function(x: Tensor) -> list[Tensor]:
        y = x + 1
        y[0] = 5.0
        y.mul_(2)
        return [y + 0]

    (value,) = replay(function, torch.zeros(2), torch.tensor([1.0, 3.0]))
    assert value.tolist() == [10.0, 8.0]


@pytest.mark.parametrize(
    "read", [Tensor.item, bool, lambda x: torch.equal(x, x + 1), lambda x: torch.tensor(1.0) * float(x)]
)
def test_code_that_reads_a_value_is_refused(read: Callable[[Tensor], Any]) -> None:
    def function(x: Tensor) -> list[Tensor]:
        read(x.sum())
        return [x + 1]

    with pytest.raises(NotRecorded, match="reads a value of a tensor"):
        record_operations(function, [torch.ones(2)])


def test_code_may_read_a_value_that_is_the_same_in_each_call() -> None:
    def function(x: Tensor) -> list[Tensor]:
        return [x + (torch.tensor([1.0, 2.0]) * 2).sum().item()]

    (value,) = replay(function, torch.zeros(1), torch.ones(1))
    assert value.tolist() == [7.0]


def test_nothing_is_recorded_after_the_end() -> None:
    graph = record_operations(lambda x: [x + 1], [torch.ones(1)])
    count = len(graph.nodes)
    torch.ones(1) + 1
    assert len(graph.nodes) == count
    assert [node.meta["form"].shape for node in graph.nodes if node.op != "output"] == [(1,), (1,)]
