"""A record that could not be read again is never stored: it becomes a failed one that names the culprit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ganbench.api.events import Finished
from ganbench.api.records import Record, Score, make_storable
from ganbench.results.store import read
from ganbench.runner.driver import add_facts

from tests.support.executor_work import make_batch
from tests.support.trials_by_hand import results

(TRIAL, *_) = make_batch("a").trials
SCORE = Score(step=1, name="m", value=1.0, direction="higher", measurement="a" * 64, samples=5)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a tensor as score": ({"scores": (replace(SCORE, value=torch.ones(2)),)}, "value of the score 'm' is tensor"),  # type: ignore[arg-type]
    "an array's number": ({"scores": (replace(SCORE, step=np.int64(1)),)}, "step of the score 'm' is"),  # type: ignore[arg-type]
    "a direction": ({"scores": (replace(SCORE, direction="up"),)}, "the direction of the score 'm' is 'up'"),  # type: ignore[arg-type]
    "half a character": ({"scores": (replace(SCORE, name="\ud800"),)}, "'.ud800' is not a name"),
    "lists in a signal": (
        {"signals": {"loss.critic": ([1], [[1.0, 2.0]])}},
        "the signal 'loss.critic' is not a series",
    ),
    "a shorter signal": ({"signals": {"loss.critic": ([1, 2], [1.0])}}, "has 2 steps and 1 values"),
    "an array in facts": ({"facts": {"n": np.int64(3)}}, "facts is not plain data"),
    "NaN in facts": ({"facts": {"n": math.nan}}, "facts is not plain data"),
    "a status": ({"status": "done"}, "status is 'done', not one of completed"),
    "no error text": ({"error": None}, "error is None, not a text"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_record_that_cannot_be_stored_is_a_failed_trial_that_names_the_culprit(case: str, tmp_path: Path) -> None:
    fields, message = BAD[case]
    batch = make_batch("a")
    (record,) = add_facts(Finished(batch, (Record(trial=batch.trials[0], **fields),)), {"run": 1})
    assert record.status == "failed"
    assert record.error.startswith("its record cannot be stored: ")
    assert message.replace(".ud800", "\\ud800") in record.error
    results(tmp_path, [record])
    assert list(read(tmp_path).trials["status"]) == ["failed"]


def test_a_sound_record_stays_as_it_is_and_half_a_character_in_its_error_is_a_code(tmp_path: Path) -> None:
    sound = Record(
        trial=TRIAL,
        scores=(SCORE, replace(SCORE, name="n", value=math.nan)),
        signals={"loss.critic": ([1, 2], [math.inf, math.nan])},
        facts={"n": 1},
    )
    assert repr(make_storable(sound)) == repr(sound)
    failed = make_storable(replace(sound, status="failed", error="cannot read 'a\ud800'"))
    assert failed.error == "cannot read 'a\\ud800'"
    results(tmp_path, [failed])
    assert list(read(tmp_path).trials["error"]) == [failed.error]
