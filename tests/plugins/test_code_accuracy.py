"""The accuracy of a code under the best assignment, its floor, and its control in a suite."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, read
from torch import Tensor
from torch.nn.functional import one_hot

from ganbench_plugins.metrics import code_accuracy
from tests.support.metric_checks import measure
from tests.support.tiny_suite import suite as small

METRIC = code_accuracy.build()


def score(codes: list[int] | Tensor, classes: list[int] | Tensor, k: int = 3, count: int = 3) -> dict[str, float]:
    code, seen = torch.as_tensor(codes), torch.as_tensor(classes)
    return measure(METRIC, codes={"categorical": one_hot(code, k).float()}, logits=one_hot(seen, count).float())


def test_a_permutation_of_the_classes_is_a_perfect_code() -> None:
    codes = torch.arange(30) % 3
    assert score(codes, (codes + 1) % 3)["code-accuracy"] == 1.0


def test_the_assignment_is_the_best_one_and_not_the_greedy_one() -> None:
    """Counts of code by class: (5, 4), (4, 0). Greedy takes 5 and 0, which is 5/13; the best takes 4 and 4: 8/13."""
    codes, classes = [0] * 9 + [1] * 4, [0] * 5 + [1] * 4 + [0] * 4
    assert score(codes, classes, 2, 2)["code-accuracy"] == pytest.approx(8 / 13)


@pytest.mark.parametrize(
    ("codes", "classes", "k", "count", "accuracy"),
    [
        ([0, 1, 2, 3], [0, 0, 1, 1], 4, 2, 0.5),  # two codes have no class of their own
        ([0, 0, 1, 1], [0, 1, 2, 3], 2, 4, 0.5),  # two classes have no code
        ([0, 0, 0, 0], [0, 1, 2, 2], 3, 3, 0.5),  # one code for all
    ],
)
def test_each_code_has_one_class_at_most_and_each_class_one_code(
    codes: list[int], classes: list[int], k: int, count: int, accuracy: float
) -> None:
    assert score(codes, classes, k, count)["code-accuracy"] == accuracy


def test_a_code_that_means_nothing_is_at_the_floor_and_a_good_one_far_above() -> None:
    """Of ten classes: .9 + .1 / 10, and a little above .1 where the assignment is chosen among counts of 50 +- 7."""
    rng = torch.Generator().manual_seed(0)
    codes, other = (torch.randint(10, (5000,), generator=rng) for _ in range(2))
    noisy = torch.where(torch.rand(5000, generator=rng) < 0.9, codes, other)
    idle, good = score(codes, other, 10, 10), score(codes, noisy, 10, 10)
    for value in (idle["code-accuracy"], idle["code-accuracy-floor"], good["code-accuracy-floor"]):
        assert 0.1 < value < 0.13
    assert good["code-accuracy"] == pytest.approx(0.91, abs=0.01)


def test_a_model_without_codes_has_no_accuracy_and_a_wrong_name_is_refused() -> None:
    values = measure(METRIC, codes={}, logits=torch.eye(3))
    assert all(math.isnan(value) for value in values.values())
    for codes in ({"continuous": torch.rand(3, 2)}, {"categorical": torch.rand(3, 1)}):
        with pytest.raises(
            GanbenchError, match=r"code = 'categorical': no one-hot code of this name\. The model has c"
        ):
            measure(METRIC, codes=codes, logits=torch.eye(3))


def test_in_a_suite_the_control_is_beside_the_method(tmp_path: Path) -> None:
    """With these few steps no code means anything yet; the scores are there, and undefined without codes."""
    codes: Any = {"name": "infogan", "categories": 3, "continuous": 0}
    table = small(
        methods=["ns-gan"],
        method=[
            {"name": "coded", "from": "ns-gan", "inputs": [codes]},
            {"name": "control", "from": "ns-gan", "inputs": [codes | {"weight": 0.0}]},
        ],
        dataset=[{"name": "digits", "metrics": ["code-accuracy"]}],
        measurement={"samples": 60},
        success=None,
        seeds=1,
    )
    ganbench.run(table, results=tmp_path / "r", jobs=0, device="cpu")
    frames = read(tmp_path / "r")
    rows = frames.scores.merge(frames.trials[["key", "method"]], on="key")
    final = rows[rows["name"] == "code-accuracy"].groupby("method")["value"].last()
    assert math.isnan(final["ns-gan"])
    assert 1 / 10 <= final["coded"] <= 1
    assert 1 / 10 <= final["control"] <= 1
