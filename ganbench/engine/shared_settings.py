"""The settings that all methods of a process share: torch's, and those of the process; how to read and restore them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils._device
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack


@dataclass(frozen=True)
class Setting:
    """A setting that the whole process shares, how to read and how to write it.

    A `quiet` setting is restored without a word, since it changes no number of the batch that changed it.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], Any]
    quiet: bool = False

    def value(self) -> Any:
        """Return the setting; a type of exception if it cannot be read, as torch's precision if its parts disagree."""
        try:
            return self.read()
        except Exception as error:
            return type(error)


def make_backend_settings() -> Iterator[Setting]:
    """Yield the flags in `torch.backends` that choose between kernels; each version of torch has some of them."""
    products = (
        "cuda.matmul",
        "cudnn.conv",
        "cudnn.rnn",
        "cudnn",
        "mkldnn.matmul",
        "mkldnn.conv",
        "mkldnn.rnn",
        "mkldnn",
    )
    reductions = [f"cuda.matmul.allow_{dtype}_reduced_precision_reduction" for dtype in ("fp16", "bf16")]
    cudnn = [f"cudnn.{flag}" for flag in ("allow_tf32", "benchmark", "deterministic", "enabled")]
    flags = ["cuda.matmul.allow_tf32", *cudnn, "mkldnn.enabled", "mkldnn.deterministic", *reductions]
    flags += ["cuda.matmul.allow_fp16_accumulation", *(f"{name}.fp32_precision" for name in products), "fp32_precision"]
    for path in flags:
        *parents, flag = path.split(".")
        owner: Any = torch.backends
        for parent in parents:
            owner = getattr(owner, parent, None)
        if hasattr(type(owner), flag) or hasattr(owner, flag):
            read, write = (lambda o=owner, f=flag: getattr(o, f)), (lambda value, o=owner, f=flag: setattr(o, f, value))
            yield Setting(f"torch.backends.{path}", read, write)


def make_autocast_settings(device: str) -> Iterator[Setting]:
    """Yield the settings of automatic mixed precision on a type of device."""
    read, write = torch.is_autocast_enabled, torch.set_autocast_enabled
    yield Setting(f"autocast on {device}", lambda: read(device), lambda value: write(device, value))
    yield Setting(
        f"the dtype of autocast on {device}",
        lambda: torch.get_autocast_dtype(device),
        lambda value: torch.set_autocast_dtype(device, value),
    )


def read_error_filters() -> list[Any]:
    """Return the filters that turn warnings into errors."""
    return [each for each in warnings.filters if each[0] == "error"]


def write_error_filters(errors: list[Any]) -> None:
    """Let only these filters turn warnings into errors; other filters, such as those of libraries, stay."""
    kept = [each for each in warnings.filters if each[0] != "error" or each in errors]
    warnings.filters[:] = [*(each for each in errors if each not in kept), *kept]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def write_default_device(device: torch.device | None) -> None:
    """Set torch's default device; None means that none is set."""
    torch.set_default_device(device)
    torch.utils._device.CURRENT_DEVICE = device


def write_modes(before: list[type]) -> None:
    """Leave the modes of `torch.overrides` that were entered since."""
    while len(_get_current_function_mode_stack()) > len(before):
        torch._C._pop_torch_function_stack()


def write_dispatch_modes(before: list[type]) -> None:
    """Leave the modes of `torch.utils._python_dispatch` that were entered since."""
    while len(_get_current_dispatch_mode_stack()) > len(before):
        torch._C._pop_torch_dispatch_stack()


def list_hook_tables() -> dict[str, dict[Any, Any]]:
    """Return torch's tables of the hooks on every module and on every optimizer, by name."""
    tables = {**vars(module_hooks), **vars(optimizer_hooks)}
    return {n: table for n, table in tables.items() if n.startswith("_global_") and isinstance(table, dict)}


def write_hooks(before: Mapping[str, Mapping[Any, Any]]) -> None:
    """Set the hooks on every module and on every optimizer."""
    for name, table in list_hook_tables().items():
        table.clear()
        table.update(before.get(name, {}))


def flushes_denormals() -> bool:
    """Return whether this thread takes the smallest numbers for zero (`torch.set_flush_denormal`)."""
    smallest = sys.float_info.min
    return smallest * 0.5 == 0.0


def write_random_states(states: list[bytes]) -> None:
    """Set the states of torch's global generators."""
    cpu, *cuda = [torch.frombuffer(bytearray(state), dtype=torch.uint8) for state in states]
    torch.random.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)


def read_random_states() -> list[bytes]:
    """Return the states of torch's global generators: the CPU's, and those of CUDA devices in use."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [state.numpy().tobytes() for state in (torch.random.get_rng_state(), *cuda)]


def write_environment(before: Mapping[str, str]) -> None:
    """Restore the variables that were changed or removed; new ones, as libraries set them at import, stay."""
    os.environ.update(before)


def read_signal_handlers() -> dict[signal.Signals, Any]:
    """Return the handler of every signal."""
    return {number: signal.getsignal(number) for number in signal.Signals}


def write_signal_handlers(before: Mapping[signal.Signals, Any]) -> None:
    """Restore the handlers that were changed, where Python allows it: in the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


SETTINGS = (
    Setting("the list of warnings that are errors", read_error_filters, write_error_filters),
    Setting("the number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("torch.is_grad_enabled()", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("torch.is_inference_mode_enabled()", torch.is_inference_mode_enabled, lambda value: None),
    Setting("the default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("the default device", lambda: torch.utils._device.CURRENT_DEVICE, write_default_device),
    Setting("the list of function modes", lambda: list(map(type, _get_current_function_mode_stack())), write_modes),
    Setting(
        "the list of dispatch modes",
        lambda: list(map(type, _get_current_dispatch_mode_stack())),
        write_dispatch_modes,
    ),
    *make_autocast_settings("cpu"),
    *make_autocast_settings("cuda"),
    Setting(
        "anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: torch.autograd.set_detect_anomaly(*value),
    ),
    Setting("torch's deterministic mode", torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    Setting("torch's matmul precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    *make_backend_settings(),
    Setting("flushing of denormal numbers", flushes_denormals, torch.set_flush_denormal),
    Setting(
        "the list of hooks on every module or optimizer",
        lambda: {name: dict(table) for name, table in list_hook_tables().items() if table},
        write_hooks,
    ),
    Setting(
        "the presence of an alarm",
        lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        lambda value: signal.setitimer(signal.ITIMER_REAL, 0),
    ),
    Setting("the states of the global generators", read_random_states, write_random_states, quiet=True),
    Setting("the working directory", os.getcwd, os.chdir, quiet=True),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, quiet=True),
    Setting("the environment", lambda: dict(os.environ), write_environment, quiet=True),
    Setting("the signal handlers", read_signal_handlers, write_signal_handlers, quiet=True),
)
