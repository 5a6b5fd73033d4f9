"""Every mistake of a user ends with value, place and way out, exit code 2 and no traceback."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.bad_suites import SUITES, SYNTAX, TEXT, Case
from tests.support.meaningless_suites import WITHOUT_SENSE
from tests.support.terminal import ganbench, process
from tests.support.trials_by_hand import record, results, trial


def is_harmless(text: str) -> bool:
    """Return whether a text has no characters that a terminal would act on."""
    return all(character.isprintable() or character == "\n" for character in text)


def check_refusal(answer: subprocess.CompletedProcess[str], *fragments: str) -> None:
    """Assert the rules of error messages: exit code 2, these fragments, no traceback, nothing a terminal acts on."""
    code, out, err = answer.returncode, answer.stdout, answer.stderr
    assert code == 2, (code, err)
    assert not out
    assert all(fragment in err for fragment in fragments), err
    assert "Traceback" not in err
    assert is_harmless(err), ascii(err)
    assert max(map(len, err.splitlines())) < 1000


@pytest.mark.parametrize("case", [*SUITES, *SYNTAX, *WITHOUT_SENSE], ids=lambda case: case.new[:40])
def test_a_wrong_suite_is_an_error_with_value_place_and_way_out(tmp_path: Path, case: Case) -> None:
    assert case.old in TEXT
    (tmp_path / "s.toml").write_text(TEXT.replace(case.old, case.new, 1))
    check_refusal(ganbench("plan", "s.toml", cwd=tmp_path), *case.fragments)
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


def test_there_are_at_least_fifty_cases() -> None:
    assert len({case.new for case in [*SUITES, *SYNTAX]}) >= 50


def test_the_suite_that_the_cases_change_is_correct(tmp_path: Path) -> None:
    for content in (TEXT, "\ufeff" + TEXT, TEXT.replace("\n", "\r\n")):
        (tmp_path / "s.toml").write_bytes(content.encode())
        planned = ganbench("plan", "s.toml", cwd=tmp_path)
        assert (planned.returncode, "6 trials in 3 batches" in planned.stdout) == (0, True)


def test_a_question_with_escapes_and_markup_is_printed_as_text(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(TEXT.replace("Does it run?", "\\u001b[31m[bold]Really?[/bold]"))
    planned = ganbench("plan", "s.toml", cwd=tmp_path)
    assert planned.returncode == 0
    assert "[bold]Really?[/bold]" in planned.stdout
    assert is_harmless(planned.stdout)


def test_a_method_name_may_be_one_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("../../x", "con", "[bold]x[/bold]", "n" * 100):
        (tmp_path / "s.toml").write_text(TEXT.replace('"mine"', f'"{name}"'))
        planned = ganbench("plan", "s.toml", cwd=tmp_path)
        assert (planned.returncode, f"{name} on ring" in planned.stdout) == (0, True), planned.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("gone.toml", None, ["gone.toml: no such file", "Give a .toml file, or the name of a suite"]),
        ("smoek", None, ["no suite 'smoek'. Did you mean 'smoke'?"]),
        ("folder.toml", "", ["folder.toml: a folder, not a suite. Give a .toml file"]),
        (
            "latin.toml",
            TEXT.replace("Does", "Fällt").encode("latin-1"),
            ["latin.toml: not UTF-8 (byte 13). Save it as"],
        ),
        ("image.toml", b"\x89PNG\r\n\x1a\n", ["image.toml: not UTF-8 (byte 0). Save it as UTF-8"]),
        ("zero.toml", b"a = \x00", ["zero.toml: not TOML", "line 1, column 5"]),
        ("empty.toml", b"", ["empty.toml: question: missing", "empty.toml: budget: missing"]),
        ("\x1b[31m.toml", b"a = = 1", [" [31m.toml: not TOML", "line 1, column 5"]),
        (
            "...toml",
            TEXT.encode(),
            ["...toml: '..' cannot be a folder's name. Rename the suite, or name a folder by --results"],
        ),
        ("n" * 300 + ".toml", None, ["cannot be read: File name too long"]),
        ("../../../x", None, ["x: no such file. Give a .toml file"]),
    ],
)
def test_a_file_that_is_not_a_suite_is_an_error(
    tmp_path: Path, name: str, content: bytes | str | None, fragments: list[str]
) -> None:
    if content == "":
        (tmp_path / name).mkdir()
    elif isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    check_refusal(ganbench("plan", name, cwd=tmp_path), *fragments)


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["--jobs", "-1"], ["--jobs"]),
        (["--jobs", "many"], ["--jobs", "valid integer"]),
        (["--jobs", "99999"], ["--jobs = 99999", "up to 1024"]),
        (["--timeout", "0"], ["--timeout = 0: give seconds above 0"]),
        (["--timeout", "-3"], ["--timeout = -3: give seconds above 0"]),
        (["--timeout", "nan"], ["--timeout = nan: give seconds above 0"]),
        (["--timeout", "inf"], ["--timeout = inf: give seconds above 0"]),
        (["--timeout", "5", "--jobs", "0"], ["--timeout = 5", "Use --jobs 1 or more"]),
        (["--retry", "faild"], ["--retry: no status 'faild'. Did you mean 'failed'?"]),
        (["--device", "gpu"], ["--device", "'gpu'"]),
        (["--plugin", "gone.py"], ["gone.py: no such plugin file. Give the path of a Python file"]),
        (["--plugin", "folder"], ["folder: no such plugin file. Give the path of a Python file"]),
        (["--plugin", "raises.py"], ["raises.py:2: ValueError: no", "[red]"]),
        (["--plugin", "syntax.py"], ["syntax.py:1: SyntaxError"]),
        (["--plugin", "hookless.py"], ["hookless.py: no hook in", "Define one of: ganbench_"]),
        (["--plugin", "misspelt.py"], ["misspelt.py: no hook 'ganbench_loses'. Did you mean 'ganbench_losses'?"]),
        (["--results", "s.toml"], ["s.toml: cannot be written", "Choose another folder"]),
        (["--format", "markdwon"], ["no format 'markdwon'", "Known: "]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_a_wrong_option_on_the_command_line_is_an_error(tmp_path: Path, words: list[str], fragments: list[str]) -> None:
    (tmp_path / "s.toml").write_text(TEXT)
    (tmp_path / "folder").mkdir()
    (tmp_path / "raises.py").write_text("import ganbench\nraise ValueError('no \\x1b[31m[red]')\n")
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "hookless.py").write_text("x = 1\n")
    (tmp_path / "misspelt.py").write_text(
        "from ganbench import hookimpl\n@hookimpl\ndef ganbench_loses():\n    return []\n"
    )
    answer = ganbench("run", "s.toml", *words, cwd=tmp_path)
    answer.stderr = answer.stderr.replace("\u2500", "-")
    check_refusal(answer, *fragments)
    assert not (tmp_path / "results" / "s" / "results.sqlite").exists()


def test_a_dataset_with_a_wrong_option_is_an_error_before_anything_trains(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(TEXT.replace("modes = 8", "modes = 0"))
    fragments = (
        "s.toml:",
        "dataset[0]: dataset 'ring'",
        "'modes' = 0",
        "greater than or equal to 1. Options: modes: int >= 1",
    )
    answer = ganbench("run", "s.toml", "--jobs", "0", cwd=tmp_path)
    answer.stderr = "".join(line for line in answer.stderr.splitlines(keepends=True) if "ganbench: " in line)
    check_refusal(answer, *fragments)
    assert not (tmp_path / "results").exists()


def test_a_folder_without_readable_results_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    results(tmp_path / "good", [record(trial(), [1.0])])
    for name in ("other", "damaged"):
        shutil.copytree(tmp_path / "good", tmp_path / name)
    with closing(sqlite3.connect(tmp_path / "other" / "results.sqlite")) as link, link:
        link.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    link.close()
    (tmp_path / "damaged" / "results.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    for name, message in {
        "gone": "gone: no results here. `ganbench run SUITE` makes them",
        "empty": "empty: no results here. `ganbench run SUITE` makes them",
        "file.txt": "file.txt: a file, not a results folder. Name the folder",
        "other": "its schema version is 99",
        "damaged": "The file is damaged: move it away",
    }.items():
        check_refusal(ganbench("table", name, cwd=tmp_path), name, message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "s.toml"], "Did you mean 'modes'?"),
        (["table", "nowhere"], "no results here"),
        (["run", "s.toml", "--plugin", "gone.py"], "no such plugin file"),
    ],
)
def test_a_real_process_ends_with_code_2_and_no_traceback(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "s.toml").write_text(TEXT.replace("modes = 8", "mode = 8"))
    check_refusal(process(*words, cwd=tmp_path), message)
