"""Losses that change what all methods of a process share, as a plugin file that a user could write."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator

import torch
from ganbench import Objective, Offer, hookimpl

from tests.support.faulty_plugins import failing_loss


def patch_adam() -> None:
    """Replace Adam's step by one that does nothing."""
    torch.optim.Adam.step = lambda self, closure=None: None  # type: ignore[method-assign]


def patch_softplus() -> None:
    torch.nn.functional.softplus = lambda x: x * 0


def patch_mean() -> None:
    """Hide the mean that tensors inherit."""
    torch.Tensor.mean = lambda self, *sizes, **options: self.sum(*sizes, **options)  # type: ignore[method-assign]


def delete_linear() -> None:
    del torch.nn.Linear.forward


def patch_engine() -> None:
    """Replace a function of ganbench."""
    from ganbench.engine import functional

    functional.member_norms = lambda tensors: 0


def close_streams() -> None:
    """Close the standard streams, the objects and the files below."""
    sys.stderr.close()
    os.close(2)


def enter_inference_mode() -> None:
    """Enter a mode that only its own context can leave."""
    entered.append(torch.inference_mode())
    entered[-1].__enter__()


entered: list[torch.inference_mode] = []

CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "adam": (
        patch_adam,
        "torch.optim.adam.Adam.step was replaced by patch_adam.<locals>.<lambda> (changing_plugins.py",
    ),
    "softplus": (patch_softplus, "torch.nn.functional.softplus was replaced by patch_softplus.<locals>.<lambda>"),
    "mean": (patch_mean, "torch.Tensor.mean was replaced by patch_mean.<locals>.<lambda>"),
    "linear": (delete_linear, "torch.nn.modules.linear.Linear.forward was deleted"),
    "engine": (patch_engine, "ganbench.engine.functional.member_norms was replaced by patch_engine"),
    "threads": (lambda: torch.set_num_threads(3), "the number of threads went from 1 to 3"),
    "no-grad": (lambda: torch.set_grad_enabled(False), "torch.is_grad_enabled() went from True to False"),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), "default dtype went from torch.float32 to torch.float64"),
    "device": (lambda: torch.set_default_device("meta"), "the default device went from None to device(type='meta')"),
    "deterministic": (lambda: torch.use_deterministic_algorithms(True), "torch's deterministic mode went from 0 to 2"),
    "precision": (lambda: torch.set_float32_matmul_precision("high"), "went from 'highest' to 'high'"),
    "cudnn": (lambda: setattr(torch.backends.cudnn, "benchmark", True), "cudnn.benchmark went from False to True"),
    "anomaly": (lambda: torch.autograd.set_detect_anomaly(True), "anomaly detection went from (False, True) to"),
    "autocast": (lambda: torch.autocast("cpu").__enter__(), "autocast on cpu went from False to True"),
    "warnings": (lambda: warnings.simplefilter("error"), "the list of warnings that are errors went from"),
    "denormal": (lambda: torch.set_flush_denormal(True), "flushing of denormal numbers went from False to True"),
    "streams": (close_streams, "the standard error was closed"),
}
"""What each loss does in the middle of training, and what is said of it."""

QUIET: dict[str, Callable[[], object]] = {
    "cwd": lambda: os.chdir("/"),
    "recursion": lambda: sys.setrecursionlimit(777),
    "reseed": lambda: torch.manual_seed(0),
    "environment": lambda: os.environ.update(HOME="/nowhere"),
}


def late(change: Callable[[], object]) -> Callable[[], Objective]:
    """Build the non-saturating loss, which makes the change in the middle of training."""
    return failing_loss(change, after=2)


def early(change: Callable[[], object]) -> Callable[[], Objective]:
    """Build the non-saturating loss; the change is made by the build."""

    def build() -> Objective:
        change()
        return failing_loss(lambda: None)()

    return build


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    """Offer the non-saturating loss with each of the changes."""
    for name, (change, _) in CHANGES.items():
        yield Offer(f"late-{name}", late(change), "Changes what others share, in training.")
        yield Offer(f"early-{name}", early(change), "Changes what others share, in its build.")
    for name, quiet in QUIET.items():
        yield Offer(f"late-{name}", late(quiet), "Changes what is restored without a word.")
