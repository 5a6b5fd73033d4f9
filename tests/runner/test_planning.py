"""A third party's plugin that leaves, dies, crashes or hangs while a suite is planned is told, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench import GanbenchError, registry
from ganbench import suite as suites
from ganbench.runner import apart
from ganbench.runner.driver import make_plan
from ganbench.runner.planning import list_third_parties
from ganbench.runner.settings import Settings

from tests.support import offers_as_written
from tests.support.terminal import ganbench
from tests.support.tiny_suite import plan_small
from tests.support.tiny_suite import suite as tiny_suite

PLUGIN = """
import ctypes, os, sys, time
from ganbench import Offer, hookimpl

def act():
    {act}

{top}

@hookimpl
def ganbench_losses():
    yield Offer("mine", lambda: act(), "A loss that is never built.")
"""
SUITE = """
question = "Does it plan?"
seeds = 1
method = [{name = "m", from = "ns-gan", loss = "mine"}]
budget = {generator_steps = 2, batch_size = 8, snapshots = 1}
architectures = {space = "mlp"}
dataset = [{name = "ring"}]
"""


def write(folder: Path, act: str, top: str = "") -> Path:
    (folder / "s.toml").write_text(SUITE)
    file = folder / "mine.py"
    file.write_text(PLUGIN.format(act=act, top=top))
    return file


@pytest.mark.parametrize(
    ("act", "top", "message"),
    [
        ("sys.exit(0)", "", "s.toml:4: method[0].loss: loss 'mine': build of mine.py failed: it ends the program"),
        ("os._exit(0)", "", "s.toml: planning: a plugin ended it: its process ended with exit code 0, at {file}, line"),
        ("os._exit(0)", "act()", "s.toml: loading the plugins: a plugin ended it: its process ended with exit code 0"),
        ("ctypes.string_at(0)", "", "its process was killed by SIGSEGV, at {file}, line 6, in act"),
        ("time.sleep(99)", "", "s.toml: planning: no progress for 3 seconds, at {file}, line 6, in act"),
    ],
)
def test_a_plugin_that_leaves_ends_the_command_with_code_2_and_its_place(
    act: str, top: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SILENCE", 3.0)
    file = write(tmp_path, act, top)
    ended = ganbench("plan", "s.toml", "--plugin", "mine.py", cwd=tmp_path)
    assert ended.returncode == 2
    assert message.format(file=file) in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.py", "s.toml"]


def test_sys_exit_in_this_process_is_told_too(tmp_path: Path) -> None:
    write(tmp_path, "sys.exit(0)")
    ended = ganbench("run", "s.toml", "--plugin", "mine.py", "--jobs", "0", cwd=tmp_path)
    assert ended.returncode == 2
    assert (
        "loss 'mine': build of mine.py failed: it ends the program (SystemExit: 0) in mine.py, line 6" in ended.stderr
    )


def test_a_plan_of_another_process_is_the_plan_of_this_one() -> None:
    file, told = str(Path(offers_as_written.__file__)), list[tuple[int, int]]()
    question = tiny_suite(method=[{"name": "m", "from": "ns-gan", "loss": "single"}], seeds=5)
    settings = Settings(files=(file,))
    plugins, plan = make_plan(suites.parse(question, "s.toml"), settings, lambda *numbers: told.append(numbers))
    here = plan_small(registry.load(files=[file]), **question)
    assert plan == here
    assert [trial.key for trial in plan.trials] == [trial.key for trial in here.trials]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert "single" in plugins.names("losses")


def test_an_error_of_the_suite_reads_the_same_with_a_third_partys_plugin(tmp_path: Path) -> None:
    file = write(tmp_path, "pass")
    question = suites.parse(tiny_suite(methods=["ns-gna"], success=None), "s.toml")
    messages = []
    for settings in (Settings(files=(str(file),)), Settings(files=(str(file),), jobs=0)):
        with pytest.raises(GanbenchError) as refused:
            make_plan(question, settings)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
    assert "no method 'ns-gna'" in messages[0]


def test_our_own_plugins_are_no_third_parties() -> None:
    assert not [file for file in list_third_parties(()) if "ganbench_plugins" in file]
