"""A merge that is killed, and the one after it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from ganbench.results.files import hold_lock

from tests.support.terminal import ganbench as command
from tests.support.trials_by_hand import fill, seeds

KILLED = """
import os, signal, sys
from pathlib import Path
from ganbench.results import merge as merging
merging.write_rows = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
merging.merge([Path("a"), Path("b")], Path("c"))
"""


def test_a_killed_merge_leaves_a_hidden_folder_that_the_next_one_removes(tmp_path: Path) -> None:
    fill(tmp_path / "a", seeds(0))
    fill(tmp_path / "b", seeds(1))
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (left,) = {*os.listdir(tmp_path)} - {"a", "b"}
    assert left.startswith(".c.merge-")
    (tmp_path / ".c.merge-mine").mkdir()
    with hold_lock(shutil.copytree(tmp_path / left, tmp_path / ".c.merge-1")):
        assert command("merge", "a", "b", "--out", "c", cwd=tmp_path).returncode == 0
    assert sorted(os.listdir(tmp_path)) == [".c.merge-1", ".c.merge-mine", "a", "b", "c"]
