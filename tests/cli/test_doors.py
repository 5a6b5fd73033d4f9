"""What people try first: a version, a short help, `python -m`, completion, and an option by its old name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import ganbench as package
import pytest

from tests.support.terminal import ganbench, process

SHELLS = ("bash", "zsh", "fish")


def test_the_version_is_printed(tmp_path: Path) -> None:
    ended = process("--version", cwd=tmp_path)
    assert (ended.returncode, ended.stdout.strip()) == (0, f"ganbench {package.__version__}")


@pytest.mark.parametrize("words", [[], ["run"], ["table"]])
def test_h_is_help(tmp_path: Path, words: list[str]) -> None:
    short, long = (ganbench(*words, option, cwd=tmp_path) for option in ("-h", "--help"))
    assert short.returncode == long.returncode == 0
    assert short.stdout == long.stdout
    assert "Usage: ganbench" in short.stdout


def test_help_cuts_no_sentence_at_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = ganbench("--help", cwd=tmp_path).stdout
    names = [line.split()[0] for line in page.partition("Commands:")[2].splitlines() if line.strip()]
    assert {"run", "plan", "table", "migrate"} <= set(names)
    for text in (page, *(ganbench(name, "--help", cwd=tmp_path).stdout for name in names)):
        assert max(map(len, text.splitlines())) <= 80
        commands = text.partition("Commands:")[2]
        assert "..." not in commands, commands


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["run", "smoke", "--out", "r"], "--out is now --results"),
        (["plan", "smoke", "--out", "r"], "--out is now --results"),
        (["table", "r", "--robustness"], "--robustness is now --sensitivity"),
        (["run", "smoke", "--retry", "timeout"], "Did you mean 'timed-out'?"),
    ],
)
def test_an_old_name_is_answered_with_the_new_one(tmp_path: Path, words: list[str], answer: str) -> None:
    ended = ganbench(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert answer in ended.stderr
    assert not list(tmp_path.iterdir())


def complete(shell: str, line: str, folder: Path) -> list[str]:
    """Return what the shell's completion script would ask ganbench for, with the cursor at the end of a line."""
    words = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    environment = {**os.environ, "_GANBENCH_COMPLETE": f"complete_{shell}", **words[shell]}
    command = [sys.executable, "-m", "ganbench"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_is_given_commands_options_and_suites(shell: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    for line, wanted in (
        ("ganbench ta", "table"),
        ("ganbench run --prof", "--profile"),
        ("ganbench run smo", "smoke"),
        ("ganbench run mi", "mine.toml"),
        ("ganbench list dyna", "dynamics"),
    ):
        assert any(wanted in answer for answer in complete(shell, line, tmp_path)), (line, wanted)


SCRIPTS = {
    "bash": 'COMP_WORDS=(ganbench hist); COMP_CWORD=1; _ganbench_completion ganbench; echo "${COMPREPLY[@]}"',
    "zsh": "autoload -Uz compinit; compinit -u; whence -w _ganbench_completion",
    "fish": "complete -C 'ganbench hist'",
}
ANSWERS = {"bash": "history", "zsh": "_ganbench_completion: function", "fish": "history"}


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if which(shell)])
def test_a_real_shell_takes_the_completion_script(shell: str, tmp_path: Path) -> None:
    show = f"import sys; sys.argv = ['ganbench', '--show-completion', '{shell}']; from ganbench.cli import main; main()"
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    script = subprocess.run([sys.executable, "-c", show], env=environment, capture_output=True, text=True, check=True)
    (tmp_path / "ganbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ganbench "$@"\n')
    (tmp_path / "ganbench").chmod(0o755)
    setup = "autoload -Uz compinit; compinit -u\n" if shell == "zsh" else ""
    (tmp_path / "script").write_text(f"{setup}{script.stdout}\n{SCRIPTS[shell]}\n")
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run([shell, "script"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ANSWERS[shell] in ended.stdout, ended.stderr
