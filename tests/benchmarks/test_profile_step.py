from __future__ import annotations

import torch

from tests.benchmarks.profile_step import OperationClock, Sum, format_table


def test_clock_counts_calls_and_operations() -> None:
    a, b = torch.randn(5, 3), torch.randn(3, 7)
    with OperationClock(shapes=True) as clock:
        for _ in range(4):
            torch.mm(a, b)
        torch.relu(a)
    assert {name: total.calls for name, total in clock.sums.items()} == {"mm [5, 3] [3, 7]": 4, "relu [5, 3]": 1}
    assert clock.sums["mm [5, 3] [3, 7]"].flops == 4 * 2 * 5 * 3 * 7


def test_table_adds_up_to_the_whole_step() -> None:
    sums = {"mm": Sum(8, 0.010, 4_000_000), "relu": Sum(4, 0.004), "tanh": Sum(2, 0.002)}
    table = format_table(sums, steps=2, whole=0.010, peak=1e9, top=1).splitlines()[2:]
    assert table == [
        "| mm | 4.0 | 5.000 | 50.0% | 1250.0 | 40% |",
        "| other operations | 3.0 | 3.000 | 30.0% | 1000.0 |  |",
        "| all operations | 7.0 | 8.000 | 80.0% | 1142.9 | 25% |",
        "| the rest | 0.0 | 2.000 | 20.0% |  |  |",
    ]
