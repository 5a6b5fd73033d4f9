"""Several results as one, and how their trials were made."""

from __future__ import annotations

import json
from pathlib import Path

from ganbench.results.joined import join_frames
from ganbench.results.store import Store

from tests.support.trials_by_hand import record, results, trial


def test_the_same_trial_of_two_sides_is_two_trials_with_their_own_scores(tmp_path: Path) -> None:
    one, two = (results(tmp_path / str(fid), [record(trial(), [fid]), record(trial(seed=1), [fid])]) for fid in (1, 2))
    joined = join_frames([(one, one.trials.assign(method="one")), (two, two.trials.iloc[:1].assign(method="two"))])
    assert joined.trials["method"].tolist() == ["one", "one", "two"]
    assert joined.trials["key"].is_unique
    values = joined.scores.merge(joined.trials, on="key").groupby("method")["value"].agg(list)
    assert values.to_dict() == {"one": [1, 1], "two": [2]}
    assert set(joined.signals["key"]) <= set(joined.trials["key"])
    assert joined.suite == one.suite


def test_a_record_says_by_what_its_trial_was_trained(tmp_path: Path) -> None:
    sources = {"losses/a": "1" * 64, "data": "2" * 64}
    facts = {"run": 1, "sources": sources, "versions": {"torch": "2.14"}}
    with Store(tmp_path) as store:
        plan = [trial(seed=0), trial(seed=1), trial(seed=2)]
        store.begin_run("", plan, {})
        store.append([record(plan[0], [1.0], facts=facts), record(plan[2], [1.0], facts={})])
        first, last = store.origins()
    assert (first.key, last.key) == (plan[0].key, plan[2].key)
    assert (first.sources, first.run, first.code) == (sources, 1, "c0")
    assert first.facts["versions"] == {"torch": "2.14"}
    assert first.facts["mode"] == "stack"
    assert json.loads(first.data)["name"] == "ring"
    assert (last.sources, last.run) == ({}, None)
