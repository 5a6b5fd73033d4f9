"""What is computed of the reference once is kept by content, shared by processes, and made again if it is broken."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ganbench import Evidence, Extractor, GanbenchError, Metric, Source
from ganbench.api.trials import Part
from ganbench.evaluation import kept_tensors
from ganbench.evaluation.baselines import NO_NETWORKS
from ganbench.evaluation.kept_tensors import load_or_make
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_metric
from torch import Tensor

from tests.support.metric_checks import METRICS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep everything, however quick it was, in a folder of the test."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(kept_tensors, "KEEP_FROM", 0.0)
    return tmp_path / "evaluation"


def ones() -> dict[str, Tensor]:
    return {"x": torch.ones(3)}


def refuse() -> dict[str, Tensor]:
    raise AssertionError("it is made again")


KEY = "ab" * 32


def test_what_is_kept_is_read_and_not_made_again(folder: Path) -> None:
    assert torch.equal(load_or_make(KEY, ones)["x"], torch.ones(3))
    assert torch.equal(load_or_make(KEY, refuse)["x"], torch.ones(3))
    assert [file.name for file in folder.glob("*.*")] == [f"{KEY}.safetensors"]


def test_what_took_no_time_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_tensors, "KEEP_FROM", 1.0)
    load_or_make(KEY, ones)
    assert not list(folder.glob("*.safetensors"))


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x08\0\0\0\0\0\0\0{}      more"])
def test_a_broken_file_is_made_again_with_a_warning(folder: Path, content: bytes) -> None:
    load_or_make(KEY, ones)
    file = folder / f"{KEY}.safetensors"
    file.write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"it is broken .*made again"):
        assert torch.equal(load_or_make(KEY, ones)["x"], torch.ones(3))
    assert torch.equal(load_or_make(KEY, refuse)["x"], torch.ones(3))


def test_a_folder_that_cannot_be_written_keeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(kept_tensors, "KEEP_FROM", 0.0)
    assert torch.equal(load_or_make(KEY, ones)["x"], torch.ones(3))


def test_two_that_need_the_same_make_it_once(folder: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, Tensor]:
        made.append(1)
        time.sleep(0.3)
        return ones()

    threads = [threading.Thread(target=load_or_make, args=(KEY, make)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_the_files_that_were_not_read_for_longest_are_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"{i:02}" * 32 for i in range(3)]
    for age, key in zip((30, 20), keys, strict=False):
        load_or_make(key, ones)
        os.utime(folder / f"{key}.safetensors", (time.time() - age,) * 2)
    load_or_make(keys[0], refuse)  # now the second one is the oldest
    monkeypatch.setattr(kept_tensors, "MOST_BYTES", 2 * (folder / f"{keys[0]}.safetensors").stat().st_size)
    load_or_make(keys[2], ones)
    assert sorted(file.stem for file in folder.glob("*.safetensors")) == [keys[0], keys[2]]


# the reference


class Lens:
    """An extractor that counts the samples that it was called with."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: Tensor) -> Mapping[str, Tensor]:
        self.count += len(x)
        return {"features": torch.cat([x, x * x], 1), "logits": -x}


def source(lens: Lens, digest: str = "d", shift: float = 0.0) -> Source:
    real = torch.randn(50, 2, generator=torch.Generator().manual_seed(1)) + shift
    extractor = Extractor(name="lens", digest=digest, extract=lens, chunk=8)
    return Source(shape=(2,), size=50, take=lambda i: real[i], reference=lambda n: real[:n], extractor=extractor)


def score(name: str, reference: Reference) -> tuple[float, ...]:
    samples = torch.randn(60, 2, generator=torch.Generator().manual_seed(2))
    evidence = ModelEvidence(samples, reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={})
    return tuple(each.value for each in score_metric(Part(name), METRICS[name], evidence, step=0, twice=True))


@pytest.mark.parametrize("name", ["fid", "kid", "precision-recall"])
def test_a_second_process_extracts_nothing_of_the_reference_and_has_the_same_scores(name: str, folder: Path) -> None:
    lenses = Lens(), Lens()
    first, second = (score(name, Reference(source(lens), 50)) for lens in lenses)
    assert first == second
    assert lenses[1].count == 60 < lenses[0].count


@pytest.mark.parametrize("other", [{"digest": "e"}, {"shift": 0.5}])
def test_another_extractor_or_reference_is_another_file(other: dict[str, Any], folder: Path) -> None:
    first, second = Reference(source(Lens()), 50), Reference(source(Lens(), **other), 50)
    before = first.features
    assert ("shift" in other) == (not torch.equal(before, second.features))
    assert len(list(folder.glob("*.safetensors"))) == 2


# what metrics prepare


def prepared_metric(prepare: Any, **options: Any) -> Metric:
    def measure(evidence: Evidence) -> dict[str, float]:
        return {"m": float(evidence.prepared["x"].sum())}

    return Metric(measure=measure, values={"m": "lower"}, prepare=prepare, **options)


def measure_prepared(metric: Metric, reference: Reference | None = None, part: Part = Part("m")) -> float:  # noqa: B008
    reference = reference or Reference(source(Lens()), 50)
    evidence = ModelEvidence(
        torch.zeros(4, 2), reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={}
    )
    (only,) = score_metric(part, metric, evidence, step=0, twice=True)
    return only.value


def test_a_metric_prepares_once_for_all_models_and_all_processes(folder: Path) -> None:
    calls: list[int] = []

    def prepare(evidence: Evidence) -> dict[str, Tensor]:
        calls.append(1)
        return {"x": evidence.reference.sum(0) + evidence.reference_features.sum() + evidence.reference_moments.mean[0]}

    metric = prepared_metric(prepare)
    values = {measure_prepared(metric) for _ in range(3)}
    assert len(calls) == len(values) == 1
    measure_prepared(metric, part=Part("m", options={"k": 2}))
    measure_prepared(replace(metric, software="library 2"))
    measure_prepared(metric, Reference(source(Lens(), shift=1.0), 50))
    assert len(calls) == 4, "other options, other software, another reference"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda e: {"x": e.samples}, "metric 'm': `prepare` reads `samples`, which is not of the reference"),
        (lambda e: {"x": e.source.facts}, "`prepare` reads `source`"),
        (lambda e: {"x": 1.0}, "`prepare` returns .*: return a dictionary of tensors by name"),
        (lambda e: torch.ones(1), "return a dictionary of tensors by name"),
        (lambda e: {"x": e.reference.mul_(2)}, "`prepare` changes `reference` in place"),
        (None, "it reads `prepared`, and has no `prepare`"),
    ],
)
def test_what_prepare_must_not_do_is_refused(prepare: Any, message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        measure_prepared(prepared_metric(prepare))


def test_a_metric_that_changes_what_it_prepared_is_refused() -> None:
    metric = replace(prepared_metric(lambda e: ones()), measure=lambda e: {"m": float(e.prepared["x"].mul_(2).sum())})
    with pytest.raises(GanbenchError, match=r"it changes `prepared\['x'\]` in place"):
        measure_prepared(metric)
