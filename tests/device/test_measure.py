"""The tables of a GPU are written on a CPU, too, so that none fails where time is short."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganbench import registry
from ganbench.engine import device as devices
from ganbench.engine.train import prepare

from tests.device import benchmark, measure

ROWS = {"Seeds in one stack": 8, "Beside a CPU": 6, "Batches on streams": 12, "Convolutional networks": 24}


@pytest.mark.parametrize("title", ROWS)
def test_each_row_has_as_many_cells_as_the_title(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = iter(range(100))

    def make_batch(*arguments: object) -> object:
        return arguments

    def prepare(batch: object, *_: object) -> SimpleNamespace:
        captured = next(built) > 0
        return SimpleNamespace(facts={"captured": captured, "not_captured": {"critic": "it counts"}})

    monkeypatch.setattr(measure, "make_batch", make_batch)
    monkeypatch.setattr(measure, "prepare", prepare)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 7 * 2**20)
    speed = measure.Speed(ms=2.0, kernels=1234, busy_ms=1.5)
    monkeypatch.setattr(measure, "time_steps", lambda *trainings: speed)
    titles, line, *rows = measure.TABLES[title]()
    assert {row.count("|") for row in (titles, line, *rows)} == {titles.count("|")}
    assert len(rows) == ROWS[title]
    if title == "Batches on streams":
        assert rows[-1] == "| wgan-gp | 16 | 4 | 2.00 | 32,000 | 1,234 | 75% |"
    elif title != "Beside a CPU":
        assert "1,234 | 75%" in rows[0]
        assert rows[0].endswith("| critic: it counts |")
        assert all(row.endswith("| yes |") for row in rows[1:])


def test_a_step_is_timed_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LEAST", 0.01)
    batch = measure.make_batch("ns-gan", 1, "mlp", "ring", 16)
    training = prepare(batch, registry.load(), torch.device("cpu"))
    assert 0 < measure.time_steps(training).ms < 1000
    several = [prepare(batch, registry.load(), torch.device("cpu")) for _ in range(2)]
    assert 0 < measure.time_steps(*several).ms < 1000
    assert {each.stage.done > 10 for each in several if each.stage} == {True}
    assert measure.describe_graphs(training) == "both: called"


def test_the_benchmark_writes_each_row_and_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"plain_ms": 10.0, "ms": 4.0, "ratio": 640.0, "met": True, "busy": 0.5, "waits": "", "captured": True}

    def compare(case: benchmark.Case) -> dict[str, object]:
        if case.seeds == 64:
            raise RuntimeError("the GPU is\non fire")
        return row

    monkeypatch.setattr(benchmark, "compare", compare)
    monkeypatch.setattr(devices, "configure", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H0")
    assert benchmark.main(str(tmp_path)) == 1
    printed = capsys.readouterr().out
    assert "| 3 x 64 | wgan-gp | 256 seeds | 4.00 ms | 10.00 ms | 640.0x, wanted 100x | captured; 50% busy |" in printed
    assert "| 3 x 512 | wgan-gp | FAILED: RuntimeError: the GPU is |" in printed
    assert [each["met"] for each in json.loads((tmp_path / "benchmark.json").read_text())["results"]].count(True) == 3
