"""Kept generators scored by another protocol: as training would have scored them, beside the old scores."""

from __future__ import annotations

from pathlib import Path

import ganbench
import pytest
from ganbench import GanbenchError, Metric, Offer, hookimpl, registry
from ganbench.api.records import Score
from ganbench.results.store import Store, read
from ganbench.runner.rescore import rescore

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small
from tests.support.trials_by_hand import record, results, trial

PLUGINS = registry.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ganbench.run(small(), out=tmp_path / "r", jobs=0)
    return tmp_path / "r"


def finals(frames, name, samples):
    rows = frames.series[(frames.series["name"] == name) & (frames.series["samples"] == samples)]
    return rows[rows["step"] == 4].set_index("key")["value"].sort_index()


def test_what_is_scored_later_is_what_training_would_have_scored(folder: Path, tmp_path: Path) -> None:
    asked = {"samples": 70, "metrics": ["modes", "sliced-w1"]}
    at_once = ganbench.run(small(measurement=asked), out=tmp_path / "at-once", jobs=0)
    told: list[tuple[int, int]] = []
    for metric in asked["metrics"]:
        rescore(folder, metric, PLUGINS, 70, lambda done, trials: told.append((done, trials)))
    later = read(folder)
    for name in ("modes", "high-quality", "sliced-w1"):
        assert finals(later, name, 70).equals(finals(at_once, name, 70))
        assert len(finals(later, name, 70)) == 6
    ways = [set(f.scores.loc[f.scores["name"] == "sliced-w1", "measurement"]) for f in (later, at_once)]
    assert ways[0] == ways[1]
    assert told[-1] == (6, 6)


def test_tables_show_both_protocols_apart_and_the_old_scores_stay(folder: Path) -> None:
    before = read(folder).scores
    ended = command("evaluate", "r", "--metric", "modes", "--samples", "70", cwd=folder.parent)
    assert ended.returncode == 0, ended.stderr
    assert "modes of 6 trials on 70 samples, measurement" in ended.stdout
    after = read(folder).scores
    kept = after[after["samples"] != 70].reset_index(drop=True)
    assert kept.equals(before)
    again = command("evaluate", "r", "--metric", "modes", "--samples", "70", cwd=folder.parent)
    assert again.stdout == ended.stdout
    assert len(read(folder).scores) == len(after), "twice is once"
    shown = command("table", "r", cwd=folder.parent).stdout
    assert shown.count("## Success rates on ring: final modes above threshold") == 2
    lines = [line for line in shown.splitlines() if line.startswith("| ns-gan | modes")]
    assert {line.split("|")[4].strip() for line in lines} == {"50", "70"}


def test_a_condition_keeps_to_the_protocol_that_the_suite_asked_for(tmp_path: Path) -> None:
    rule = {"dataset": "ring", "condition": "modes >= 1 and high-quality >= 0", "allow_trivial": True}
    frames = ganbench.run(small(success=[rule]), out=tmp_path / "r", jobs=0)
    assert len(frames.trials) == 6
    before = command("table", "r", cwd=tmp_path)
    rescore(tmp_path / "r", "modes", PLUGINS, 70)
    after = command("table", "r", cwd=tmp_path)
    assert (before.returncode, after.returncode) == (0, 0), after.stderr
    assert after.stdout.count("## Success rates") == 2


def test_what_cannot_be_scored_is_told_with_its_reason(folder: Path) -> None:
    @hookimpl
    def ganbench_metrics():
        measure = lambda evidence: {"odd": 1 / 0}  # noqa: E731
        yield Offer("odd", lambda: Metric(measure=measure, values={"odd": "lower"}), "Raises.")
        yield Offer("probe", lambda: Metric(measure=measure, values={"p": "lower"}, needs="networks"), "Looks inside.")

    own = registry.load(plugins=[ganbench_metrics])
    for metric, samples, said in [
        ("odd", None, "ZeroDivisionError: division by zero"),
        ("probe", None, "only generators are kept"),
        ("fid", None, "has no feature extractor"),
        ("mods", None, "Did you mean 'modes'"),
        ("modes", 1, "give 2 or more"),
    ]:
        with pytest.raises(GanbenchError, match=said):
            rescore(folder, metric, own, samples)
    with pytest.raises(GanbenchError, match="no results here"):
        rescore(folder / "nowhere", "modes", own)
    assert not (folder / "nowhere").exists()
    key = read(folder).trials["key"][0]
    (folder / "networks" / f"{key}.safetensors").unlink()
    found = rescore(folder, "sliced-w1", own)
    assert len(found.scores) == 5
    assert [*found.lines][-1].startswith("1 trials not scored: its generator is missing")


def test_further_scores_need_a_record_and_are_stored_all_or_none(tmp_path: Path) -> None:
    results(tmp_path, [record(trial(), [1.0])])
    new = Score(50, "kid", 2.0, "lower", "k" * 64, 10)
    with Store(tmp_path) as store:
        with pytest.raises(GanbenchError, match="no record with key"):
            store.add_scores({trial().key: [new], trial(seed=1).key: [new]})
        assert set(store.frames().scores["name"]) == {"fid"}
        store.add_scores({trial().key: [new]})
        assert store.frames().scores["value"].tolist() == [1.0, 2.0]
