"""A rule in words, and asked of one record as the tables will ask it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ganbench.evaluation.success import describe_rule, succeeds
from ganbench.suite.success import SuccessTable

from tests.support.trials_by_hand import record, rejudged, scores, trial

DIRECTIONS: Any = {"fid": "lower", "recall": "higher"}


def rule(**parts: Any) -> SuccessTable:
    return SuccessTable(dataset="ring", **parts)


def test_a_rule_is_told_at_its_primary_threshold_with_its_condition() -> None:
    ladder: dict[str, Any] = {"metric": "fid", "thresholds": (9.0, 8.0), "primary": 9.0}
    assert describe_rule(rule(**ladder), DIRECTIONS) == "fid < 9"
    assert describe_rule(rule(**ladder, condition="recall>.5"), DIRECTIONS) == "fid < 9 and recall > 0.5"
    assert describe_rule(rule(condition="recall >= 0.5"), DIRECTIONS) == "recall >= 0.5"


@pytest.mark.parametrize(
    ("at", "wins"), [("final", [True, False, False, False]), ("best", [False, True, False, False])]
)
def test_a_record_succeeds_at_its_last_snapshot_or_at_its_best_on_fresh_samples(at: str, wins: list[bool]) -> None:
    asked = rule(metric="fid", thresholds=(9.0,), primary=9.0, at=at)
    made = [
        record(trial(), scores=tuple(rejudged(scores("fid", [5, 8]), 9.5))),
        record(trial(), scores=tuple(rejudged(scores("fid", [5, 9])))),
        record(trial(), scores=tuple(scores("fid", [5, 9]))),
        record(trial(), [5, 5], diverged_at=3),
    ]
    assert [succeeds(one, asked, DIRECTIONS) for one in made] == wins


def test_of_a_record_the_condition_holds_at_the_same_snapshot() -> None:
    recall = scores("recall", [0.9, 0.1], "higher")
    fresh = [replace(score, fresh=True) for score in recall]
    one = record(trial(), scores=(*rejudged(scores("fid", [5, 8])), *recall, *fresh))
    ladder: dict[str, Any] = {"metric": "fid", "thresholds": (9.0,), "primary": 9.0, "condition": "recall > 0.5"}
    assert succeeds(one, rule(at="best", **ladder), DIRECTIONS)
    assert not succeeds(one, rule(at="final", **ladder), DIRECTIONS)
    assert not succeeds(record(trial(), [5.0, 5.0]), rule(at="best", **ladder), DIRECTIONS), "recall is unknown"
