"""Tables for print, for notebooks and for files: third-party text stays text in each of them."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from ganbench import GanbenchError, Offer, Report, hookimpl, registry
from ganbench.escaping import make_slug
from ganbench.report import FORMATS, Table, choose_writer, make_tables, write_tables
from ganbench.report.output import file_names
from ganbench.testing.reports import EMPTY, HOSTILE, make_hostile_table, make_table_of_every_cell

from tests.support.trials_by_hand import Success, record, results, trial

EVIL = "<img src=x onerror=alert(1)>\\input{x}&$%#_^~\"'\x1b[31m\u202e</td></table><script>alert(1)</script>"
LATEX = registry.load().build("reports", "latex")

TOKENS = re.compile(r"\\[a-zA-Z]+|\\.|[{}$&#_%^~]|[^\\{}$&#_%^~]+", re.DOTALL)
COMMANDS = {
    r"\textbackslash": "\\",
    r"\textasciicircum": "^",
    r"\textasciitilde": "~",
    r"\textless": "<",
    r"\textgreater": ">",
    r"\textbar": "|",
    r"\textasciigrave": "`",
    r"\char34": '"',
}
LETTERS = {r"\'{e}": "\u00e9", r"\"{o}": "\u00f6", r"\c{c}": "\u00e7"}


def read_rows(fragment: str) -> list[list[str]]:
    """Return the cells of a fragment by TeX's own rules: groups balance, & and \\\\ separate outside of groups."""
    body = fragment.partition(r"\toprule")[2].partition(r"\bottomrule")[0].replace(r"\midrule", "")
    rows, depth = [[""]], 0
    for token in TOKENS.findall(body):
        depth += (token == "{") - (token == "}")
        assert depth >= 0
        if token == "&" and not depth:
            rows[-1].append("")
        elif token == r"\\" and not depth:
            rows.append([""])
        else:
            rows[-1][-1] += token
    assert depth == 0
    assert not rows.pop()[0].strip()
    return rows


def read_back(cell: str) -> str:
    """Return the characters that TeX would typeset, for a cell that holds only text."""
    for command, letter in LETTERS.items():
        cell = cell.replace(command, letter)
    text = ""
    for token in TOKENS.findall(cell.strip()):
        command = re.match(r"\\(char34|[a-zA-Z]+)", token)
        if command:
            text += COMMANDS[r"\char34" if token.startswith(r"\char") else token]
        else:
            assert token[0] not in "$&#_%^~", f"TeX would execute {token!r}"
            text += token[1:] if token[0] == "\\" else "" if token in "{}" else token
    return text.replace('"34', '"')


def render_cell(word: str) -> str:
    """Return the LaTeX of the one cell of a table that holds this text."""
    return read_rows(LATEX.render(Table(title="T", frame=pd.DataFrame({"x": [word]}))))[1][0]


@pytest.mark.parametrize(
    "word", [*(w for w in HOSTILE if w.isascii() and w.isprintable()), "a--b", "\u00e9\u00f6\u00e7"]
)
def test_latex_typesets_third_party_text_and_executes_none_of_it(word: str) -> None:
    assert read_back(render_cell(word)) == word.strip()


def test_latex_is_ascii_and_names_the_code_points_of_the_rest() -> None:
    assert render_cell("\u4e2d\x1b\u202e\n").strip() == "{}[U+4E2D][U+001B][U+202E][U+000A]"
    for table in (make_hostile_table(), make_table_of_every_cell(), *EMPTY):
        assert LATEX.render(table).isascii()
        assert set(LATEX.render(table)) - {"\n"} <= {chr(c) for c in range(32, 127)}


@pytest.mark.parametrize(
    "table", [make_hostile_table(), make_table_of_every_cell(), *EMPTY], ids=["hostile", "every cell", "a", "b", "c"]
)
def test_latex_rows_have_as_many_cells_as_the_head_and_environments_are_closed(table: Table) -> None:
    text = LATEX.render(table)
    stack = []
    for kind, name in re.findall(r"(?<!\\textbackslash\{\})\\(begin|end)\{(\w+)\}", text):
        stack.append(name) if kind == "begin" else [stack.pop()].remove(name)
    assert not stack
    widths = {len(row) for row in read_rows(text)}
    aligned = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
    assert aligned is not None
    assert widths <= {len(aligned[1])}
    assert len(read_rows(text)) == (len(table.frame) + 1 if table.columns else 0)


def test_latex_puts_intervals_beside_numbers_and_the_primary_row_in_bold() -> None:
    table = Table(
        title="Rates",
        frame=pd.DataFrame(
            {"threshold": [60, 40], "primary": [False, True], "rate": [0.5, 1e-44], "a": [0.1, 0], "b": [1, math.inf]}
        ),
        intervals={"rate": ("a", "b")},
        notes=("100% of it.",),
    )
    assert LATEX.render(table).splitlines()[5:] == [
        r"\toprule",
        r"{}threshold & rate \\",
        r"\midrule",
        r"{}60 & 0.5 [0.1, 1] \\",
        r"{}{\bfseries\boldmath 40} & {\bfseries\boldmath $1 \cdot 10^{-44}$ [0, $\infty$]} \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip{\footnotesize\raggedright 100\% of it.\par}",
        r"\par\smallskip{\footnotesize\raggedright In bold: the primary threshold.\par}",
        r"\end{table}",
    ]


def test_a_built_in_format_needs_no_plugin_and_an_unknown_one_is_refused_with_all_names(monkeypatch) -> None:
    with pytest.raises(GanbenchError, match=r"no format 'latx'. Did you mean 'latex'\? Known: csv, json, latex, md"):
        choose_writer("latx")
    monkeypatch.setattr(registry, "load", lambda **_: pytest.fail("no plugin is needed"))
    assert {choose_writer(format).suffix for format in FORMATS} == {".md", ".csv", ".json"}


def test_every_table_of_a_suite_is_written_into_its_own_file(tmp_path: Path) -> None:
    frames = results(tmp_path / "r", [record(trial(m), [1]) for m in "ab"])
    tables = make_tables(frames, [Success()])
    files = write_tables(tables, choose_writer("latex"), tmp_path / "out" / "tex")
    assert files[0].name == "outcomes.tex"
    assert all(path.read_text().count(r"\begin{table}") == 1 for path in files)
    assert "\n".join(path.read_text() for path in files) == choose_writer("latex").page(tables)
    (first, *_) = write_tables(tables, choose_writer("json"), tmp_path / "out")
    assert json.loads(first.read_text())[0]["title"] == tables[0].title


def test_bytes_are_written_to_files_and_never_to_the_terminal(tmp_path: Path, monkeypatch) -> None:
    class Sheets:
        @hookimpl
        def ganbench_reports(self):
            yield Offer("sheet", lambda: Report(suffix=".bin", render=lambda table: b"\x00"), "Bytes.")

    plugins = registry.load(plugins=[Sheets], installed=False)
    monkeypatch.setattr(registry, "load", lambda **_: plugins)
    with pytest.raises(GanbenchError, match=r"'sheet' is not a text format; write its files with --out DIR"):
        choose_writer("sheet").page([make_table_of_every_cell()])
    (file,) = write_tables([make_table_of_every_cell()], choose_writer("sheet"), tmp_path)
    assert (file.name, file.read_bytes()) == (f"{make_slug('t')}.bin", b"\x00")


@pytest.mark.parametrize(
    "evil", ["../../x", "/etc/passwd", "..", ".", "", "a/b", "C:\\x", "x\x00y", "\u202e", "CON " * 99]
)
def test_third_party_text_becomes_a_file_name_within_the_folder(evil: str, tmp_path: Path) -> None:
    name = make_slug(evil)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?", name)
    assert len(name) < 80
    (tmp_path / f"{name}.png").touch()
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.png"]


def test_two_texts_have_two_file_names_and_a_simple_one_is_unchanged() -> None:
    words = ["wgan-gp", "wgan gp", "WGAN-gp", "wgan_gp", "wgan.gp", "wgan/gp", "wgan-gp ", make_slug("WGAN-gp")]
    assert make_slug("wgan-gp") == "wgan-gp"
    assert len({make_slug(word).lower() for word in words}) == len(words)
    assert list(file_names(["Scores on a", "Scores on a", "scores: on a"])) == [
        "scores-on-a",
        *(f"scores-on-a-{i}" for i in (2, 3)),
    ]


class Page(HTMLParser):
    """Elements of an HTML text, and the text of captions, cells and paragraphs, as a browser would read them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.elements: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open, "an element is left open"

    def handle_starttag(self, tag: str, attrs: list) -> None:
        assert not attrs
        self.open.append(tag)
        self.elements.add(tag)
        self.texts.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.texts:
            self.texts[-1] = (self.texts[-1][0], self.texts[-1][1] + data)


TABLE_ELEMENTS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


def test_a_table_is_html_in_a_notebook_with_third_party_text_as_text() -> None:
    table = Table(title=EVIL, frame=pd.DataFrame({EVIL: [EVIL, "b"], "n": [2.0, math.nan]}), notes=(EVIL,))
    page = Page(table._repr_html_())
    assert page.elements == TABLE_ELEMENTS
    harmless = EVIL.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    texts = [(tag, text.strip()) for tag, text in page.texts if tag in ("caption", "th", "td", "p")]
    cells = [("th", harmless.replace("_", " ")), ("th", "n"), ("td", harmless), ("td", "2"), ("td", "b"), ("td", "")]
    assert texts == [("caption", harmless), *cells, ("p", harmless)]


def test_results_are_html_in_a_notebook_with_every_trial_counted(tmp_path: Path) -> None:
    plan = [trial(EVIL, i) for i in range(5)]
    records = [record(plan[0], [1]), record(plan[1], [math.nan], diverged_at=7)]
    records += [record(plan[2], status="failed", error=EVIL), record(plan[3], status="timed-out")]
    page = Page(results(tmp_path, records, plan)._repr_html_())
    harmless = EVIL.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert page.elements == TABLE_ELEMENTS
    assert [text for tag, text in page.texts if tag == "td"] == ["ring", harmless, *"511111"]
    assert [text.strip() for tag, text in page.texts if tag == "th"][2:] == [
        *("trials", "completed", "diverged", "failed", "timed out", "missing")
    ]
    assert any("Scores: FID." in text for tag, text in page.texts if tag == "p")


def test_empty_results_are_html_in_a_notebook(tmp_path: Path) -> None:
    assert "none yet" in results(tmp_path, [], plan=[])._repr_html_()
