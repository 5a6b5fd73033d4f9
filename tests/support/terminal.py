"""ganbench as a user runs it from a terminal: in this process, or in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from ganbench import cli


def process(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ganbench in a process of its own; slow, since it imports torch again."""
    command = [sys.executable, "-m", "ganbench", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


class Screen(StringIO):
    """What a person sees, who gets summaries in place of Markdown."""

    def isatty(self) -> bool:
        """Return True, as a terminal does."""
        return True


def ganbench(*words: str, cwd: Path, terminal: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ganbench in this process by calling `main()`; return its exit code and what it printed."""
    out, err, code = Screen() if terminal else StringIO(), StringIO(), 0
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main(list(words))
        except SystemExit as exit_request:
            code = exit_request.code if isinstance(exit_request.code, int) else 1
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
