"""What a plugin changes for every method of its process is found, told in words, and undone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from ganbench.engine import functional  # noqa: F401  (a plugin of these tests replaces one of its functions)
from ganbench.engine.shared_settings import SETTINGS
from ganbench.engine.shared_state import SharedState

from tests.support.changing_plugins import CHANGES, QUIET, enter_inference_mode, entered

IN_THIS_PROCESS = sorted(CHANGES.keys() - {"streams"})


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Be like a worker: one thread, and no warning is an error."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield


@pytest.mark.parametrize("name", IN_THIS_PROCESS)
def test_a_change_is_told_in_words_and_undone(name: str) -> None:
    change, text = CHANGES[name]
    state = SharedState()
    change()
    changes, lasting = state.undo()
    assert text in "; ".join(each.text for each in changes)
    assert not lasting
    assert state.undo() == ([], [])


def test_code_that_replaced_a_function_names_its_file() -> None:
    state = SharedState()
    CHANGES["softplus"][0]()
    [change], _ = state.undo()
    assert change.file == CHANGES["softplus"][0].__code__.co_filename  # type: ignore[attr-defined]


def test_a_function_of_torch_in_the_place_of_another_is_a_change_without_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = SharedState()
    monkeypatch.setattr(torch.nn.functional, "softplus", torch.nn.functional.relu)
    [change], _ = state.undo()
    assert change == ("torch.nn.functional.softplus was replaced by 'relu'", "")


def test_an_operator_of_torch_is_guarded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = torch.ops.aten.mean
    state = SharedState()
    monkeypatch.setattr(torch.ops.aten, "mean", lambda x: x)
    [change], _ = state.undo()
    assert "mean was replaced" in change.text
    assert torch.ops.aten.mean is operator


@pytest.mark.parametrize("name", sorted(QUIET))
def test_what_changes_no_number_is_restored_without_a_word(name: str) -> None:
    before = {setting.name: setting.read() for setting in SETTINGS}
    state = SharedState()
    QUIET[name]()
    assert {setting.name: setting.read() for setting in SETTINGS} != before
    assert state.undo() == ([], [])
    assert {setting.name: setting.read() for setting in SETTINGS} == before


def test_a_change_that_nothing_can_undo_is_told_as_such() -> None:
    state = SharedState()
    enter_inference_mode()
    try:
        changes, lasting = state.undo()
    finally:
        entered.pop().__exit__(None, None, None)
    assert [change.text for change in lasting] == ["torch.is_inference_mode_enabled() went from False to True"]
    assert set(lasting) < set(changes), "the mode switches gradients off, too, and that can be undone"


def test_an_alarm_that_would_end_the_process_is_stopped() -> None:
    state = SharedState()
    signal.alarm(1)
    [change], lasting = state.undo()
    assert change.text == "the presence of an alarm went from False to True"
    assert not lasting
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_hook_on_every_module_is_removed() -> None:
    state = SharedState()
    torch.nn.modules.module.register_module_forward_hook(lambda module, inputs, output: output * 0)
    [change], lasting = state.undo()
    assert "hooks on every module" in change.text
    assert not lasting
    assert torch.nn.Identity()(torch.ones(1)) == 1


ALONE = """
import os, sys
import torch
from ganbench.engine.shared_state import SharedState
{prepare}
state = SharedState()
{change}
changes, lasting = state.undo()
print([change.text for change in changes], lasting)
sys.stderr.write("still here\\n")
os.write(2, b"and here\\n")
"""


def run_alone(change: str, prepare: str = "") -> subprocess.CompletedProcess[str]:
    """Run lines of Python between a state and its `undo` in a process of their own."""
    code = ALONE.format(change=change, prepare=prepare)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    "close", ["sys.stderr.close()", "os.close(2)", "os.close(2); os.open('/dev/null', os.O_WRONLY)"]
)
def test_a_closed_stream_is_opened_again(close: str) -> None:
    done = run_alone(close)
    assert done.stdout == "['the standard error was closed'] []\n"
    assert done.stderr == "still here\nand here\n"


def test_what_libraries_and_torch_itself_do_when_they_are_first_used_is_no_change() -> None:
    """Torch wraps `manual_seed` and the step of every optimizer; libraries add filters of warnings."""
    done = run_alone(
        "import torch._dynamo, torchvision, torch_fidelity, sklearn.metrics, ot, scipy.stats, matplotlib.pyplot\n"
        "parameter = torch.nn.Parameter(torch.ones(2))\n"
        "for optimizer in (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD, torch.optim.RMSprop):\n"
        "    used = optimizer([parameter], lr=0.1)\n"
        "    parameter.square().sum().backward()\n"
        "    used.step()\n"
        "torch.func.vmap(torch.func.grad(lambda x: x.square().sum()))(torch.ones(2, 2))\n"
        "torch.fx.experimental.proxy_tensor.make_fx(lambda x: x.exp())(torch.ones(2))",
        "import torch.fx.experimental.proxy_tensor",
    )
    assert done.stdout == "[] []\n"


def test_a_patch_of_an_optimizer_that_torch_has_wrapped_since_is_still_found() -> None:
    done = run_alone(
        "torch.optim.Adam.step = lambda self: None\ntorch.optim.Adam([torch.nn.Parameter(torch.ones(2))])",
    )
    assert done.stdout.startswith("['torch.optim.adam.Adam.step was replaced by <lambda>")


def test_the_comparison_takes_milliseconds() -> None:
    """They are a small part of a batch, which trains for seconds: 7 on two cores; the limit is for slow machines."""

    def measure(function: Callable[[], object]) -> float:
        began = time.process_time()
        function()
        return time.process_time() - began

    assert min(measure(lambda: SharedState().undo()) for _ in range(5)) < 0.1


def test_no_file_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        SharedState().undo()
    assert len(os.listdir("/proc/self/fd")) == before
