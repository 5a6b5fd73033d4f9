"""What a suite costs is known before the files of its datasets are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError, NotInstalled, Offer, hookimpl, plan, registry
from ganbench.progress.estimate import count_work
from ganbench.suite.loading import parse

from tests.support.terminal import ganbench
from tests.support.tiny_suite import suite as small


class Far:
    """Datasets whose files are never here; of one, the shape is known."""

    @staticmethod
    @hookimpl
    def ganbench_datasets():
        def build_shaped(pixels: int = 8):
            raise NotInstalled("far.idx is missing", shape=(2,), classes=8)

        def build_shapeless():
            raise NotInstalled("folder is missing")

        yield Offer("far", build_shaped, "A set of known shape.", metrics=("mmd",))
        yield Offer("farther", build_shapeless, "A set of unknown shape.", metrics=("mmd",))


def ask(name: str) -> Any:
    return parse(small(dataset=[{"name": name}], success=None))


def test_the_work_is_that_of_the_dataset_itself() -> None:
    plugins = registry.load(plugins=[Far()])
    batches, sources = plan.outline(ask("far"), plugins)
    assert sources["far"].shape == (2,)
    expected = count_work(plan.make(ask("ring"), plugins).batches, plugins)
    assert count_work(batches, plugins, sources) == expected
    assert min(expected.values()) > 0


def test_without_a_shape_there_is_no_outline() -> None:
    with pytest.raises(GanbenchError, match="dataset 'farther': folder is missing"):
        plan.outline(ask("farther"), registry.load(plugins=[Far()]))


def test_another_mistake_stays_an_error() -> None:
    table = small(dataset=[{"name": "far", "pixel": 3}], success=None)
    with pytest.raises(GanbenchError, match="pixels"):
        plan.outline(parse(table), registry.load(plugins=[Far()]))


def test_plan_says_what_the_paper_s_suite_costs_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path))
    result = ganbench("plan", "cifar10_resnet", "--estimate", cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "work: 763 PFLOP (wgan-gp 763 PFLOP)\n"
    assert "cifar-10-python.tar.gz" in result.stderr


def test_the_work_is_told_too_where_a_plugin_is_planned_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "far.py").write_text(
        "from ganbench import NotInstalled, Offer, hookimpl\n"
        "def build():\n"
        "    raise NotInstalled('far.idx is missing', shape=(2,))\n"
        "@hookimpl\n"
        "def ganbench_datasets():\n"
        "    yield Offer('far', build, 'A set of known shape.', metrics=('mmd',))\n"
    )
    (tmp_path / "far.toml").write_text(
        'question = "?"\nmethods = ["ns-gan"]\nbudget.generator_steps = 4\ndataset = [{ name = "far" }]\n'
    )
    result = ganbench("plan", "far.toml", "--estimate", "--plugin", "far.py", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout.startswith("work: ")
    assert "dataset 'far': far.idx is missing" in result.stderr
