"""A loss from nothing to a table: written, built, installed, checked, tested and run, offline, in under two minutes.

These are the commands of docs/how_to/publish_a_method.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import monotonic

from ganbench import API_VERSION

from tests.support.installed_package import build_wheel, install, run

MOST_SECONDS = 120


def read_processor_seconds() -> float:
    """Return the processor time of all processes that this one has waited for, and of theirs."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_a_new_loss_is_built_installed_checked_tested_and_run(tmp_path: Path) -> None:
    begun, processor, installed = monotonic(), read_processor_seconds(), tmp_path / "installed"
    seconds: dict[str, float] = {}

    def do(step: str, *words: str, cwd: Path = tmp_path) -> str:
        before = monotonic()
        ended = run(*words, installed=installed, cwd=cwd)
        seconds[step] = monotonic() - before
        assert ended.returncode == 0, f"{step}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    told = do("new", "-m", "ganbench", "new", "loss", "my-loss", "--author", "Ada Lovelace")
    package = tmp_path / "ganbench-my-loss"
    assert "ganbench-my-loss/src/ganbench_my_loss/__init__.py" in told.splitlines()
    assert told.splitlines()[-3:] == [
        "  cd ganbench-my-loss && pip install -e '.[test]'",
        "  pytest",
        "  ganbench run suites/my-loss.toml",
    ]

    before = monotonic()
    wheel = build_wheel(package, tmp_path / "wheels")
    install(wheel, installed)
    seconds["build and install"] = monotonic() - before
    assert wheel.name == "ganbench_my_loss-0.1.0-py3-none-any.whl"

    shown = do("show", "-m", "ganbench", "show", "my-loss", cwd=package)
    assert f"my-loss (losses), version 1, from ganbench-my-loss 0.1.0, written for API {API_VERSION}" in shown
    checked = do("check", "-m", "ganbench", "check", "ganbench-my-loss", cwd=package)
    assert re.search(r"loss 'my-loss' of ganbench-my-loss 0\.1\.0: \d+ rules passed", checked)
    assert "1 checked, 0 with broken rules" in checked
    tested = do("pytest", "-m", "pytest", "-p", "no:cacheprovider", "-v", cwd=package)
    passed = int(re.findall(r"(\d+) passed", tested)[-1])
    assert passed > 20, tested
    assert {"test_contracts.py", "test_suite.py", "test_values.py"} == set(re.findall(r"tests/(\w+\.py)::", tested))
    table = do("run", "-m", "ganbench", "run", "suites/my-loss.toml", cwd=package)
    assert re.search(r"\| ring \| my-loss \| 6 \| 6 \|", table)  # planned, completed
    assert "## baseline against my-loss on ring: final sliced-W1 below threshold" in table

    whole, processor = monotonic() - begun, read_processor_seconds() - processor
    parts = ", ".join(f"{step} {each:.1f} s" for step, each in seconds.items())
    summary = f"from nothing to a table in {whole:.0f} s, {processor:.0f} s of processor time: {parts}\n"
    sys.stdout.write(summary)
    assert processor > 10, "the processes were not measured"
    assert min(whole, processor) < MOST_SECONDS, summary  # where others use the cores too, the clock measures them
