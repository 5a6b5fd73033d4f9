"""How watchers are named and given options, and what is refused before anything is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import ganbench
import pytest
from ganbench import GanbenchError, NotInstalled, Offer, Watcher, hookimpl
from ganbench.runner.watchers import read_watchers

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

SUITE = small(seeds=2, success=None)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("jsonnl",), r"--watch: no watcher 'jsonnl'\. Did you mean 'jsonl'\?"),
        (("jsonl.path=x",), r"--watch: watcher 'jsonl': no option 'path' \(given 'x'\)"),
        (("mlflow.uri=3",), r"option 'uri' = 3: it should be a valid string"),
        (("=3",), r"--watch =3: write NAME, or NAME\.KEY=VALUE for an option\."),
        (("mine",), r"--watch: watcher 'mine': it needs the package rare: pip install rare"),
        (("lacking",), r"--watch: watcher 'lacking': build of .* failed: ModuleNotFoundError: No module named 'rare'"),
        (("text",), r"--watch: watcher 'text': build returns 'text'\. It must return a Watcher\."),
    ],
)
def test_what_cannot_watch_is_refused_before_anything_is_written(
    tmp_path: Path, names: tuple[str], message: str
) -> None:
    def lack() -> Watcher:
        raise NotInstalled("it needs the package rare: pip install rare")

    def need() -> Watcher:
        import rare  # noqa: F401

        raise AssertionError

    @hookimpl
    def ganbench_watch() -> Iterator[Offer]:
        yield Offer("mine", lack, "Watches.")
        yield Offer("lacking", need, "Watches.")
        yield Offer("text", lambda: "text", "Watches.")

    with pytest.raises(GanbenchError, match=message):
        ganbench.run(SUITE, results=tmp_path / "r", offers=[ganbench_watch], watchers=names)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("name", "extra"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_a_tracker_whose_extra_is_missing_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    module = sys.modules[f"ganbench_plugins.watch.{name}"]
    monkeypatch.setattr(module, "find_spec", lambda package: None)
    with pytest.raises(GanbenchError, match=rf"it needs the package {extra}: pip install 'ganbench\[{extra}\]'"):
        ganbench.run(SUITE, results=tmp_path / "r", watchers=(name,))
    assert not (tmp_path / "r").exists()


def test_options_of_a_watcher_are_written_behind_its_name() -> None:
    texts = ["jsonl", "mlflow.uri=http://host:5000/a=b", 'mlflow.experiment="3"', "mine.n=3"]
    assert read_watchers(texts) == {
        "jsonl": {},
        "mlflow": {"uri": "http://host:5000/a=b", "experiment": "3"},
        "mine": {"n": 3},
    }


def test_the_commands_know_watchers_as_any_other_kind_of_offer(tmp_path: Path) -> None:
    listed = command("list", "watch", cwd=tmp_path).stdout
    assert all(f"  {name} " in listed for name in ("jsonl", "mlflow", "tensorboard"))
    assert "mlflow (watch), version 1" in command("show", "mlflow", cwd=tmp_path).stdout
    unknown = command("run", "smoke", "--watch", "tensorbord", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "Did you mean 'tensorboard'?" in unknown.stderr
    assert not list(tmp_path.iterdir())
