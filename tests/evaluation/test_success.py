"""A rule in words, and whether one record succeeds, decided as in the tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ganbench.evaluation.success import describe_rule, succeeds
from ganbench.suite.success import SuccessTable

from tests.support.trials_by_hand import record, scores, trial, with_fresh_best

DIRECTIONS: Any = {"fid": "lower", "recall": "higher"}


def rule(**parts: Any) -> SuccessTable:
    return SuccessTable(dataset="ring", **parts)


def test_a_rule_is_described_at_its_primary_threshold_with_its_condition() -> None:
    threshold: dict[str, Any] = {"metric": "fid", "thresholds": (9.0, 8.0), "primary": 9.0}
    assert describe_rule(rule(**threshold), DIRECTIONS) == "FID < 9"
    assert describe_rule(rule(**threshold, condition="recall>.5"), DIRECTIONS) == "FID < 9 and recall > 0.5"
    assert describe_rule(rule(condition="recall >= 0.5"), DIRECTIONS) == "recall >= 0.5"
    assert describe_rule(rule(**threshold, sustained=3), DIRECTIONS) == "FID < 9 at each of the last 3 evaluations"


@pytest.mark.parametrize(
    ("at", "expected"), [("final", [True, False, False, False]), ("best", [False, True, False, False])]
)
def test_a_record_succeeds_at_its_last_snapshot_or_at_its_best_on_fresh_samples(at: str, expected: list[bool]) -> None:
    success_rule = rule(metric="fid", thresholds=(9.0,), primary=9.0, at=at)
    records = [
        record(trial(), scores=tuple(with_fresh_best(scores("fid", [5, 8]), 9.5))),
        record(trial(), scores=tuple(with_fresh_best(scores("fid", [5, 9])))),
        record(trial(), scores=tuple(scores("fid", [5, 9]))),
        record(trial(), [5, 5], diverged_at=3),
    ]
    assert [succeeds(each, success_rule, DIRECTIONS) for each in records] == expected


def test_the_condition_must_be_true_at_the_same_snapshot_of_a_record() -> None:
    recall = scores("recall", [0.9, 0.1], "higher")
    fresh = [replace(score, fresh=True) for score in recall]
    ended = record(trial(), scores=(*with_fresh_best(scores("fid", [5, 8])), *recall, *fresh))
    parts: dict[str, Any] = {"metric": "fid", "thresholds": (9.0,), "primary": 9.0, "condition": "recall > 0.5"}
    assert succeeds(ended, rule(at="best", **parts), DIRECTIONS)
    assert not succeeds(ended, rule(at="final", **parts), DIRECTIONS)
    assert not succeeds(record(trial(), [5.0, 5.0]), rule(at="best", **parts), DIRECTIONS), "recall is unknown"
