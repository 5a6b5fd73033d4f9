"""The module that tests on a GPU which operation does not repeat its bits: it names one that is planted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ganbench import Objective
from torch import Tensor

from tests.device.repeats import find_differences, main, study
from tests.support.restless_operation import restless
from tests.support.small_games import NS, W, make_training, mlp, ns_gan, ring


def test_an_operation_that_does_not_repeat_is_named_in_calls_and_in_replays() -> None:
    objective = Objective(lambda r, f: W.critic(restless(r), f), NS.generator)
    training = make_training(replace(ns_gan(), objective=objective), mlp(), ring(), seeds=(0, 1))
    lines = list(study(training))
    found = [line for line in lines if "number" in line]
    first_called, first_replayed = (
        next(line for line in found if line.startswith(f"critic, {how}")) for how in ("called", "replayed")
    )
    for line in (first_called, first_replayed):
        assert "ganbench_tests::restless: float64[2, 16] by [" in line
        assert ", differ by up to" in line
    assert ", at tests/support/restless_operation.py:" in first_called
    assert ", at " not in first_replayed, "a recording knows no lines"
    assert not [line for line in found if line.startswith("generator")]
    assert any(line.startswith("critic, called") and "19 of 19 further runs" in line for line in lines)


def test_the_first_operation_that_differs_is_named_with_its_shapes_and_its_difference() -> None:
    x = torch.ones(3)
    calls: list[Tensor] = []

    def work() -> Tensor:
        calls.append(x)
        return (x + float(len(calls) > 1)).sum()

    found = find_differences(work, runs=2)
    assert list(found.named) == [1, 2]
    assert found.named[1].startswith("aten::add: float32[3] by [1] -> float32[3] by [1], differ by up to 1.0e+00, at ")
    assert (found.operations, found.runs, found.ends) == (2, 1, 1)


def test_uninitialised_memory_is_no_difference() -> None:
    found = find_differences(lambda: torch.empty(1000).fill_(1.0), runs=5)
    assert (found.named, found.ends) == ({}, 0)


def test_operations_that_one_run_has_and_another_has_not_are_named() -> None:
    counts = iter([1, 2])

    def work() -> Tensor:
        return [torch.ones(2) for _ in range(next(counts))][-1]

    assert find_differences(work, runs=2).named[0] == "one run has 1 operations, another 2"


def test_a_method_that_cannot_be_built_does_not_keep_the_next_from_being_studied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.device.repeats.study", lambda training: iter(["studied"]))
    main(["no-such-method", "ns-gan"])
    printed = capsys.readouterr().out
    assert "no-such-method" in printed
    assert "Traceback" in printed
    assert printed.endswith("studied\n")
