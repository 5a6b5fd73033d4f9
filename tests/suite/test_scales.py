"""A scale is the suite with changes: checked when it is read, run into a folder of its own, and restored alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench import GanbenchError, run
from ganbench.suite.loading import load, merge_tables, parse, restore

from tests.support.terminal import ganbench
from tests.support.tiny_suite import suite as small

TEXT = """question = "Does it run?"
seeds = 2
methods = ["ns-gan", "wgan-gp"]

[budget]
generator_steps = 4
batch_size = 16
snapshots = 2

[[dataset]]
name = "ring"

[scale.paper]
seeds = 3
methods = ["ns-gan"]

[scale.paper.budget]
generator_steps = 6
"""


def test_tables_are_merged_and_lists_are_replaced() -> None:
    assert merge_tables({"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"c": [3]}, "d": 4}) == {
        "a": {"b": 1, "c": [3]},
        "d": 4,
    }


def test_a_scale_changes_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "toy.toml"
    file.write_text(TEXT)
    base, paper = load(file), load(file, "paper")
    assert (base.name, paper.name) == ("toy", "toy-paper")
    assert (len(paper.seed_list), paper.method_names, paper.budget.generator_steps) == (3, ("ns-gan",), 6)
    assert (paper.budget.batch_size, paper.dataset, paper.question) == (16, base.dataset, base.question)
    assert len(base.seed_list) == 2


def test_a_scaled_suite_is_restored_from_what_a_folder_stores(tmp_path: Path) -> None:
    paper = parse(TEXT, "toy.toml", "paper")
    assert restore(paper.text) == paper
    assert not restore(paper.text).scale
    assert restore(parse(TEXT, "toy.toml").text).scale.keys() == {"paper"}


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ("generator_steps = 6", "toy.toml (scale 'paper')"),
        ("seeds = 3", "scale.paper.seeds = 0"),
        ('methods = ["ns-gan"]', "scale.paper.methods"),
    ],
)
def test_a_mistake_in_a_scale_is_found_when_the_suite_is_read(change: str, fragment: str) -> None:
    wrong = {
        "generator_steps = 6": "generator_steps = 0",
        "seeds = 3": "seeds = 0",
        'methods = ["ns-gan"]': "methods = 3",
    }
    with pytest.raises(GanbenchError) as error:
        parse(TEXT.replace(change, wrong[change]), "toy.toml")
    assert fragment in str(error.value)


def test_an_unknown_scale_is_answered_with_the_known_ones() -> None:
    with pytest.raises(GanbenchError, match=r"no scale 'papers'\. Did you mean 'paper'\?"):
        parse(TEXT, "toy.toml", "papers")
    with pytest.raises(GanbenchError, match="no scale 'paper'"):
        parse(small(), scale="paper")


def test_the_commands_take_a_scale(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(TEXT)
    planned = ganbench("plan", "toy.toml", cwd=tmp_path)
    assert "other scales of this suite: paper (--scale NAME)" in planned.stdout
    scaled = ganbench("plan", "toy.toml", "--scale", "paper", cwd=tmp_path)
    assert "3 trials in 1 batches; 3 to train" in scaled.stdout
    assert "results/toy-paper" in scaled.stdout.replace("\\", "/")


def test_a_scale_runs_from_python(tmp_path: Path) -> None:
    table = {**small(success=None), "scale": {"one": {"seeds": 1, "methods": ["ns-gan"]}}}
    frames = run(table, scale="one", results=tmp_path / "r", jobs=0)
    assert len(frames.trials) == 1
