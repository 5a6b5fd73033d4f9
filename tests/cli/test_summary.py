"""What `run` and `table` print: a summary on a terminal, the tables as Markdown to everything else."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support import tiny_suite
from tests.support.terminal import ganbench

SUITE = (
    tiny_suite.TOML
    + """dataset = [{ name = "ring" }]
success = [{ dataset = "ring", metric = "modes", thresholds = [7], smallest_effect = 0.1 }]
"""
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a suite was run."""
    folder = tmp_path_factory.mktemp("summary")
    (folder / "tiny.toml").write_text(SUITE)
    trained = ganbench("run", "tiny.toml", "--jobs", "0", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    return folder


def on_a_terminal(*words: str, cwd: Path, columns: int = 80) -> tuple[int, str]:
    """Run ganbench with a terminal of this width as its stdout; return its exit code and what the terminal got."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "ganbench", *words]
    process = subprocess.Popen(
        command, cwd=cwd, stdout=terminal, stderr=subprocess.DEVNULL, env={**environment, "TERM": "xterm"}
    )
    os.close(terminal)
    parts = []
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # Linux says so when the last writer has closed the terminal
            break
        if not part:
            break
        parts.append(part)
    os.close(controller)
    text = b"".join(parts).decode().replace("\r\n", "\n")
    return process.wait(timeout=120), re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("words", [("table", "results/tiny"), ("run", "tiny.toml")])
def test_on_a_terminal_the_verdict_comes_first_then_a_table_then_what_to_do_next(
    place: Path, words: tuple[str, ...]
) -> None:
    code, text = on_a_terminal(*words, cwd=place)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    places = [
        text.index(part)
        for part in (
            "Does it run?",
            "ns-gan against wgan-gp on ring: final modes > 7",
            "ns-gan and wgan-gp are not distinguishable at this n: 0/2 [0, 66] % against",
            "not shown to be equal within 10 percentage points",
            "best untrained",
            "4 trials, in results/tiny",
            "ganbench table results/tiny --full",
            "ganbench report results/tiny",
        )
    ]
    assert places == sorted(places)
    assert "| --- |" not in text


def test_with_full_every_table_comes_before_the_verdict(place: Path) -> None:
    code, text = on_a_terminal("table", "results/tiny", "--full", cwd=place)
    assert code == 0
    assert text.startswith(ganbench("table", "results/tiny", cwd=place).stdout)
    assert text.index("## Cost per success") < text.index("not distinguishable at this n")
    assert "--full" not in text


def test_with_a_format_a_terminal_gets_that_format_and_nothing_else(place: Path) -> None:
    assert on_a_terminal("table", "results/tiny", "--format", "md", cwd=place) == (
        0,
        ganbench("table", "results/tiny", cwd=place).stdout,
    )


def test_piped_the_tables_are_markdown_and_there_is_no_verdict(place: Path) -> None:
    for words in (("table", "results/tiny"), ("run", "tiny.toml"), ("table", "results/tiny", "--full")):
        text = ganbench(*words, cwd=place).stdout
        assert text.startswith("## Outcomes\n")
        assert "not distinguishable" not in text
        assert "\x1b" not in text


def test_sensitivity_of_a_suite_that_names_no_pairs_is_that_of_its_first_method_against_the_others(place: Path) -> None:
    assert (
        "## Sensitivity of ns-gan against wgan-gp on ring"
        in ganbench("table", "results/tiny", "--sensitivity", cwd=place).stdout
    )
