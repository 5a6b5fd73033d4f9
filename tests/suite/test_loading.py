"""Suites are loaded from files, by path or by bare name; unreadable files are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.suite.loading import list_suites, load, parse, restore

from tests.support.bad_suites import TEXT


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_byte_order_marks_and_windows_line_ends_are_read(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "ring.toml"
    path.write_bytes(change(TEXT).encode())
    assert load(path) == parse(TEXT)
    assert load(path).where == str(path)


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("none.toml", None, ["none.toml: no such file", "Give a .toml file"]),
        ("", None, [": a folder, not a suite", "Give a .toml file"]),
        ("latin.toml", TEXT.replace("Does", "Fällt").encode("latin-1"), ["latin.toml: not UTF-8 (byte 13)"]),
        ("zero.toml", b"a = \x00", ["zero.toml: not TOML", "line 1, column 5"]),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(
    name: str, content: bytes | None, fragments: list[str], tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GanbenchError) as error:
        load(path)
    assert all(fragment in str(error.value) for fragment in fragments), str(error.value)


def test_a_bare_name_is_looked_up_in_the_working_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.toml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert load("mine").where == str(Path("suites", "mine.toml"))
    assert list_suites()["mine"] == Path("suites", "mine.toml")
    with pytest.raises(GanbenchError, match=r"no suite 'mien'\. Did you mean 'mine'\?"):
        load("mien")


@pytest.mark.parametrize("text", ["{not JSON", f'{{"seeds": {"9" * 5000}}}', "not = = TOML", f"seeds = {'[' * 5000}"])
def test_a_stored_text_that_is_not_a_suite_is_an_error(text: str) -> None:
    with pytest.raises(GanbenchError, match=r"^the stored suite: not (JSON|TOML): "):
        restore(text)
