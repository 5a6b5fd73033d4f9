"""Stored generators scored by another protocol: as training would have scored them, beside the old scores."""

from __future__ import annotations

from pathlib import Path

import ganbench
import pytest
from ganbench import GanbenchError, Metric, Offer, hookimpl, registry
from ganbench.api.records import Score
from ganbench.results.store import Store, read
from ganbench.runner.rescore import rescore_trials

from tests.support import leaving_plugins
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny_suite
from tests.support.trials_by_hand import record, results, trial

PLUGINS = registry.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ganbench.run(tiny_suite(), results=tmp_path / "r", jobs=0)
    return tmp_path / "r"


def final_values(frames, name, samples):
    rows = frames.series[(frames.series["name"] == name) & (frames.series["samples"] == samples)]
    return rows[rows["step"] == 4].set_index("key")["value"].sort_index()


def test_rescoring_gives_the_scores_that_training_would_have_given(folder: Path, tmp_path: Path) -> None:
    measurement = {"samples": 70, "metrics": ["modes", "sliced-w1"]}
    trained = ganbench.run(tiny_suite(measurement=measurement), results=tmp_path / "trained", jobs=0)
    progress: list[tuple[int, int]] = []
    for metric in measurement["metrics"]:
        rescore_trials(folder, metric, PLUGINS, 70, lambda done, trials: progress.append((done, trials)))
    rescored = read(folder)
    for name in ("modes", "high-quality", "sliced-w1"):
        assert final_values(rescored, name, 70).equals(final_values(trained, name, 70))
        assert len(final_values(rescored, name, 70)) == 6
    protocols = [set(f.scores.loc[f.scores["name"] == "sliced-w1", "measurement"]) for f in (rescored, trained)]
    assert protocols[0] == protocols[1]
    assert progress[-1] == (6, 6)


def test_models_with_standing_statistics_are_rescored_with_them(tmp_path: Path) -> None:
    """A suite says so by `normalisation`; the scores of another one are of another measurement."""
    hashes = []
    for how in ("standing", "batch"):
        measurement = {"samples": 50, "metrics": ["sliced-w1"], "normalisation": how}
        suite = tiny_suite(measurement=measurement, success=None)
        frames = ganbench.run(suite, results=tmp_path / how, jobs=0)
        rescore_trials(tmp_path / how, "sliced-w1", PLUGINS)
        again = read(tmp_path / how)
        assert len(again.scores) == len(frames.scores), "the same scores, stored once"
        hashes.append(set(again.scores.loc[again.scores["name"] == "sliced-w1", "measurement"]))
    assert hashes[0].isdisjoint(hashes[1])


def test_tables_show_the_protocols_separately_and_the_old_scores_stay(folder: Path) -> None:
    before = read(folder).scores
    first = command("evaluate", "r", "--metric", "modes", "--samples", "70", cwd=folder.parent)
    assert first.returncode == 0, first.stderr
    assert "modes of 6 trials on 70 samples, measurement" in first.stdout
    after = read(folder).scores
    old_scores = after[after["samples"] != 70].reset_index(drop=True)
    assert old_scores.equals(before)
    second = command("evaluate", "r", "--metric", "modes", "--samples", "70", cwd=folder.parent)
    assert second.stdout == first.stdout
    assert len(read(folder).scores) == len(after), "rescoring twice stores the scores once"
    tables = command("table", "r", cwd=folder.parent).stdout
    assert tables.count("## Success rates on ring: final modes above threshold") == 2
    lines = [line for line in tables.splitlines() if line.startswith("| ns-gan | modes")]
    assert {line.split("|")[4].strip() for line in lines} == {"50", "70"}


def test_a_condition_is_evaluated_under_the_protocol_of_the_suite(tmp_path: Path) -> None:
    rule = {"dataset": "ring", "condition": "modes >= 1 and high-quality >= 0", "allow_trivial": True}
    frames = ganbench.run(tiny_suite(success=[rule]), results=tmp_path / "r", jobs=0)
    assert len(frames.trials) == 6
    before = command("table", "r", cwd=tmp_path)
    rescore_trials(tmp_path / "r", "modes", PLUGINS, 70)
    after = command("table", "r", cwd=tmp_path)
    assert (before.returncode, after.returncode) == (0, 0), after.stderr
    assert after.stdout.count("## Success rates") == 2


def test_a_trial_or_metric_that_cannot_be_scored_is_reported_with_the_reason(folder: Path) -> None:
    @hookimpl
    def ganbench_metrics():
        measure = lambda evidence: {"odd": 1 / 0}  # noqa: E731
        yield Offer("odd", lambda: Metric(measure=measure, values={"odd": "lower"}), "Raises.")
        yield Offer(
            "probe", lambda: Metric(measure=measure, values={"p": "lower"}, needs="networks"), "Needs a critic."
        )

    plugins = registry.load(plugins=[ganbench_metrics])
    for metric, samples, message in [
        ("odd", None, "ZeroDivisionError: division by zero"),
        ("probe", None, "only generators are stored"),
        ("fid", None, r"has no feature extractor\. `\[measurement\] extractor` names one"),
        ("mods", None, "Did you mean 'modes'"),
        ("modes", 1, "give 2 or more"),
    ]:
        with pytest.raises(GanbenchError, match=message):
            rescore_trials(folder, metric, plugins, samples)
    with pytest.raises(GanbenchError, match="no results here"):
        rescore_trials(folder / "nowhere", "modes", plugins)
    assert not (folder / "nowhere").exists()
    key = read(folder).trials["key"][0]
    (folder / "networks" / f"{key}.safetensors").unlink()
    result = rescore_trials(folder, "sliced-w1", plugins)
    assert len(result.scores) == 5
    assert [*result.lines][-1].startswith("1 trials not scored: its generator is missing")


def test_further_scores_need_a_record_and_are_stored_all_or_none(tmp_path: Path) -> None:
    results(tmp_path, [record(trial(), [1.0])])
    new = Score(50, "kid", 2.0, "lower", "k" * 64, 10)
    with Store(tmp_path) as store:
        with pytest.raises(GanbenchError, match="no record with key"):
            store.add_scores({trial().key: [new], trial(seed=1).key: [new]})
        assert set(store.frames().scores["name"]) == {"fid"}
        store.add_scores({trial().key: [new]})
        assert store.frames().scores["value"].tolist() == [1.0, 2.0]


def test_a_metric_or_a_dataset_that_would_end_the_program_is_the_reason_for_skipping(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = command("evaluate", "r", "--metric", "leaves", "--plugin", leaving_plugins.__file__, cwd=folder.parent)
    assert ended.returncode == 2
    assert "no generator could be scored by 'leaves': metric 'leaves': `measure`: it ends the program" in ended.stderr
    monkeypatch.setattr("ganbench.runner.worker.load_reference", lambda *_: leaving_plugins.leave())
    with pytest.raises(GanbenchError, match=r"by 'modes': it ends the program \(SystemExit: 0\) in leaving_plugins.py"):
        rescore_trials(folder, "modes", PLUGINS)
