"""Keys never change, and are the same on every Python, so that stored results are always found again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ganbench.api.trials import Budget, Part, Recipe, Trial, restore_trial

from tests.support import golden_keys

KEYS = {
    "floats": "38ecbeddf6099e596993d0a1347f0cf89df585642cf5b60bdd03ffa71df457a3",
    "unicode and nesting": "db3ff7698888346cdd17743e3b78575e02ff1a2ac51d7aa659fd67311f47c92d",
    "batch": "a7e4ac2345fb2485cc7293fb7b750cd93de4d0a6f39b9bcc99c1ec4c1f8492a8",
    "world": "3a7a54ef8efb843720f8805ee6503df711675d9790aa76275526cf868d317735",
    "source": "90e5e88b27419d0c61e59d5aaf290a84e8d91c029a35ce5e0368d6979ddc3f97",
}
"""Printed by tests/support/golden_keys.py under Python 3.11, 3.12 and 3.13.

If a key changes, no stored result is found again. A wanted change raises KEY_FORMAT."""

WRITTEN = (
    '{"architecture":{"every":null,"name":"mlp","options":{},"spec":{"width":0.1},"version":1,"weight":null},'
    '"budget":{"batch_size":8,"generator_steps":2,"snapshots":[1,2]},'
    '"dataset":{"every":null,"name":"\\u00e9","options":{},"version":1,"weight":null},"format":1,'
    '"recipe":{"constraints":[],"critic_norm":"layer",'
    '"critic_optimizer":{"every":null,"name":"sgd","options":{"lr":1e-05},"version":1,"weight":null},'
    '"critic_steps":1,"dynamics":{"every":null,"name":"d","options":{},"version":3,"weight":null},"ema":0.0,'
    '"generator_optimizer":{"every":null,"name":"sgd","options":{"lr":1e-05},"version":1,"weight":null},"inputs":[],'
    '"loss":{"every":null,"name":"l","options":{},"version":1,"weight":null},"order":"critic-first"},"seed":5}'
)
OLDEST = (3, 11)


def find_pythons() -> dict[tuple[int, int], str]:
    """Return every other Python of this machine that is new enough, by version."""
    installed = (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")
    named = (shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 20))
    paths: dict[tuple[int, int], str] = {}
    for path in [*map(str, installed), *filter(None, named)]:
        command = [path, "-c", "import sys; print(*sys.version_info[:2])"]
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if process.returncode == 0 and (version := tuple(map(int, process.stdout.split()))) >= OLDEST:
            paths.setdefault(version, path)  # type: ignore[arg-type]
    return {version: path for version, path in paths.items() if version != sys.version_info[:2]}


def test_keys_have_not_changed() -> None:
    assert golden_keys.keys() == KEYS


def test_a_key_is_the_hash_of_the_json_that_a_person_would_write() -> None:
    sgd = Part("sgd", options={"lr": 0.00001})
    trial = Trial(
        dataset=Part("é"),
        architecture=Part("mlp"),
        spec={"width": 0.1},
        recipe=Recipe(loss=Part("l"), dynamics=Part("d", 3), critic_optimizer=sgd, generator_optimizer=sgd),
        seed=5,
        budget=Budget(generator_steps=2, batch_size=8, snapshots=(1, 2)),
    )
    assert trial.key == hashlib.sha256(WRITTEN.encode()).hexdigest()


def test_a_trial_with_an_average_that_starts_late_has_a_key_of_its_own_and_is_restored() -> None:
    sgd = Part("sgd")
    recipe = Recipe(loss=Part("l"), dynamics=Part("d"), critic_optimizer=sgd, generator_optimizer=sgd, ema=0.9)
    trials = [
        Trial(
            dataset=Part("e"),
            architecture=Part("mlp"),
            spec={},
            recipe=replace(recipe, **average),
            seed=5,
            budget=Budget(generator_steps=2, batch_size=8, snapshots=(2,)),
        )
        for average in ({}, {"ema_start": 1}, {"ema_rampup": 0.05}, {"ema_start": 1, "ema_rampup": 0.05})
    ]
    assert len({trial.key for trial in trials}) == len(trials)
    for trial in trials:
        restored = restore_trial(json.loads(json.dumps(trial.content)), {})
        assert (restored.recipe, restored.key) == (trial.recipe, trial.key)


@pytest.mark.parametrize("version", sorted({*find_pythons(), sys.version_info[:2]}), ids=lambda v: f"{v[0]}.{v[1]}")
def test_keys_are_the_same_on_every_python(version: tuple[int, int]) -> None:
    python = {**find_pythons(), sys.version_info[:2]: sys.executable}[version]
    command = [python, "-B", golden_keys.__file__]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(process.stdout) == [list(version), KEYS]
