"""A plugin of pytest that prints each failure at once: `pytest -p tests.device.failures`.

pytest itself prints them at the end, which a run that is stopped never reaches.
"""

from __future__ import annotations

import sys

import pytest

LINES = 25
"""Lines at the end of a failure that are printed."""


def pytest_configure(config: pytest.Config) -> None:
    """Print failures in the process that collects the reports, not in its workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Printer())


class Printer:
    """Prints the reports of tests that fail."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the end of a failure, under the name of its test."""
        if report.failed:
            text = "\n".join(report.longreprtext.splitlines()[-LINES:])
            sys.stderr.write(f"\nFAILED {report.nodeid} ({report.when})\n{text}\n")
            sys.stderr.flush()
