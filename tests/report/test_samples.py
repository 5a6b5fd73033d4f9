"""Sample sheets show the samples that were scored, bit for bit, or the reason why there are none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ganbench import GanbenchError, plan, read, registry
from ganbench.api.metrics import metric_title
from ganbench.api.trials import restore_trial
from ganbench.engine import device
from ganbench.engine.restore import restore_snapshot
from ganbench.engine.train import prepare
from ganbench.report.figures import write_pictures
from ganbench.report.sample_plots import Strip, draw_images, draw_points, project_points, tile_images
from ganbench.report.samples import SampleSource, list_paired, list_sheets, rank_trials, trial_sheet
from ganbench.results.store import Store
from ganbench.runner import driver
from ganbench.suite.loading import parse
from matplotlib.figure import Figure

from tests.support.tiny_suite import suite as small

EVIL = "../../x$\\frac{<b>\u4e2d"
SUITE = small(
    seeds=2,
    methods=["ns-gan"],
    method=[{"name": EVIL, "from": "wgan-gp", "ema": 0.5}, {"name": "sn", "from": "hinge-sn"}],
    architectures={
        "space": "mlp",
        "options": {"generator_width": 8, "critic_width": 8, "generator_normalised": True},
    },
    dataset=[{"name": "ring"}, {"name": "digits"}],
    measurement={"samples": 40, "metrics": ["sliced-w1"]},
    success=[{"dataset": "ring", "metric": "sliced-w1", "thresholds": [9], "primary": 9, "allow_trivial": True}],
)
PLUGINS = registry.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of every kind of trial: points and images, averaged weights, batch statistics, spectral norm."""
    out = tmp_path_factory.mktemp("sheets") / "results"
    driver.run(SUITE, results=out, jobs=0, device="cpu")
    return out


def test_a_stored_trial_is_restored_with_its_key(folder: Path) -> None:
    frames = read(folder)
    with Store(folder, readonly=True) as store:
        for key in frames.trials["key"]:
            assert restore_trial(store.detail(key)["content"], {}).key == key


def test_sheets_show_the_samples_of_the_engine_bit_for_bit(folder: Path) -> None:
    source = SampleSource(folder, read(folder), PLUGINS)
    batches = plan.make(parse(SUITE), PLUGINS).batches
    assert {batch.trials[0].recipe.ema for batch in batches} == {0.0, 0.5}
    for batch in batches:
        training = prepare(batch, PLUGINS, device.configure("cpu"))
        (*_, last) = training.run()
        for trial, samples in zip(batch.trials, training.draw_samples(last, 40), strict=True):
            shown = source.load(trial.key)
            assert shown.reason == ""
            assert torch.equal(torch.from_numpy(shown.samples), samples), trial.labels
            assert samples.std() > 0


def test_trials_are_ordered_from_the_best_to_the_worst_with_the_failed_last(folder: Path) -> None:
    frames = read(folder)
    trials = frames.trials[(frames.trials["dataset"] == "ring") & (frames.trials["method"] == "sn")]
    series = frames.scores[(frames.scores["name"] == "sliced-w1") & ~frames.scores["fresh"]]
    final = series.groupby("key")["value"].last()
    order = rank_trials(frames, trials)
    assert [key for key, _ in order] == sorted(trials["key"], key=lambda key: final[key])
    best = order[0][0]
    assert order[0][1].endswith(f"seed {trials.set_index('key')['seed'][best]}\nsliced-W1 {final[best]:.4g}")
    failing = frames.trials.assign(status=frames.trials["status"].where(frames.trials["key"] != best, "failed"))
    assert [key for key, _ in rank_trials(replace(frames, trials=failing), trials)][-1] == best


def test_without_a_success_rule_trials_are_ranked_by_the_first_metric_with_a_direction(folder: Path) -> None:
    frames = read(folder)
    on_digits = frames.trials["dataset"] == "digits"
    scores = frames.scores[frames.scores["key"].isin(frames.trials.loc[on_digits, "key"])]
    first = metric_title(min(scores.loc[scores["direction"] != "neutral", "name"]))
    for _, trials in frames.trials[on_digits].groupby("method"):
        notes = [name.split("\n")[1] for _, name in rank_trials(frames, trials)]
        assert all(note.startswith(f"{first} ") for note in notes), notes
    names = [name for name, _ in list_paired(folder, frames, PLUGINS) if name.startswith("digits")]
    assert names
    assert not any("not-compared" in name for name in names)


def test_the_name_of_a_trial_without_a_score_has_its_outcome(folder: Path) -> None:
    frames = read(folder)
    rows = frames.trials[(frames.trials["dataset"] == "ring") & (frames.trials["method"] == "sn")]
    first, second = rows["key"]

    def notes(**columns: object) -> dict[str, str]:
        """Return the note of each trial, with these columns changed for the first one."""
        chosen = frames.trials["key"] == first
        changed = frames.trials.assign(**{name: frames.trials[name].mask(chosen, v) for name, v in columns.items()})
        ranked = rank_trials(replace(frames, trials=changed), changed[changed["key"].isin(rows["key"])])
        return {key: name.split("\n")[1] for key, name in ranked}

    assert notes(status="failed")[first] == "failed"
    assert notes(status="timed-out")[first] == "timed out"
    assert notes(status="missing")[first] == "missing"
    assert notes(status="diverged", diverged_at=3)[first] == "diverged"
    is_score = (frames.scores["key"] == first) & (frames.scores["name"] == "sliced-w1")
    undefined = replace(frames, scores=frames.scores.assign(value=frames.scores["value"].mask(is_score, np.nan)))
    names = [name for _, name in rank_trials(undefined, rows)]
    assert names[0].split("\n")[1].startswith("sliced-W1 ")
    assert names[1].split("\n")[1] == "undefined"
    unscored = replace(frames, scores=frames.scores[~is_score])
    assert dict(rank_trials(unscored, rows))[first].endswith("not scored")
    assert second in dict(rank_trials(unscored, rows))


def test_sheets_stay_in_the_folder_and_have_the_same_bytes_twice(folder: Path, tmp_path: Path) -> None:
    frames = read(folder)
    sheets = list_sheets(folder, frames, PLUGINS)
    key = frames.trials["key"].iloc[0]
    sheets.append(trial_sheet(folder, frames, PLUGINS, key[:10]))
    before = set(tmp_path.rglob("*"))
    files = list(write_pictures(sheets, tmp_path / "a" / "figures"))
    assert len(files) == 2 * 3 + 1
    assert files[-1].name == f"trial-{key[:12]}-samples.png"
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "a", tmp_path / "a" / "figures", *files}
    again = list_sheets(folder, frames, PLUGINS)
    for place in (0, 3):
        assert again[place][0] == sheets[place][0]
        assert again[place][1]() == files[place].read_bytes()


def test_a_trial_without_a_generator_is_an_empty_frame_with_its_reason(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    frames = read(folder)
    lost, failed, missing = frames.trials["key"].iloc[[0, 2, 4]]
    (copy / "networks" / f"{lost}.safetensors").write_bytes(b"changed")
    (copy / "networks" / f"{failed}.safetensors").unlink()
    with closing(sqlite3.connect(copy / "results.sqlite")) as link, link:
        trial = "(SELECT id FROM trials WHERE key = ?)"
        link.execute(
            f"UPDATE records SET status = 'failed', error = 'boom', network = '' WHERE trial = {trial}", [failed]
        )
        link.execute(f"DELETE FROM records WHERE trial = {trial}", [missing])
    source = SampleSource(copy, read(copy), PLUGINS)
    assert source.load(lost).reason.startswith("its generator is missing")
    assert source.load(failed).reason == "boom"
    assert source.load(missing).reason == "not trained yet"
    assert all(draw()[:4] == b"\x89PNG" for _, draw in list_sheets(copy, read(copy), PLUGINS)[:2])
    member = frames.trials["key"].iloc[1]
    assert source.load(member).reason == "", "a missing generator in the same batch does not matter"
    np.testing.assert_array_equal(
        source.load(member).samples, SampleSource(folder, frames, PLUGINS).load(member).samples
    )
    with pytest.raises(GanbenchError, match="left no generator"):
        trial_sheet(copy, read(copy), PLUGINS, failed)


def test_a_generator_that_does_not_fit_is_refused_with_a_message(folder: Path) -> None:
    batches = plan.make(parse(SUITE), PLUGINS).batches
    here, other = (next(b for b in batches if b.trials[0].labels["dataset"] == name) for name in ("ring", "digits"))
    with Store(folder, readonly=True) as store:
        files = [store.generator(trial.key) for trial in other.trials]
    with pytest.raises(GanbenchError, match="does not fit the network"):
        restore_snapshot(prepare(here, PLUGINS, device.configure("cpu")), files)
    with pytest.raises(GanbenchError, match="no member of this batch"):
        restore_snapshot(prepare(here, PLUGINS, device.configure("cpu")), [b"", b""])


def images(channels: int) -> Strip:
    """Return four images of 2x3 pixels whose values depend on channel, row and column."""
    values = np.arange(4 * channels * 6, dtype=np.float32).reshape(4, channels, 2, 3)
    return Strip("a\nb", values, values)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_are_side_by_side_in_grey_or_colour_on_the_scale_of_the_data(channels: int) -> None:
    strip = images(channels)
    shown = tile_images(strip, 3, (channels, 2, 3))
    assert shown.shape == (3, 3 * 4, 3)
    scaled = strip.samples / strip.samples.max()
    for place in range(3):
        block = shown[:2, place * 4 : place * 4 + 3]
        expected = scaled[place] if channels == 3 else scaled[place, :1].repeat(3, 0)
        np.testing.assert_allclose(block, expected.transpose(1, 2, 0), rtol=0, atol=1e-7)
    assert (shown[2] == 1).all()
    assert (shown[:, 3::4] == 1).all(), "there is a white line between images"


def test_a_sheet_of_images_is_one_picture_without_smoothing() -> None:
    figure = Figure()
    draw_images([images(1), Strip("failed", None, None, "boom")], "T", 3, figure)
    (axes,) = figure.axes
    assert axes.images[0].get_array().shape == (6, 12, 3)
    assert axes.images[0].get_interpolation() == "nearest"
    assert [text.get_text() for text in axes.texts] == ["boom"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a\nb", "failed"]


def test_points_are_drawn_over_the_data_on_the_scale_of_the_data() -> None:
    samples, data = np.random.default_rng(0).normal(size=(2, 9, 2)).astype(np.float32)
    figure = Figure()
    draw_points([Strip("a", 99 * samples, data), Strip("failed", None, None, "boom")], "T", 3, 5, figure)
    first, second, unused = figure.axes
    behind, front = first.lines
    np.testing.assert_array_equal(behind.get_xydata(), data[:5])
    np.testing.assert_array_equal(front.get_xydata(), 99 * samples[:5])
    assert first.get_xlim()[0] < data[:5, 0].min()
    assert first.get_xlim()[1] < 99
    assert [text.get_text() for text in second.texts] == ["boom"]
    assert not second.lines
    assert not unused.axison


def test_numbers_on_a_line_are_drawn_as_their_distribution() -> None:
    np.testing.assert_array_equal(project_points(np.array([[3.0], [1.0], [2.0]])), [[1, 0], [2, 0.5], [3, 1]])


def test_the_commands_write_beside_the_results_and_report_what_is_wrong(folder: Path, tmp_path: Path, capsys) -> None:
    from ganbench import cli

    def ganbench(*words: object) -> tuple[int, str, str]:
        try:
            cli.main([str(word) for word in words])
        except SystemExit as ended:
            return int(ended.code or 0), *capsys.readouterr()
        return 0, *capsys.readouterr()

    over_time = [f"{name}-scores-over-time.{form}" for form in ("png", "csv") for name in ("ring", "digits")]
    names = ["ring-sliced-w1-success.png", "ring-sliced-w1-scores.png", *over_time]
    code, out, err = ganbench("figures", folder)
    assert (code, err) == (0, "")
    assert out.splitlines() == [str(folder / "figures" / name) for name in names]
    key = read(folder).trials["key"].iloc[0]
    code, out, _ = ganbench("samples", folder / "results.sqlite", "--of", key[:12], "--out", tmp_path)
    assert code == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"trial-{key[:12]}-samples.png"]
    (tmp_path / "file").touch()
    for words, message in [
        (("samples", folder, "--of", "zz"), "'zz' is not a key"),
        (("samples", folder, "--of", "0" * 64), "no record with key"),
        (("figures", tmp_path), "no results here"),
        (("figures", folder, "--out", tmp_path / "file" / "x"), "Choose another folder with --out"),
        (("table", folder, "--format", "latx"), "Did you mean 'latex'?"),
    ]:
        code, out, err = ganbench(*words)
        assert (code, out) == (2, "")
        assert message in err
    code, out, _ = ganbench("table", folder, "--format", "latex")
    assert code == 0
    assert out.isascii()
    assert out.count(r"\begin{table}") == out.count(r"\end{table}") >= 4
