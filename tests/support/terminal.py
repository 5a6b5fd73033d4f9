"""ganbench as a user types it: in this process, or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from ganbench import cli


def process(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ganbench in a process of its own: dear, since it imports torch anew."""
    command = [sys.executable, "-m", "ganbench.cli", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def ganbench(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ganbench in this process, from `main()` on."""
    out, err, code = StringIO(), StringIO(), 0
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main(list(words))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
