"""A run that tunes: what is chosen, from which trials alone, and what happens when it is interrupted."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import suite as suites
from ganbench.results.store import Store, read
from ganbench.runner.driver import run_events
from ganbench.runner.settings import Settings

from tests.support.tiny_suite import suite as tiny

RATES = [1e-4, 1e-2, 1e6]
RULE = {"dataset": "ring", "metric": "sliced-w1", "thresholds": [0.1], "allow_trivial": True}


def make(seeds: Any = 2, **changes: Any) -> dict[str, Any]:
    """Return a small suite with three learning rates of a GAN, the last of which diverges."""
    return tiny(
        methods=[],
        method=[{"name": "ns-gan", "optimizer": "sgd", "vary": {"optimizer.lr": RATES}}],
        seeds=seeds,
        dataset=[{"name": "ring", "metrics": ["sliced-w1"]}],
        success=[RULE],
        budget={"generator_steps": 30, "batch_size": 16, "snapshots": 2},
        **changes,
    )


TUNED = make(tuning={"report_seeds": [7, 8, 9]})


def run(folder: Path, suite: dict[str, Any], **settings: Any) -> ganbench.Frames:
    return ganbench.run(suite, results=folder, jobs=0, **settings)


def mean_scores(frames: ganbench.Frames) -> dict[str, float]:
    """Return the mean final score of each configuration over its tuning trials."""
    final = frames.scores[(frames.scores["step"] == 30) & ~frames.scores["fresh"]]
    table = frames.trials.merge(final, on="key", suffixes=("", "_score"))
    assert set(table["seed"]) == {0, 1}
    return table.groupby("method")["value"].mean().dropna().to_dict()


def plant(folder: Path, seeds: tuple[int, ...], label: str, value: float) -> int:
    """Give the stored trials of a configuration with these seeds another score; return how many values changed."""
    wanted = (
        "SELECT records.trial FROM records JOIN trials ON trials.id = records.trial "
        f"WHERE records.method = ? AND trials.seed IN ({','.join(map(str, seeds))})"
    )
    with sqlite3.connect(folder / "results.sqlite") as connection:
        changed = connection.execute(f"UPDATE scores SET value = ? WHERE trial IN ({wanted})", (value, label)).rowcount
    connection.close()
    return changed


def test_the_best_configuration_is_chosen_and_reported_on_fresh_seeds(tmp_path: Path) -> None:
    frames = run(tmp_path, TUNED)
    assert frames.tuning is not None
    scores = mean_scores(frames.tuning)
    best = min(scores, key=lambda label: scores[label])
    assert [(each.dataset, each.method, each.configuration) for each in frames.choices] == [("ring", "ns-gan", best)]
    assert set(frames.trials["method"]) == {"ns-gan"}
    assert list(frames.trials["seed"]) == [7, 8, 9]
    assert len(frames.all_trials) == 9
    assert (frames.tuning.trials.set_index("method").loc["ns-gan lr=1e+06", "status"] == "diverged").all()
    rate = float(best.partition("lr=")[2])
    (method,) = frames.methods.to_dict("records")
    assert (method["critic_optimizer.lr"], method["generator_optimizer.lr"]) == (rate, rate)


def test_the_same_run_again_trains_nothing_and_chooses_the_same(tmp_path: Path) -> None:
    first = run(tmp_path, TUNED)
    sessions = [session for session, event in run_events(suites.parse(TUNED), Settings(results=tmp_path, jobs=0))]
    assert all(not session.todo.batches for session in sessions)
    again = read(tmp_path)
    assert again.choices == first.choices
    assert again.scores.equals(first.scores)


def test_a_run_has_two_plans_and_the_second_follows_from_the_results_of_the_first(tmp_path: Path) -> None:
    events = run_events(suites.parse(TUNED), Settings(results=tmp_path, jobs=0))
    plans = [session.plan for session, event in events if event is None]
    assert [(len(plan.trials), plan.undecided, bool(plan.choices)) for plan in plans] == [
        (6, True, False),
        (9, False, True),
    ]


def test_a_choice_does_not_see_what_is_reported(tmp_path: Path) -> None:
    """All configurations have results on the report's seeds already, and there the worst one looks perfect."""
    honest = run(tmp_path / "honest", TUNED).choices
    folder = tmp_path / "leak"
    run(folder, make(seeds=[7, 8, 9]))
    worst = "ns-gan lr=0.01" if honest[0].configuration == "ns-gan lr=0.0001" else "ns-gan lr=0.0001"
    assert plant(folder, (7, 8, 9), worst, 0.0) > 0
    frames = run(folder, TUNED)
    assert frames.choices == honest
    assert (folder / "results.sqlite").exists()
    assert plant(folder, (0, 1), worst, 0.0) > 0  # the same on the tuning seeds changes the choice
    assert [each.configuration for each in run(folder, TUNED).choices] == [worst]


def test_nothing_is_reported_before_every_configuration_has_its_results(tmp_path: Path) -> None:
    two = {**TUNED, "dataset": [*TUNED["dataset"], {"name": "grid", "metrics": ["sliced-w1"]}]}
    two["success"] = [RULE, {**RULE, "dataset": "grid"}]
    half = run(tmp_path, two, limit=6)
    assert half.choices == ()
    assert half.tuning is None
    assert (half.trials["status"] == "missing").sum() == 6
    whole = run(tmp_path, two)
    assert {each.dataset for each in whole.choices} == {"ring", "grid"}
    assert set(whole.trials["seed"]) == {7, 8, 9}


def test_a_run_that_stops_after_the_tuning_goes_on_with_the_report(tmp_path: Path) -> None:
    events = run_events(suites.parse(TUNED), Settings(results=tmp_path, jobs=0))
    plans = 0
    for _, event in events:
        plans += event is None
        if plans == 2:
            break
    events.close()
    stopped = read(tmp_path)
    assert stopped.tuning is None
    assert (stopped.trials["status"] != "missing").all()
    frames = run(tmp_path, TUNED)
    assert len(frames.trials) == 3
    assert mean_scores(frames.tuning or frames) == mean_scores(stopped)


def test_where_all_configurations_diverge_the_first_of_them_is_reported(tmp_path: Path) -> None:
    dead = {**TUNED, "method": [{**TUNED["method"][0], "vary": {"optimizer.lr": [1e7, 1e6]}}]}
    frames = run(tmp_path, dead)
    assert [each.configuration for each in frames.choices] == ["ns-gan lr=1e+07"]
    assert frames.tuning is not None
    assert set(frames.tuning.trials["status"]) == {"diverged"}


def test_what_failed_is_trained_again_before_the_choice(tmp_path: Path) -> None:
    best = run(tmp_path, TUNED).choices[0].configuration
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        connection.execute("UPDATE records SET status = 'failed' WHERE method = ?", (best,))
    connection.close()
    second = run(tmp_path, TUNED).choices[0].configuration
    assert second != best
    assert run(tmp_path, TUNED, retry=("failed",)).choices[0].configuration == best


def test_more_configurations_keep_the_trials_of_the_fewer(tmp_path: Path) -> None:
    def draw(count: int) -> dict[str, Any]:
        method = {**TUNED["method"][0], "vary": {"optimizer.lr": {"log-uniform": [1e-4, 1e-1]}}}
        return {**TUNED, "method": [method], "tuning": {"configurations": count, "report_seeds": [7, 8, 9]}}

    few = run(tmp_path, draw(2))
    more = run(tmp_path, draw(4))
    assert few.tuning is not None
    assert more.tuning is not None
    assert set(few.tuning.trials["key"]) < set(more.tuning.trials["key"])
    with Store(tmp_path, readonly=True) as store:
        trained = [entry.trained for entry in store.history()]
    assert trained[:3] == [4, 3, 4]


@pytest.mark.parametrize("facts", ['"no"', '{"choices": [{"dataset": 1}]}', '{"choices": 5, "reported": ["a"]}'])
def test_facts_that_ganbench_never_writes_are_refused(tmp_path: Path, facts: str) -> None:
    run(tmp_path, TUNED)
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        connection.execute("UPDATE runs SET facts = json_set(facts, '$.tuning', json(?))", (facts,))
    connection.close()
    with pytest.raises(ganbench.GanbenchError, match="holds what ganbench never writes"):
        read(tmp_path)
