"""Kept snapshots: the generators of every evaluation point, bit for bit, and sheets of their samples over time."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, read, registry
from ganbench.engine import device
from ganbench.engine.train import prepare
from ganbench.plan import make
from ganbench.report.sample_source import SampleSource
from ganbench.report.samples_over_time import list_over_time
from ganbench.results.files import list_networks, list_snapshots
from ganbench.results.store import Store
from ganbench.runner.keeping import Keep
from ganbench.runner.worker import Job
from ganbench.suite.loading import parse
from ganbench.suite.tables import KeepTable

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


def suite(**changes: Any) -> dict[str, Any]:
    """Return a suite of points and images whose averaged generators are scored at steps 2, 4 and 6."""
    content = {
        "seeds": 2,
        "methods": ["ns-gan"],
        "method": [{"name": "ns-gan", "ema": 0.5}],
        "dataset": [{"name": "ring"}, {"name": "digits"}],
        "budget": {"generator_steps": 6, "batch_size": 16, "snapshots": 3},
        "measurement": {"samples": 40, "metrics": ["sliced-w1"]},
        "success": None,
        "keep": {"generators": "snapshots"},
    }
    return small(**{**content, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kept") / "r"
    ganbench.run(suite(), results=out, jobs=0, device="cpu")
    return out


def test_the_samples_of_every_snapshot_are_those_that_were_scored_bit_for_bit(folder: Path) -> None:
    source = SampleSource(folder, read(folder), PLUGINS)
    for batch in make(parse(suite()), PLUGINS).batches:
        training = prepare(batch, PLUGINS, device.configure("cpu"))
        for snapshot in training.run():
            step = None if snapshot.final else snapshot.step
            for trial, samples in zip(batch.trials, training.draw_samples(snapshot, 40), strict=True):
                assert torch.equal(torch.from_numpy(source.rebuild(trial.key, step)[trial.key].samples), samples)
        keys = [trial.key for trial in batch.trials]
        assert [list(list_snapshots(folder, key)) for key in keys] == [[2, 4], [2, 4]]


def test_what_is_kept_is_part_of_no_key_and_no_number(folder: Path, tmp_path: Path) -> None:
    plain = ganbench.run(suite(keep=None), results=tmp_path / "r", jobs=0, device="cpu")
    kept = read(folder)
    columns = ["key", "step", "name", "value"]
    assert kept.scores[columns].equals(plain.scores[columns])
    assert [file.read_bytes() for file in list_networks(folder)] == [
        file.read_bytes() for file in list_networks(tmp_path / "r")
    ]
    assert not (tmp_path / "r/networks/snapshots").exists()
    ganbench.run(suite(), results=tmp_path / "r", jobs=0, device="cpu")
    assert not (tmp_path / "r/networks/snapshots").exists(), "nothing is trained again for it"


def test_a_batch_that_resumes_from_a_checkpoint_keeps_the_snapshots_before_it(tmp_path: Path) -> None:
    (batch, *_) = make(parse(suite()), PLUGINS).batches
    configured = device.configure("cpu")

    def work(folder: Path) -> Job:
        folder.mkdir(exist_ok=True)
        return Job(batch, PLUGINS, configured, str(folder), 0.0, keep=Keep(generators="snapshots"))

    whole = work(tmp_path / "whole")
    whole.run(lambda step, steps: None)

    def stop(step: int, steps: int) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(tmp_path / "stopped").run(stop)
    resumed = work(tmp_path / "stopped")
    resumed.run(lambda step, steps: None)
    assert resumed.facts["resumed"] == 4
    assert resumed.kept.files == whole.kept.files
    assert [list(files) for files in resumed.kept.files] == [[2, 4, 6], [2, 4, 6]]


def test_a_snapshot_that_was_altered_is_not_drawn(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    key = read(copy).trials["key"].iloc[0]
    list_snapshots(copy, key)[2].write_bytes(b"altered")
    with Store(copy, readonly=True) as store, pytest.raises(GanbenchError, match="at step 2, as it was stored"):
        store.snapshot(key, 2)
    source = SampleSource(copy, read(copy), PLUGINS)
    with pytest.raises(GanbenchError, match="its generator is missing, or is not the file that was stored"):
        source.rebuild(key, 2)


def test_a_record_without_snapshots_replaces_one_with_them(folder: Path, tmp_path: Path) -> None:
    import shutil

    from ganbench.api.records import Record
    from ganbench.api.trials import restore_trial

    copy = shutil.copytree(folder, tmp_path / "copy")
    key = read(copy).trials["key"].iloc[0]
    with Store(copy) as store:
        labels = {name: store.detail(key)[name] for name in ("dataset", "architecture", "method")}
        store.append([Record(trial=restore_trial(store.detail(key)["content"], labels), status="failed")])
    assert list_snapshots(copy, key) == {}


def test_a_sheet_has_a_row_for_each_snapshot_with_its_step_and_score(folder: Path, monkeypatch: Any) -> None:
    from ganbench.report import samples_over_time

    frames = read(folder)
    sheets = list_over_time(folder, frames, PLUGINS)
    assert [name for name, _ in sheets] == sorted({name for name, _ in sheets}, reverse=True)
    assert len(sheets) == 2
    assert all(draw()[:4] == b"\x89PNG" for _, draw in sheets)
    rows: list[Any] = []
    monkeypatch.setattr(samples_over_time, "draw_sheet", lambda drawn, title, columns: rows.append((drawn, title)))
    key = frames.trials["key"].iloc[-1]
    ((name, draw),) = list_over_time(folder, frames, PLUGINS, key[:9])
    draw()
    ((drawn, title),) = rows
    assert name == f"trial-{key[:12]}-over-time.png"
    assert title == f"ns-gan on digits: trial {key[:8]} over time"
    assert [label for label, _ in drawn] == ["step 2", "step 4", "step 6"]
    assert not any(torch.equal(torch.tensor(a.samples), torch.tensor(b.samples)) for (_, a), (_, b) in pairwise(drawn))


def test_the_command_draws_them_or_says_how_to_keep_them(folder: Path, tmp_path: Path) -> None:
    drawn = command("samples", str(folder), "--over-time", "--out", "out", cwd=tmp_path)
    assert drawn.returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    ganbench.run(suite(keep=None, dataset=[{"name": "ring"}]), results=tmp_path / "r", jobs=0, device="cpu")
    key = read(tmp_path / "r").trials["key"].iloc[0]
    for words in ((), ("--of", key[:8])):
        refused = command("samples", "r", "--over-time", *words, cwd=tmp_path)
        assert refused.returncode == 2
        assert 'Add `[keep]` with `generators = "snapshots"` to the suite' in refused.stderr


def test_a_suite_knows_only_some_ways_to_keep() -> None:
    assert parse(suite(keep=None)).keep.generators == "final"
    with pytest.raises(GanbenchError, match=r"keep\.generators"):
        parse(suite(keep={"generators": "all"}))
    assert tomllib.loads('[keep]\ngenerators = "snapshots"') == {"keep": suite()["keep"]}


def test_the_estimate_counts_the_generators_that_are_kept() -> None:
    from ganbench.progress import estimate_cost
    from ganbench.progress.estimate import ROW_BYTES

    batches = make(parse(suite(dataset=[{"name": "ring"}])), PLUGINS).batches
    kept = {
        (generators, precision): estimate_cost(
            batches,
            None,
            Path("."),
            PLUGINS,
            1,
            device="cpu",
            keep=KeepTable(generators=generators, precision=precision),
        ).disk
        - 2 * ROW_BYTES
        for generators, precision in [
            *((each, "float32") for each in ("none", "final", "best", "snapshots")),
            ("final", "float16"),
        ]
    }
    final = kept["final", "float32"]
    assert final > 0
    assert list(kept.values()) == [0, final, 2 * final, 3 * final, final // 2]
