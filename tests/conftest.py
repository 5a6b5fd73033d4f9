"""One thread a process, since tests run two at a time; and the device that the engine's tests run on."""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest

from tests.support import device as where

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # read when torch is first imported, which is later


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda"), help="where the engine's tests train")


def pytest_configure(config: pytest.Config) -> None:
    where.DEVICE = config.getoption("--device")


hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background job is deaf to Ctrl-C, and so would be every process that a test starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
