"""Candidates: which component a spec names, and the suite that tries it on a reference."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from ganbench import plan, registry
from ganbench.errors import GanbenchError
from ganbench.suite.candidates import (
    CHECKED_ARCHITECTURES,
    CHECKED_SEEDS,
    find_candidate,
    make_candidate,
    make_suite,
    split_spec,
)
from ganbench.suite.loading import load
from ganbench.suite.references import Reference, list_references
from ganbench.suite.writing import write_toml

from tests.support.references import MINE

KNOWN = ("ns-gan", "wgan-gp")
EVERY = {reference.name: reference for reference in list_references()}
RING, MANY = EVERY["ring"], EVERY["random-mlp"]

SEVERAL = (
    MINE
    + """
@hookimpl
def ganbench_constraints():
    yield Offer("my-penalty", lambda: Constraint(), "A constraint.")
"""
)


def load_file(folder: Path, text: str) -> tuple[registry.Registry, Path]:
    """Return the registry with a plugin file, and the file."""
    file = folder / "mine.py"
    file.write_text(text)
    return registry.load(files=[file]), file


@pytest.fixture(scope="module")
def installed() -> registry.Registry:
    """Return everything that is installed."""
    return registry.load()


def write(
    plugins: registry.Registry, spec: str, reference: Reference = RING, base: str = "ns-gan", **more: object
) -> dict:
    """Return the [[method]] table of a candidate."""
    settings = {"options": {}, "weight": None, **more}
    candidate = make_candidate(find_candidate(plugins, spec), base, known=KNOWN, **settings)  # type: ignore[arg-type]
    return candidate.write_method(reference, plugins)


def test_a_spec_has_a_file_a_name_or_both() -> None:
    assert split_spec("a/mine.py:my-loss") == (Path("a/mine.py"), "my-loss")
    assert split_spec("mine.py") == (Path("mine.py"), "")
    assert split_spec("hinge") == (None, "hinge")
    assert split_spec("C:\\mine.py:a:b") == (Path("C:\\mine.py"), "a:b")


def test_a_file_with_one_component_needs_no_name(tmp_path: Path) -> None:
    plugins, file = load_file(tmp_path, MINE)
    assert find_candidate(plugins, str(file)).offer.name == "my-loss"
    assert find_candidate(plugins, f"{file}:my-loss").kind == "losses"
    with pytest.raises(GanbenchError, match=r"mine\.py: no component 'my-los'\. Did you mean 'my-loss'"):
        find_candidate(plugins, f"{file}:my-los")
    with pytest.raises(GanbenchError, match="no component 'hinge'"):  # it is not of this file
        find_candidate(plugins, f"{file}:hinge")


def test_of_several_components_the_user_is_asked_which(tmp_path: Path) -> None:
    plugins, file = load_file(tmp_path, SEVERAL)
    with pytest.raises(GanbenchError, match=r"which of these\? losses/my-loss, constraints/my-penalty"):
        find_candidate(plugins, str(file))
    assert find_candidate(plugins, f"{file}:constraints/my-penalty").offer.name == "my-penalty"


def test_a_name_of_two_kinds_needs_its_kind(installed: registry.Registry) -> None:
    with pytest.raises(GanbenchError, match="constraints/dragan, methods/dragan"):
        find_candidate(installed, "dragan")
    assert find_candidate(installed, "methods/dragan").kind == "methods"


@pytest.mark.parametrize(("name", "word"), [("fid", "metric"), ("ring", "dataset"), ("mlp", "architecture")])
def test_what_is_no_way_to_train_is_refused_with_the_way_out(
    installed: registry.Registry, name: str, word: str
) -> None:
    with pytest.raises(GanbenchError, match=f"ways to train.*`ganbench check {name}` checks this {word}"):
        find_candidate(installed, name)


def test_a_loss_takes_the_place_of_the_loss_and_the_reference_keeps_its_other_settings(
    installed: registry.Registry,
) -> None:
    table = write(installed, "losses/hinge")
    assert table == {"name": "hinge", "from": "ns-gan", "optimizer": {"lr": 0.001}, "loss": {"name": "hinge"}}
    suite = make_suite(RING, table, "Is it?", Path("here.toml"))
    (trial, *_) = plan.make(suite, installed).trials
    base = next(each for each in plan.make(RING.suite, installed).trials if each.labels["method"] == "ns-gan")
    assert trial.recipe.loss.name == "hinge"
    assert trial.recipe.critic_optimizer == base.recipe.critic_optimizer
    assert (trial.dataset, trial.spec, trial.seed, trial.budget) == (base.dataset, base.spec, base.seed, base.budget)


def test_a_constraint_is_added_with_its_weight_and_options(installed: registry.Registry) -> None:
    table = write(installed, "gradient-penalty", base="wgan-gp", weight=3.0, options={"target": 0.0})
    suite = make_suite(RING, table, "Is it?", Path("here.toml"))
    recipe = plan.make(suite, installed).trials[0].recipe
    assert [(term.name, term.weight) for term in recipe.constraints] == [
        ("gradient-penalty", 10.0),
        ("gradient-penalty", 3.0),
    ]
    assert recipe.constraints[1].options == {"target": 0.0}


def test_an_input_is_added_and_dynamics_and_optimizers_are_replaced(installed: registry.Registry) -> None:
    for spec, kind in {"instance-noise": "inputs", "simultaneous": "dynamics", "rmsprop": "critic_optimizer"}.items():
        suite = make_suite(RING, write(installed, spec), "Is it?", Path("here.toml"))
        found = getattr(plan.make(suite, installed).trials[0].recipe, kind)
        assert (found[0] if kind == "inputs" else found).name == spec


def test_a_method_is_used_as_it_is(installed: registry.Registry) -> None:
    assert write(installed, "methods/lsgan") == {"name": "lsgan"}
    with pytest.raises(GanbenchError, match="used as it is"):
        write(installed, "methods/lsgan", weight=2.0)


def test_settings_that_mean_nothing_are_refused(installed: registry.Registry) -> None:
    with pytest.raises(GanbenchError, match="--weight 2: only constraints and inputs have a weight"):
        write(installed, "losses/hinge", weight=2.0)
    with pytest.raises(GanbenchError, match=r"--from: no method 'wgan-pg'\. Did you mean 'wgan-gp'"):
        write(installed, "losses/hinge", base="wgan-pg")


def test_the_check_of_a_machine_trains_the_first_seeds_or_architectures(installed: registry.Registry) -> None:
    for reference, count in ((RING, CHECKED_SEEDS), (MANY, CHECKED_ARCHITECTURES)):
        table = {"name": "ns-gan", "optimizer": {"lr": 0.001}}
        few, whole = (
            plan.make(make_suite(reference, table, "?", Path("here.toml"), checks=checks), installed).trials
            for checks in (True, False)
        )
        assert [trial.key for trial in few] == [trial.key for trial in whole[:count]]


def test_a_written_suite_is_the_suite_when_it_is_read_again(tmp_path: Path) -> None:
    for reference in EVERY.values():
        table = reference.suite.model_dump(mode="json", by_alias=True, exclude_unset=True)
        (tmp_path / "again.toml").write_text(write_toml(table))
        assert load(tmp_path / "again.toml") == reference.suite
        assert tomllib.loads(write_toml(table)) == table
