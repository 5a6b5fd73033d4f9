"""Work in a process of its own: what a plugin does there is told with its place, and ends nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ganbench
import pandas as pd
import pytest
from ganbench import GanbenchError
from ganbench.runner.apart import Tell, iterate_apart

from tests.support import leaving_plugins
from tests.support.tiny_suite import suite as tiny_suite

FILE = str(Path(leaving_plugins.__file__))


def work_until(act: Callable[[], None], tell: Tell) -> Iterator[Any]:
    """Yield two numbers, then do something."""
    tell("counting")
    yield from (1, 2)
    act()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ZeroDivisionError("nothing to divide by")


def refuse() -> None:
    raise GanbenchError("a sentence for the user")


def test_what_the_work_yields_arrives_in_order_and_the_users_script_is_not_run_again() -> None:
    assert list(iterate_apart(partial(work_until, os.getpid), [FILE])) == [1, 2]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (leaving_plugins.die, f"counting: .* ended with exit code 0, at {FILE}, line .*, in die. Nothing has trained"),
        (leaving_plugins.crash, f"counting: .* was killed by SIGSEGV, at {FILE}, line .*, in crash. Nothing has"),
        (leaving_plugins.hang, f"counting: no progress for 1 seconds, at {FILE}, line .*, in hang. Nothing has"),
        (leaving_plugins.leave, "SystemExit: 0"),
        (kill, f"counting: .* was killed by SIGKILL .plugins: {FILE}"),
        (fail, "ZeroDivisionError: nothing to divide by"),
        (refuse, "^a sentence for the user$"),
    ],
)
def test_work_that_does_not_end_well_is_an_error_with_its_place(act: Callable[[], None], message: str) -> None:
    items = iterate_apart(partial(work_until, act), [FILE], 1.0)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(GanbenchError, match=message):
        next(items)


def test_work_is_stopped_with_its_reader_even_if_it_hangs() -> None:
    began, items = time.monotonic(), iterate_apart(partial(work_until, leaving_plugins.hang), [FILE])
    next(items)
    items.close()
    assert time.monotonic() - began < 30


def run(folder: Path, dataset: str, *metrics: str, **settings: Any) -> Any:
    """Run a suite on this dataset and these metrics of the file."""
    table = {"name": dataset, **({"metrics": list(metrics)} if metrics else {})}
    question = tiny_suite(dataset=[table], methods=["ns-gan"], seeds=1, success=None)
    return ganbench.run(question, results=folder, files=[FILE], **settings)


@pytest.mark.parametrize("act", ["hangs", "dies"])
def test_a_metric_that_does_not_return_refuses_the_run_by_its_name_and_line(act: str, tmp_path: Path) -> None:
    with pytest.raises(GanbenchError) as refused:
        run(tmp_path, "rows", act, jobs=1, timeout=6.0)
    message = str(refused.value)
    assert message.startswith("suite: dataset[0]: ")
    assert f"metric {act!r}" in message
    assert f"at {FILE}, line " in message
    assert ganbench.read(tmp_path).trials.empty


def test_a_dataset_that_does_not_return_refuses_the_run_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=rf"^suite: dataset\[0\]: .* exit code 0, at {FILE}, line .*, in die"):
        run(tmp_path, "dies", jobs=1)
    assert ganbench.read(tmp_path).trials.empty


@pytest.mark.parametrize(("dataset", "metric"), [("rows", "leaves"), ("leaves", "width")])
def test_in_this_process_too_what_would_end_the_program_refuses_the_run(
    dataset: str, metric: str, tmp_path: Path
) -> None:
    with pytest.raises(GanbenchError, match=r"^suite: dataset\[0\]: .*SystemExit: 0.* leaving_plugins.py"):
        run(tmp_path, dataset, metric, jobs=0)


def test_baselines_have_the_same_bits_here_and_in_a_process_of_their_own(tmp_path: Path) -> None:
    here, apart = (run(tmp_path / str(jobs), "rows", jobs=jobs).calibration for jobs in (0, 1))
    pd.testing.assert_frame_equal(here, apart, check_exact=True)
    assert set(here["name"]) > {"width", "sliced-w1", "spread"}
