"""One thread a process, since tests run two at a time; and the device that the engine's tests run on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tests.support import device as where

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # read when torch is first imported, which is later


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda"), help="where the engine's tests train")


def pytest_configure(config: pytest.Config) -> None:
    where.DEVICE = config.getoption("--device")
    if where.DEVICE == "cuda":
        from ganbench.engine import device  # torch takes seconds to import, and most tests are asked for without

        device.configure("cuda")  # kernels that repeat their bits, as in every run


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests cache out of the user's own cache, in their workers, too, and the user's configuration out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("GANBENCH_CONFIG", str(tmp_path_factory.mktemp("config") / "config.toml"))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested for want of a browser or of LaTeX: one line for each reason, with the way out."""
    skipped = terminalreporter.stats.get("skipped", [])
    lacking = [report for report in skipped if {"browser", "latex"} & set(report.keywords)]
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in lacking]
    for reason in dict.fromkeys(reasons):
        terminalreporter.write_line(f"NOT TESTED ({reasons.count(reason)} tests): {reason}", yellow=True, bold=True)


hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background job is deaf to Ctrl-C, and so would be every process that a test starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
