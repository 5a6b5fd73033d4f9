"""What the machine lacks is told in one message; outputs that are closed end a command quietly; a bug shows itself."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ganbench import RunFailed, cli
from ganbench.errors import GanbenchError

SUITE = 'question = "?"\nmethods = ["ns-gan"]\nbudget = {generator_steps = 4, batch_size = 8, snapshots = 1}\n'
SUITE += '[[dataset]]\nname = "ring"\n'


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 1, "no memory is left for this process. Free some, or raise the limit (`ulimit -v`)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "no memory is left"),
        (ImportError("libtorch.so: failed to map segment from shared object"), 1, "libtorch.so: failed to map"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "no memory is left"),
        (OSError(errno.EMFILE, "Too many open files", "a.txt"), 1, "ganbench: a.txt: this process may open no more"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), 1, "no more processes or threads"),
        (RuntimeError("can't start new thread"), 1, "no more processes or threads may start"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "no space is left to write to"),
        (ModuleNotFoundError("No module named 'ab'", name="ab"), 1, "`pip install ganbench` installs what is missing"),
        (ModuleNotFoundError("No module named 'ab.c'", name="ab.c"), 1, "No module named 'ab.c'"),
        (RunFailed("no worker can be started"), 1, "ganbench: no worker can be started"),
        (GanbenchError("no such thing"), 2, "ganbench: no such thing"),
    ],
)
def test_a_limit_is_told_in_one_line(
    error: Exception, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == code
    text = capsys.readouterr().err
    assert words in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a bug"),
        ImportError("no module"),
        ModuleNotFoundError("no module", name="ganbench.page.nowhere"),
        PermissionError(errno.EACCES, "no"),
        KeyError("k"),
    ],
)
def test_a_bug_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(type(error)):
        cli.main([])


def run_shell(folder: Path, before: str, words: str, after: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that first does `before`, with redirections `after`."""
    (folder / "s.toml").write_text(SUITE)
    line = f"{before} exec {shlex.quote(sys.executable)} -m ganbench {words} {after}"
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v works on Linux only")
@pytest.mark.parametrize(
    ("limit", "words"), [("ulimit -v 1000000;", "no memory is left"), ("ulimit -n 9;", "no worker can be started")]
)
def test_a_run_under_a_limit_of_the_shell_ends_with_one_message(tmp_path: Path, limit: str, words: str) -> None:
    ended = run_shell(tmp_path, limit, "run s.toml --jobs 1 --results r")
    assert ended.returncode == 1
    assert words in ended.stderr.rpartition("ganbench: ")[2]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("closed", "code"), [(">&-", 1), ("2>&-", 0), (">&- 2>&-", 1), ("<&- >&- 2>&-", 1)])
def test_a_closed_output_ends_a_command_without_a_word(tmp_path: Path, closed: str, code: int) -> None:
    ended = run_shell(tmp_path, "", "list", closed)
    assert (ended.returncode, ended.stderr) == (code, "")


def test_a_reader_that_has_left_ends_a_command_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "ganbench", "list"]
    ended = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_file_never_takes_the_number_of_a_closed_output(tmp_path: Path) -> None:
    script = "from ganbench.cli.program import open_standard_files as f; f(); open(str(open('x', 'w').fileno()), 'w')"
    subprocess.run(["bash", "-c", f'{sys.executable} -c "{script}" <&- >&- 2>&-'], cwd=tmp_path, timeout=60, check=True)
    [number] = [int(path.name) for path in tmp_path.iterdir() if path.name != "x"]
    assert number > 2
