"""New suites: what was answered or given stands in the file, with comments, and the file can be planned."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ganbench import cli, registry, run
from ganbench.cli import creation
from ganbench.creation import suites
from ganbench.creation.suites import complete_answers, fit_steps
from ganbench.errors import GanbenchError
from ganbench.progress import estimate
from ganbench.suite.loading import load

from tests.support.terminal import ganbench

PLUGINS = registry.load()
DEFAULTS = suites.read_defaults()


def write(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Return what `ganbench new suite mine` writes, as a table and as text."""
    ended = ganbench("new", "suite", "mine", *words, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    text = (folder / "mine.toml").read_text()
    return tomllib.loads(text), text


def test_without_a_terminal_and_options_the_defaults_are_written_and_planned(tmp_path: Path) -> None:
    suite, text = write(tmp_path)
    assert suite["question"] == DEFAULTS["question"]
    assert [method["name"] for method in suite["method"]] == DEFAULTS["methods"]
    assert {method["optimizer"]["lr"] for method in suite["method"]} == {DEFAULTS["learning_rate"]}
    assert suite["architectures"] == {"space": DEFAULTS["architectures"], "sample": DEFAULTS["sample"], "seed": 0}
    assert suite["budget"]["generator_steps"] == DEFAULTS["steps"]
    assert suite["success"][0]["primary"] == suite["success"][0]["thresholds"][0] == 30
    assert text.count("#") > 12
    planned = ganbench("plan", "mine.toml", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "64 trials in 32 batches; 64 to train" in planned.stdout


def test_every_option_stands_in_the_suite(tmp_path: Path) -> None:
    words = ["--question", 'Is it "C#"?', "--methods", "lsgan, ns-gan,lsgan", "--dataset", "ring", "--lr", "0.005"]
    words += ["--architectures", "random-mlp", "--sample", "5", "--seeds", "3", "--steps", "1000"]
    suite, _ = write(tmp_path, *words, "--success", "sliced-w1=0.1,0.2")
    assert suite["question"] == 'Is it "C#"?'
    assert suite["seeds"] == 3
    assert suite["budget"]["generator_steps"] == 1000
    assert suite["architectures"] == {"space": "random-mlp", "sample": 5, "seed": 0}
    assert suite["method"] == [{"name": name, "optimizer": {"lr": 0.005}} for name in ("lsgan", "ns-gan")]
    rule = {"dataset": "ring", "metric": "sliced-w1", "thresholds": [0.2, 0.1], "primary": 0.2}
    assert suite["success"] == [rule | {"compare": [["lsgan", "ns-gan"]]}]
    assert load(tmp_path / "mine.toml").question == suite["question"]


def test_thresholds_of_a_value_that_should_be_high_rise(tmp_path: Path) -> None:
    suite, _ = write(tmp_path, "--dataset", "ring", "--success", "high-quality=0.9,0.5")
    assert suite["success"][0]["thresholds"] == [0.5, 0.9]
    assert "metrics" not in suite["dataset"][0]  # the ring's own metrics have it


def test_a_metric_that_the_dataset_lacks_is_added_to_its_own(tmp_path: Path) -> None:
    suite, _ = write(tmp_path, "--dataset", "ring", "--success", "mmd2=0.1", "--methods", "ns-gan", "--lr", "0")
    own = list(PLUGINS.get("datasets", "ring").offer.metrics)
    assert suite["dataset"][0]["metrics"] == [*own, "mmd"]
    assert suite["method"] == [{"name": "ns-gan"}]
    assert "compare" not in suite["success"][0]


def test_a_dataset_whose_thresholds_nobody_knows_gets_a_comment_in_place_of_a_rule(tmp_path: Path) -> None:
    suite, text = write(tmp_path, "--dataset", "two-moons")
    assert "success" not in suite
    assert "TODO: what success is" in text


def test_a_small_space_is_drawn_whole(tmp_path: Path) -> None:
    suite, text = write(tmp_path, "--architectures", "mlp", "--dataset", "ring")
    assert suite["architectures"]["sample"] == 1
    assert "about this architecture alone" in text


@pytest.mark.parametrize("dataset", DEFAULTS["success"])
def test_no_untrained_sampler_passes_a_default_threshold(dataset: str, tmp_path: Path) -> None:
    """A run refuses a threshold that one passes."""
    suite, _ = write(tmp_path, "--dataset", dataset, "--architectures", "mlp", "--methods", "ns-gan", "--seeds", "1")
    suite["budget"] = {"generator_steps": 1, "batch_size": 8, "snapshots": 1}
    assert set(run(suite, results=tmp_path / "results", jobs=0).trials["status"]) == {"completed"}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--methods", "ns-gan,wgan-pg"], "no method 'wgan-pg'. Did you mean 'wgan-gp'?"),
        (["--dataset", "rign"], "no dataset 'rign'. Did you mean 'ring'?"),
        (["--architectures", "randommlp"], "no architecture 'randommlp'. Did you mean 'random-mlp'?"),
        (["--success", "fdi=30"], "--success: no value of a metric 'fdi'. Did you mean 'fid'?"),
        (["--success", "fid"], "--success fid: '' is no number. Write it as in fid=30,20."),
        (["--success", "fid=nan"], "'nan' is no number"),
        (["--dataset", "ring", "--success", "w1-floor=1"], "w1-floor: neither high nor low is better"),
        (["--steps", "10", "--minutes", "3"], "--steps and --minutes: give one of the two"),
        (["--sample", "2", "--architectures", "mlp"], "sample"),
        (["--into", "nowhere"], "nowhere is no folder"),
    ],
)
def test_what_is_wrong_is_refused_with_the_nearest_name_and_nothing_is_written(
    words: list[str], answer: str, tmp_path: Path
) -> None:
    ended = ganbench("new", "suite", "mine", *words, cwd=tmp_path)
    assert ended.returncode == 2
    assert answer in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("mine")
    ended = ganbench("new", "suite", "mine", cwd=tmp_path)
    assert ended.returncode == 2
    assert "mine.toml exists already" in ended.stderr
    assert (tmp_path / "mine.toml").read_text() == "mine"


def test_a_dataset_whose_files_are_elsewhere_is_written_with_a_caution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "empty"))
    ended = ganbench("new", "suite", "mine", "--dataset", "cifar10", "--architectures", "dcgan", cwd=tmp_path)
    assert ended.returncode == 0
    assert "Nothing is downloaded" in ended.stderr
    assert load(tmp_path / "mine.toml").dataset[0].name == "cifar10"


def test_minutes_become_as_many_steps_as_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = complete_answers(PLUGINS, minutes=5.0, dataset="ring", architectures="mlp")
    monkeypatch.setattr(estimate, "estimate_cost", lambda *_, **__: SimpleNamespace(seconds=97.0))
    fitted = fit_steps(answers, PLUGINS, workers=2)
    assert fitted.steps == 3000  # 1000 x 300 / 97 = 3093; 3100 would be longer than was asked for
    assert "about 5 min on 2 workers" in suites.render_suite("mine", fitted, PLUGINS, workers=2)


def test_a_terminal_is_asked_and_a_wrong_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(
        [
            "Does it ask?",
            "ns-gan, wgan-pg",
            "ns-gan",
            "ring",
            "mlp",
            "none",
            "1",
            "4",
            "5h",
            "300",
            "-1",
            "0",
            "x=1",
            "",
        ]
    )
    monkeypatch.setattr(creation, "is_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(readline=lambda: next(answers) + "\n", isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda text="": next(answers))
    with pytest.raises(SystemExit) as ended:
        cli.main(["new", "suite", "asked", "--into", str(tmp_path)])
    assert ended.value.code == 0
    assert next(answers, "all were read") == "all were read"
    suite = tomllib.loads((tmp_path / "asked.toml").read_text())
    assert (suite["question"], suite["seeds"]) == ("Does it ask?", 4)
    assert suite["method"] == [{"name": "ns-gan"}]
    assert suite["architectures"]["space"] == "mlp"
    assert suite["budget"]["generator_steps"] == 300
    assert suite["success"][0]["metric"] == "sliced-w1"
    printed = capsys.readouterr()
    for reason in (
        "Did you mean 'wgan-gp'?",
        "'none': write a whole number, 1 or more",
        "'5h': write a whole number, 1 or more",
        "'-1': write a number, 0 or more, such as 1e-3",
        "no value of a metric 'x'",
    ):
        assert reason in printed.out + printed.err


@pytest.mark.parametrize(("text", "expected"), [("500", (500, None)), ("5m", (None, 5.0)), ("0.5m", (None, 0.5))])
def test_a_length_is_steps_or_minutes(text: str, expected: tuple[int | None, float | None]) -> None:
    assert creation.read_length(text) == expected


@pytest.mark.parametrize("text", ["", "m", "0m", "-3", "1.5"])
def test_any_other_length_is_refused(text: str) -> None:
    with pytest.raises((ValueError, GanbenchError), match="write"):
        creation.read_length(text)
