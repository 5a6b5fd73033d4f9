"""Scores of stored trials that were not measured as the plan measures today are noticed, and never mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ganbench
from ganbench import registry
from ganbench.runner.rescore import rescore_trials

from tests.runner.test_fingerprint import suite

METRIC = """
from ganbench import Metric, Offer, hookimpl

@hookimpl
def ganbench_metrics():
    def measure(evidence):
        return {"m": 1.0 + float(evidence.samples.mean())}
    yield Offer("mine", lambda: Metric(measure=measure, values={"m": "lower"}), "Mean.")
"""


def test_scores_of_an_edited_metric_do_not_stand_under_its_name_without_a_word(tmp_path: Path) -> None:
    file, cautions = tmp_path / "mine.py", list[str]()
    file.write_text(METRIC)
    dataset = [{"name": "ring", "metrics": ["mine"]}]

    def train() -> Any:
        cautions.clear()
        return ganbench.run(
            suite(methods=["ns-gan"], method=None, dataset=dataset),
            files=(str(file),),
            results=tmp_path / "r",
            jobs=0,
            watch=lambda session, event: cautions.append(getattr(event, "caution", "")),
        )

    first = train()
    train()
    assert not any(cautions)
    file.write_text(METRIC.replace("1.0", "1000.0"))
    assert set(train().scores["measurement"]) == set(first.scores["measurement"])
    assert [sentence.partition(":")[0] for sentence in cautions if sentence] == [
        "1 stored trials have no 'm' as measured now"
    ]
    rescore_trials(tmp_path / "r", "mine", registry.load(files=[file]))
    again = train()
    assert not any(cautions)
    assert len(set(again.scores.loc[again.scores["name"] == "m", "measurement"])) == 2
