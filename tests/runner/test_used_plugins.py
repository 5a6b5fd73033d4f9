"""A run keeps the plugins that it used, and a later command that lacks one names it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import ganbench
import pytest
from ganbench import Offer, hookimpl
from ganbench.results.store import Store

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny_suite

PLUGIN = """
import torch
from ganbench import Method, Metric, Offer, Source, Use, hookimpl

VALUES = {"my-mean": "higher"}
ROWS = torch.linspace(-1, 1, 400).reshape(200, 2)


@hookimpl
def ganbench_datasets():
    def build():
        return Source(shape=(2,), size=100, take=lambda i: ROWS[:100][i], reference=lambda n: ROWS[100:][:n])

    yield Offer("my-rows", build, "Rows on a line.", metrics=("my-mean",))


@hookimpl
def ganbench_metrics():
    def build():
        return Metric(measure=lambda evidence: {"my-mean": float(evidence.samples.mean())}, values=VALUES)

    yield Offer("my-mean", build, "The mean.")


@hookimpl
def ganbench_methods():
    yield Offer("my-method", lambda: Method(loss=Use("non-saturating")), "The usual loss.")
"""
SUITE = {
    **tiny_suite(methods=["my-method"], dataset=[{"name": "my-rows"}], seeds=2),
    "success": [{"dataset": "my-rows", "metric": "my-mean", "thresholds": [5]}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run that used a plugin file, which lies beside them."""
    folder = tmp_path_factory.mktemp("used")
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "s.json").write_text(json.dumps(SUITE))
    ganbench.run(SUITE, results=folder / "r", files=(str(folder / "mine.py"),), jobs=0)
    return folder


def test_the_folder_keeps_name_hash_and_text_of_a_plugin_file(folder: Path) -> None:
    digest = hashlib.sha256(PLUGIN.encode()).hexdigest()
    with Store(folder / "r", readonly=True) as store:
        (run,) = store.history()
    offers = ["datasets/my-rows", "methods/my-method", "metrics/my-mean"]
    (used,) = run.facts["plugins"]
    assert (used["name"], used["sha256"], sorted(used["offers"])) == ("mine.py", digest, offers)
    (kept,) = (folder / "r" / "plugins").iterdir()
    assert kept.read_text() == PLUGIN
    assert kept.name == f"mine-{digest[:12]}.py"
    shown = command("history", "r", cwd=folder).stdout
    assert f"mine.py (sha256 {digest[:12]}...): used by run 1." in shown


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("samples r", "dataset 'my-rows'"),
        ("samples r --of KEY", "dataset 'my-rows'"),
        ("evaluate r --metric sliced-w1", "dataset 'my-rows'"),
        ("evaluate r --metric my-mean", "metric 'my-mean'"),
        ("rerun r KEY", "dataset 'my-rows'"),
    ],
)
def test_a_command_that_lacks_a_plugin_names_it_and_does_nothing(folder: Path, words: str, missing: str) -> None:
    key = ganbench.read(folder / "r").trials["key"][0]
    result = command(*words.replace("KEY", key[:8]).split(), cwd=folder)
    assert result.returncode == 2
    assert f"used mine.py (sha256 {hashlib.sha256(PLUGIN.encode()).hexdigest()[:12]}...) for {missing}" in result.stderr
    assert "--plugin" in result.stderr
    assert not list((folder / "r").rglob("*.png"))


def test_a_run_that_lacks_a_plugin_of_its_folder_names_it(folder: Path) -> None:
    on_ring = {"dataset": [{"name": "ring"}], "success": []}
    for changes, missing in (({}, "dataset 'my-rows'"), (on_ring, "method 'my-method'")):
        suite = {key: value for key, value in {**SUITE, **changes}.items() if value}
        with pytest.raises(ganbench.GanbenchError, match=r"used mine\.py") as error:
            ganbench.run(suite, results=folder / "r", jobs=0)
        assert missing in str(error.value)


def test_a_run_that_plans_in_a_process_of_its_own_names_it_too(folder: Path) -> None:
    (folder / "other.py").write_text(PLUGIN.replace("my-", "other-"))
    with pytest.raises(ganbench.GanbenchError, match=r"no dataset 'my-rows'.* used mine\.py .* give it by --plugin"):
        ganbench.run(SUITE, results=folder / "r", jobs=1, files=(str(folder / "other.py"),))


def test_with_the_plugin_the_commands_work(folder: Path, tmp_path: Path) -> None:
    result = command("samples", "r", "--plugin", "mine.py", "--out", str(tmp_path), cwd=folder)
    assert result.returncode == 0
    assert tmp_path.joinpath("my-rows-my-method-samples.png").exists()


def test_an_object_is_named_and_an_unused_plugin_is_not(tmp_path: Path) -> None:
    class Mine:
        @hookimpl
        def ganbench_losses(self):
            yield Offer("idle", lambda: None, "Never used.")

    ganbench.run(tiny_suite(methods=["ns-gan"], success=None), results=tmp_path, offers=[Mine], jobs=0)
    with Store(tmp_path, readonly=True) as store:
        (run,) = store.history()
    assert run.facts["plugins"] == []
    assert not (tmp_path / "plugins").exists()
