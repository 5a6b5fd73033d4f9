"""Scores by a named extractor: in training, for baselines, on a second scoring; told, and never mixed with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import registry
from ganbench.evaluation.baselines import baseline_samplers, make_generator
from ganbench.evaluation.extraction import extract_in_chunks
from ganbench.report import compare, make_tables
from ganbench.report.paper_tables import make_paper_tables
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read
from ganbench.runner.rescore import rescore_trials
from ganbench.suite.loading import parse
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from tests.support import tile_extractors
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite

PLUGINS = registry.load(plugins=[tile_extractors])
FILE = Path(tile_extractors.__file__)
RULE = {"dataset": "digits", "metric": "fid", "thresholds": [1e9], "allow_trivial": True}


def declare(extractor: Any = None, **changes: Any) -> dict[str, Any]:
    """Return a suite on digits that measures the FID by an extractor."""
    named = {"extractor": extractor} if extractor is not None else {}
    changes = {"dataset": [{"name": "digits"}], "success": [RULE], "methods": ["ns-gan"], "seeds": 2, **changes}
    return suite(measurement={"samples": 40, "metrics": ["fid"], **named}, **changes)


def run(folder: Path, extractor: Any = None, **changes: Any) -> Frames:
    return ganbench.run(declare(extractor, **changes), results=folder, jobs=0, device="cpu", offers=[tile_extractors])


def fids(frames: Frames) -> dict[str, set[float]]:
    """Return the FIDs of a results folder, by their measurement."""
    rows = frames.scores[frames.scores["name"] == "fid"]
    return {str(way): set(group["value"]) for way, group in rows.groupby("measurement")}


@pytest.fixture(scope="module")
def by_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by the extractor "tiles"."""
    folder = tmp_path_factory.mktemp("tiles")
    run(folder, "tiles")
    return folder


def test_scores_and_baselines_come_from_the_named_extractor(by_tiles: Path, tmp_path: Path) -> None:
    named, own = read(by_tiles), run(tmp_path)
    assert fids(named).keys().isdisjoint(fids(own).keys()), "one measurement would mix them"
    assert not set().union(*fids(named).values()) & set().union(*fids(own).values())
    rows = named.calibration[named.calibration["name"] == "fid"]
    assert set(rows["measurement"]) == set(fids(named))
    source = PLUGINS.build("datasets", "digits")
    tiles = PLUGINS.build("extractors", "tiles")
    real = baseline_samplers(source, 40)[0].sample(40, make_generator("real data"))
    sets = real, source.reference(40)
    answers = [extract_in_chunks(tiles, x, torch.device("cpu"), source.range)["features"] for x in sets]
    expected = fid_statistics_to_metric(*(fid_features_to_statistics(x.double()) for x in answers), verbose=False)
    (baseline,) = rows.loc[rows["sampler"] == "real data", "value"]
    assert baseline == pytest.approx(next(iter(expected.values())), rel=1e-6)


def test_trained_weights_are_the_same_by_any_extractor(by_tiles: Path, tmp_path: Path) -> None:
    run(tmp_path)
    keys = list(read(by_tiles).trials["key"])
    with Store(by_tiles, readonly=True) as one, Store(tmp_path, readonly=True) as other:
        assert [one.generator(key) for key in keys] == [other.generator(key) for key in keys]


def test_equal_weights_elsewhere_are_the_same_measurement_and_others_are_not(tmp_path: Path) -> None:
    def measure(name: str, factor: str) -> set[str]:
        file = tmp_path / name
        file.write_text(factor)
        return set(fids(run(tmp_path / f"results-{name}", {"name": "tiles", "weights": str(file)})))

    first = measure("a", "1")
    assert measure("b", "1") == first
    assert measure("c", "2").isdisjoint(first)


def test_a_new_extractor_retrains_nothing_and_evaluate_scores_by_it(by_tiles: Path, tmp_path: Path) -> None:
    run(tmp_path)
    own = fids(read(tmp_path))
    frames = run(tmp_path, "tiles")
    assert fids(frames) == own, "nothing is trained or scored again"
    rescore_trials(tmp_path, "fid", PLUGINS)
    both = fids(read(tmp_path))
    (new,) = both.keys() - own.keys()
    trained = read(by_tiles).series
    final = trained.loc[trained["step"] == trained["step"].max(), "value"]
    assert {round(value, 9) for value in both[new]} <= {round(value, 9) for value in final}
    (rows,) = (table for table in make_tables(read(tmp_path), []) if table.title == "Scores on digits")
    assert sorted(set(rows.frame.loc[rows.frame["metric"] == "fid", "measurement"])) == sorted(way[:8] for way in both)
    notes = [note for note in rows.notes if note.startswith("Features")]
    assert len(notes) == 2, notes
    assert any(note.startswith(f"Features of measurement {new[:8]}: tiles (") for note in notes)
    assert any(note.endswith(": digits-cnn (" + note[-10:]) and next(iter(own))[:8] in note for note in notes)


def test_a_metric_that_no_run_measured_has_a_note_on_its_extractor_once_it_is_scored(tmp_path: Path) -> None:
    declared = suite(
        dataset=[{"name": "digits"}],
        measurement={"samples": 40, "metrics": ["sliced-w1"]},
        success=None,
        methods=["ns-gan"],
        seeds=2,
    )
    ganbench.run(declared, results=tmp_path, jobs=0, device="cpu", offers=[tile_extractors])
    for _ in range(2):
        rescore_trials(tmp_path, "fid", PLUGINS)
    (fact,) = read(tmp_path).runs[-1].facts["rescored_by"]
    assert fact["values"] == ["fid"]
    assert set(fact["measurements"]) == fids(read(tmp_path)).keys()
    (table,) = (table for table in make_tables(read(tmp_path), []) if table.title == "Scores on digits")
    assert [note for note in table.notes if note.startswith("Features: digits-cnn (")]


def test_two_folders_by_other_extractors_are_not_compared_by_score(by_tiles: Path, tmp_path: Path) -> None:
    run(tmp_path / "own")
    with pytest.raises(ganbench.GanbenchError, match="measured by unlike protocols"):
        compare(by_tiles, tmp_path / "own")


def test_tables_latex_and_page_say_which_extractor(by_tiles: Path, tmp_path: Path) -> None:
    frames = read(by_tiles)
    digest = tile_extractors.build_tiles().digest[:8]
    rules = parse(declare("tiles"), "s.toml").success
    expected = f"Features: tiles ({digest})."
    for table in make_tables(frames, rules):
        if table.title.startswith(("Scores on", "Success rates on")):
            assert expected in table.notes
    latex = PLUGINS.build("reports", "latex")
    printed = [str(latex.render(table)) for table in make_paper_tables(frames, rules)]
    assert [expected in each for each in printed] == [True, True, False], "rates, scores; outcomes need no features"
    ganbench.write_page(by_tiles, tmp_path / "page.html", plugins=PLUGINS)
    assert f"On digits, FID compares features of tiles ({digest})." in (tmp_path / "page.html").read_text()


def test_plan_says_which_extractor_will_be_used(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'question = "q?"\nmethods = ["ns-gan"]\n[budget]\ngenerator_steps = 4\n[[dataset]]\nname = "pictures"\n'
        '[measurement]\nsamples = 20\nmetrics = ["fid", "kid"]\nextractor = "tiles"\n'
    )
    printed = command("plan", "s.toml", "--plugin", str(FILE), cwd=tmp_path)
    digest = tile_extractors.build_tiles().digest[:8]
    assert printed.returncode == 0, printed.stderr
    assert f"pictures: FID, KID compare features of tiles ({digest})" in printed.stdout.splitlines()


def test_workers_score_a_dataset_without_an_extractor_by_a_named_one(tmp_path: Path) -> None:
    table = declare("tiles", dataset=[{"name": "pictures"}], success=None)
    frames = ganbench.run(table, results=tmp_path / "r", jobs=1, device="cpu", files=[FILE])
    assert set(frames.trials["status"]) == {"completed"}, list(frames.trials["error"])
    assert frames.scores["value"].notna().all()
    assert frames.runs[-1].facts["plugins"][0]["offers"] == ["datasets/pictures", "extractors/tiles"]


def test_a_metric_on_logits_says_that_an_extractor_has_none(tmp_path: Path) -> None:
    table = declare("blunt", success=None)
    table["measurement"]["metrics"] = ["inception-score"]
    with pytest.raises(ganbench.GanbenchError, match="extractor 'blunt' has features only, and no logits"):
        ganbench.run(table, results=tmp_path, jobs=0, device="cpu", offers=[tile_extractors])
