"""A third-party package works like our own plugins.

While it is installed, its offers are listed, shown, run and checked; after it is removed, no trace of them is left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "outsider"
OFFERS = {"losses": "boosting", "constraints": "leash", "architectures": "quadratic"}
SUITE = """
question = "Does a third-party plugin run?"

[budget]
generator_steps = 4
batch_size = 8
snapshots = 1

[architectures]
space = "quadratic"
options = { latent = 2 }

[measurement]
samples = 20

[[method]]
name = "theirs"
loss = "boosting"
constraints = [{ name = "leash", weight = 0.1, target = 0.5 }]

[[dataset]]
name = "ring"
"""
SEVERAL = """
import sys
from ganbench.cli import app
for words in sys.argv[1:]:
    assert not app(words.split(), standalone_mode=False), f"exit code of: ganbench {words}"
"""
"""Run several commands in one process, because importing torch is the slowest part of each."""


def ganbench(*commands: str, installed: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ganbench commands in `cwd`, in an environment with the packages of the folder `installed`."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    arguments = [sys.executable, "-c", SEVERAL, *commands]
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the package, from its own pyproject and without network access."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "outsider")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", str(folder), str(source)], check=True, timeout=120)
    return folder


def test_a_third_party_package_provides_offers_until_it_is_removed(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.toml").write_text(SUITE)
    shown = [f"show {name}" for name in OFFERS.values()]
    commands = ["list", *shown, "run theirs.toml --jobs 1 --device cpu", "check ganbench-outsider"]
    process = ganbench(*commands, installed=installed, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    for kind, name in OFFERS.items():
        section = process.stdout.partition(f"{kind}:\n")[2].partition(":\n")[0]
        assert any(name in line and "[ganbench-outsider 1.2.3]" in line for line in section.splitlines()), section
    assert "options: target: float = 0.0" in process.stdout
    assert "asserted: real = [0.0], fake = [0.0] gives critic 2, generator 1" in process.stdout
    assert "| ring | theirs | 1 | 1 |" in process.stdout  # planned, completed
    assert all(f"{name!r} of ganbench-outsider 1.2.3:" in process.stdout for name in OFFERS.values())  # each checked
    assert "0 with broken rules" in process.stdout

    shutil.rmtree(installed)
    after = ganbench("list", installed=installed, cwd=tmp_path)
    assert after.returncode == 0, after.stderr
    assert "wasserstein" in after.stdout
    assert "not loaded" not in after.stderr
    listed = {line.split()[0] for line in after.stdout.splitlines() if line.startswith("  ")}
    assert not listed & set(OFFERS.values())
    assert "outsider" not in after.stdout


def test_the_whole_package_has_at_most_sixty_lines() -> None:
    assert len((PACKAGE / "ganbench_outsider.py").read_text().splitlines()) <= 60
