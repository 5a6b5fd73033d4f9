"""A test that fails on a GPU is named at once, with its error, also where the tests are stopped before their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import time

def test_first():
    assert 6 * 7 == 43, "this is known"

def test_second():
    time.sleep(60)
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_a_failure_is_printed_before_the_tests_are_stopped(workers: int, tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-v", "-n", str(workers), "--tb=short"]
    command += ["-p", "tests.device.failures", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=tmp_path
    ) as run:
        assert run.stdout is not None
        lines = []
        for line in run.stdout:
            lines.append(line)
            if "this is known" in line:
                break
        run.send_signal(signal.SIGKILL)
    printed = "".join(lines)
    assert "FAILED test_planted.py::test_first (call)" in printed
    assert "6 * 7 == 43" in printed
    assert "short test summary" not in printed
