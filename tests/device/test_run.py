"""The script for a GPU runs the parts that are asked for, each with its own log, and fails where one fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STAND_IN = """#!/bin/sh
case "$2" in *modules) echo tests/listed.py && exit 0 ;; esac
echo "called with $*"
case "$2" in *repeats) exit 0 ;; *) exit 7 ;; esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the script calls what stands for Python: it says how, and fails but for two modules."""
    stand_in = tmp_path / "python"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    return {**os.environ, "PYTHON": str(stand_in), "DEVICE": "cpu", "JOBS": "3"}


def call(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(ROOT / "tests/device/run"), *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_all_parts_run_and_the_script_fails_if_one_does(environment: dict[str, str], tmp_path: Path) -> None:
    status, printed = call(environment, str(tmp_path / "out"))
    assert status == 1
    names = ["graphs", "benchmark", "windows", "tests", "repeats"]
    assert [line.split()[1].rstrip(":") for line in printed.splitlines() if "at most" in line] == names
    assert {file.stem for file in (tmp_path / "out").iterdir()} == set(names)
    assert printed.count("exit status 7") == 4
    assert "-n 3 --dist worksteal --device cpu" in (tmp_path / "out" / "graphs.log").read_text()
    assert (tmp_path / "out" / "tests.log").read_text().endswith(" tests/listed.py\n")


def test_one_part_may_be_run_alone_and_an_unknown_one_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    assert call(environment, str(tmp_path / "out"), "repeats")[0] == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["repeats.log"]
    status, printed = call(environment, str(tmp_path / "out"), "nonsense")
    assert (status, "no part nonsense" in printed) == (1, True)


def test_the_parts_take_six_minutes_at_most() -> None:
    lines = (ROOT / "tests/device/run").read_text().splitlines()
    calls = [line.split() for line in lines if ") run_tests " in line or ") measure " in line]
    limits = {words[2]: int(words[3]) for words in calls}
    installing = 15
    assert len(limits) == 5
    assert sum(limits.values()) + installing <= 360
