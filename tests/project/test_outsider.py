"""Third-party packages that were written for earlier releases work like our own plugins.

tests/outsider has one for each release; 0.0 was there before the first. A package is frozen with its release, and never
edited. While it is installed, its offers are listed, shown, checked and run; after it is removed, no trace is left.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tomllib
from pathlib import Path

import ganbench
import pytest
from ganbench.api.offers import KINDS

from tests.support.installed_package import install, run

FOLDER = Path(__file__).parents[1] / "outsider"
PROVIDER = "[ganbench-outsider 1.2.3]"
SEVERAL = """
import sys
from ganbench.cli import app
for words in sys.argv[1:]:
    assert not app(words.split(), standalone_mode=False), f"exit code of: ganbench {words}"
"""
"""Run several commands in one process, because importing torch is the slowest part of each."""


def release_of(folder: Path) -> tuple[int, ...]:
    """Return the release that a package was written for."""
    return tuple(map(int, folder.name.split(".")))


PACKAGES = sorted((path for path in FOLDER.iterdir() if path.is_dir()), key=release_of)
NEWEST = PACKAGES[-1]


def read_offers(package: Path) -> dict[str, str]:
    """Return the name of the offer of each kind."""
    return tomllib.loads((package / "offers.toml").read_text())


def list_commands(offers: dict[str, str]) -> list[str]:
    """Return the commands that use every offer of a package."""
    words = [f"--executor {offers['executors']}"] if "executors" in offers else ["--jobs 1"]
    words += [f"--watch {offers['watch']}"] if "watch" in offers else []
    table = [f"table results/theirs --format {offers['reports']}"] if "reports" in offers else []
    shown = [f"show {name}" for name in offers.values()]
    return ["list", *shown, f"run theirs.toml --device cpu {' '.join(words)}", *table, "check ganbench-outsider"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_third_party_package_provides_offers_until_it_is_removed(package: Path, tmp_path: Path) -> None:
    offers, installed = read_offers(package), tmp_path / "installed"
    install(shutil.copytree(package, tmp_path / "source"), installed)
    shutil.copy(package / "suite.toml", tmp_path / "theirs.toml")
    process = run("-c", SEVERAL, *list_commands(offers), installed=installed, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "DeprecationWarning" not in process.stderr
    for kind, name in offers.items():
        section = process.stdout.partition(f"{kind}:\n")[2].partition(":\n")[0]
        assert any(name in line and PROVIDER in line for line in section.splitlines()), section
        assert f"{name!r} of ganbench-outsider 1.2.3:" in process.stdout  # checked
    assert re.search(r"options: target: \w+ = 0.0", process.stdout)
    assert "asserted: real = [0.0], fake = [0.0] gives critic 2, generator 1" in process.stdout
    assert "not checked" not in process.stdout
    assert "0 with broken rules" in process.stdout
    trials = ganbench.read(tmp_path / "results" / "theirs").trials
    assert set(trials["status"]) == {"completed"}
    if "watch" in offers:
        (diary,) = (tmp_path / "results" / "theirs").rglob("diary.txt")
        assert len(diary.read_text().splitlines()) == len(trials)
    if "reports" in offers:
        assert "'theirs-scheduled'; '4'; '4'" in process.stdout  # planned, completed

    shutil.rmtree(installed)
    after = run("-c", SEVERAL, "list", installed=installed, cwd=tmp_path)
    assert after.returncode == 0, after.stderr
    assert "wasserstein" in after.stdout
    assert "not loaded" not in after.stderr
    listed = {line.split()[0] for line in after.stdout.splitlines() if line.startswith("  ")}
    assert not listed & set(offers.values())
    assert "outsider" not in after.stdout


def test_the_newest_package_offers_one_of_every_kind() -> None:
    """A new kind needs the package of the coming release: a copy of the newest one, with the new hook."""
    assert read_offers(NEWEST).keys() == KINDS.keys()
    assert release_of(NEWEST) >= tuple(map(int, ganbench.__version__.split(".")[:2]))


def test_a_package_of_a_release_is_as_it_was_frozen() -> None:
    """Frozen files are never edited: what breaks one of them breaks the promise to authors."""
    lines = (FOLDER / "frozen.sha256").read_text().splitlines()
    frozen = {name: digest for digest, name in (line.split("  ") for line in lines)}
    for name, digest in frozen.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, f"{name} was edited: restore it"
    released = [each for each in PACKAGES if release_of(each) <= tuple(map(int, ganbench.__version__.split(".")[:2]))]
    files = [file for package in released for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert {file.relative_to(FOLDER).as_posix() for file in files} == set(frozen), "CONTRIBUTING.md: how to freeze one"


def test_the_first_package_has_at_most_sixty_lines() -> None:
    assert len((PACKAGES[0] / "ganbench_outsider.py").read_text().splitlines()) <= 60
