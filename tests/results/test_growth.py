"""More trials cost more rows, not more queries, and what trials share is computed once: counted, not timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ganbench.api import trials
from ganbench.api.records import Score
from ganbench.report import make_tables
from ganbench.results.numbers import AT_ONCE
from ganbench.results.store import Store
from ganbench.statistics import final_scores
from sqlalchemy import Engine, event

from tests.support.trials_by_hand import Success, fill, record, results, trial


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collect the statements that are sent to databases."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def count_statements(folder: Path, count: int) -> dict[str, int]:
    """Return how many statements it takes to plan, store and read so many trials, and to plan them again."""
    planned = trial().with_seeds(range(count))
    counts = {}
    with Store(folder) as store:
        for what, work in {
            "plan": lambda: store.begin_run("", planned, {}),
            "store": lambda: store.append([record(each, [3, 2]) for each in planned]),
            "resume": lambda: (store.known(), store.measured(), store.begin_run("", planned, {})),
            "read": store.frames,
        }.items():
            with counted_statements() as sent:
                work()
            counts[what] = len(sent)
    return counts


def test_ten_times_the_trials_take_as_many_queries(tmp_path: Path) -> None:
    few, many = (count_statements(tmp_path / str(count), count) for count in (AT_ONCE // 10, AT_ONCE))
    assert many == few
    twice = count_statements(tmp_path / "twice", 2 * AT_ONCE)
    assert twice["read"] == few["read"]
    assert max(twice[what] - few[what] for what in few) <= 2  # the numbers of the second portion, old and new


def test_the_seeds_of_a_trial_share_the_text_of_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [trial(seed=seed) for seed in (0, 7, 123)]
    keys, contents = [each.key for each in alone], [trials.canonical_json(each.content) for each in alone]
    calls = []
    spell = trials.canonical_json
    monkeypatch.setattr(trials, "canonical_json", lambda value: calls.append(value) or spell(value))
    several = trial(seed=7).with_seeds([0, 7, 123])
    assert [each.key for each in several] == keys
    assert [each.content_text for each in several] == contents
    assert sum(isinstance(value, dict) for value in calls) == 1
    assert several == alone


def test_many_values_share_what_belongs_to_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"mode-{i}" for i in range(60)]
    records = [
        record(trial(method, seed=seed), [3, 2], scores=tuple(Score(100, n, 1.0, "higher", "m" * 64, 9) for n in names))
        for method in "ab"
        for seed in range(2)
    ]
    frames = results(tmp_path, records)
    calls = []
    look = final_scores.trial_outcomes
    monkeypatch.setattr(final_scores, "trial_outcomes", lambda frames: calls.append(1) or look(frames))
    tables = make_tables(frames, [Success(metric="mode-0")])
    assert any(set(names[:3]) <= set(table.frame.get("metric", ())) for table in tables)
    assert len(calls) == 1


def test_a_trial_of_another_run_keeps_its_number(tmp_path: Path) -> None:
    fill(tmp_path, [record(trial(seed=seed)) for seed in (1, 2)])
    with Store(tmp_path) as store:
        store.begin_run("", trial().with_seeds([2, 1, 3]), {})
        frames = store.frames()
    assert frames.trials["seed"].tolist() == [2, 1, 3]
    assert frames.trials["status"].tolist() == ["completed", "completed", "missing"]
