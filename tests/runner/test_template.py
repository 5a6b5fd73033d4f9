"""Workers that are copies of a template begin with everything in memory, and end with their driver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from ganbench.runner import template
from ganbench.runner.settings import Settings
from ganbench.runner.template import wants_template

from tests.cli.test_commands import SUITE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes safely")

SCRIPT = """
import json, os, signal, sys
from ganbench.api.events import Finished, Lost
from ganbench.runner import template
template.limit_threads()
signal.signal(signal.SIGTERM, lambda number, frame: None)
secret = open(template.__file__)
{before}
made = template.make_template()
from ganbench_plugins.executors import local
from tests.support import executor_work as works
def run(work, *names, jobs=1):
    return list(local.build(jobs=jobs)(work, map(works.make_batch, names)))
{after}
"""


def run_script(after: str, before: str = "") -> Any:
    """Run a script that has a template, and return what it prints as JSON."""
    script = SCRIPT.format(before=before, after=after)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_copied_worker_has_torch_at_once_and_nothing_open_of_the_driver() -> None:
    facts, driver = run_script(
        "events = run(works.describe_start, 'one', 'two', jobs=2)\n"
        "facts = [event.records[0].facts for event in events if isinstance(event, Finished)]\n"
        "print(json.dumps([facts, os.getpid()]))"
    )
    assert len(facts) == 2
    for fact in facts:
        assert (fact["has_torch"], fact["threads"], fact["ends_by_sigterm"]) == (True, "1", True)
        assert fact["driver"] == driver
        assert fact["parent"] not in (driver, 1), "its parent is the template"
        assert template.__file__ not in fact["files"]


def test_a_copied_worker_that_is_killed_is_replaced_and_its_end_is_told() -> None:
    ends, finished = run_script(
        "events = run(works.kill_if_bad, 'bad', 'good')\n"
        "print(json.dumps([[e.error for e in events if isinstance(e, Lost)], \n"
        "                  [works.name_of(e.batch) for e in events if isinstance(e, Finished)]]))"
    )
    assert len(ends) == 1
    assert "its worker was killed by SIGKILL" in ends[0]
    assert finished == ["good"]


def test_no_copy_outlives_a_driver_that_is_killed(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("one", "two")]
    script = SCRIPT.format(before="", after=f"run(works.sleep_for_ever, *{names}, jobs=2)")
    driver = subprocess.Popen([sys.executable, "-c", script])
    try:
        wait(lambda: all(Path(name).is_file() and Path(name).read_text() for name in names), 60)
        processes = {int(word) for name in names for word in Path(name).read_text().split()}
        assert len(processes) == 3, "two workers and their template"
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    wait(lambda: not any(psutil.pid_exists(process) and is_running(process) for process in processes), 10)


def is_running(process: int) -> bool:
    """Return whether a process runs: one that has ended may wait for its parent to notice."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait(condition: Any, seconds: float) -> None:
    """Wait until a condition holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_with_a_second_thread_makes_no_template_and_its_workers_start_anew() -> None:
    thread = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    made, has_torch = run_script(
        "events = run(works.describe_start, 'one')\n"
        "[end] = [event for event in events if isinstance(event, Finished)]\n"
        "print(json.dumps([made, end.records[0].facts['has_torch']]))",
        before=thread,
    )
    assert (made, has_torch) == (False, False)


def test_the_command_makes_a_template_before_any_library_starts_a_thread(tmp_path: Path) -> None:
    """Pandas may start threads, by pyarrow; then no copy is possible, and each worker would import torch again."""
    (tmp_path / "tiny.toml").write_text(SUITE)
    script = (
        "import sys; from ganbench.cli.program import run_program; from ganbench.runner import template; "
        "make = template.make_template; "
        "template.make_template = lambda: print('a template was made:', make(), file=sys.stderr); "
        "sys.argv = ['ganbench', 'run', 'tiny.toml', '--jobs', '1']; run_program()"
    )
    words = [sys.executable, "-c", script]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    assert "a template was made: True" in ended.stderr


@pytest.mark.parametrize(
    ("settings", "wanted"), [({}, True), ({"jobs": 2}, True), ({"jobs": 0}, False), ({"offers": (object(),)}, False)]
)
def test_only_a_run_with_workers_wants_a_template(settings: dict[str, Any], wanted: bool) -> None:
    assert wants_template(Settings(**settings)) is wanted
