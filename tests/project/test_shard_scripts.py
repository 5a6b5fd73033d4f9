"""The scripts of docs/how_to/running.md that train shards work as written, with 2 for 10: by bash, without Slurm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ganbench.results.store import read

from tests.support import tiny_suite
from tests.support.documents import ROOT, find_file

PAGE = ROOT / "docs/how_to/running.md"

SUITE = (
    tiny_suite.TOML
    + """dataset = [{ name = "ring", metrics = ["sliced-w1"] }]
success = [{ dataset = "ring", metric = "sliced-w1", thresholds = [0.1], allow_trivial = true }]
"""
)
TUNING = """
[tuning]
configurations = 2
report_seeds = [7]

[[method]]
name = "ns-gan"
vary = { critic_steps = [1, 2] }
"""
COMMANDS = {
    "ganbench": f'exec "{sys.executable}" -m ganbench "$@"',
    "srun": 'exec "$@"',
    "sbatch": """last="${@: -1}"
case "$*" in
*--wrap*) bash -c "$last" ;;
*)
    count=$(sed -n 's/^#SBATCH --array=1-//p' "$last")
    for i in $(seq "$count"); do SLURM_ARRAY_TASK_ID=$i bash "$last" >&2; done
    echo 42 ;;
esac""",
}
"""What stands in for the commands of Slurm: a task after the other, on this machine."""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the scripts are for bash")


def script(name: str) -> str:
    """Return the script that the page shows as a file of this name, with 2 shards for 10."""
    text = find_file(PAGE, name)
    changed = re.sub(r"\b10\b", "2", text)
    assert changed != text or name == "submit.sh"
    return changed


def run_bash(text: str, place: Path, **variables: str) -> None:
    """Run a script by bash in a folder where the commands of Slurm are stood in for."""
    for name, body in COMMANDS.items():
        file = place / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/bash\n{body}\n")
        file.chmod(0o755)
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", **variables}
    ended = subprocess.run(
        ["bash", "-e", "-c", text], cwd=place, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_slurm_script_trains_the_shard_of_its_task(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE)
    run_bash(script("shards.sh"), tmp_path, SLURM_ARRAY_TASK_ID="2")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["shard-2"]
    assert sorted(read(tmp_path / "results" / "shard-2").trials["status"]) == ["completed"] * 2 + ["missing"] * 2


def test_the_two_lines_that_submit_it_end_with_the_whole_suite(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "shards.sh").write_text(script("shards.sh"))
    run_bash(script("submit.sh"), tmp_path)
    assert set(read(tmp_path / "results" / "suite").trials["status"]) == {"completed"}


def test_the_loop_of_processes_and_the_second_round_of_a_suite_that_tunes(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE.replace('"ns-gan", ', "").replace('"wgan-gp"', "") + TUNING)
    run_bash(script("terminals.sh"), tmp_path)
    tuned = read(tmp_path / "results" / "suite")
    assert set(tuned.trials["status"]) == {"completed"}
    assert tuned.choices == ()
    run_bash(script("rounds.sh"), tmp_path)
    reported = read(tmp_path / "results" / "reported")
    assert len(reported.choices) == 1
    assert list(reported.trials["seed"]) == [7]
    assert set(reported.all_trials["status"]) == {"completed"}
