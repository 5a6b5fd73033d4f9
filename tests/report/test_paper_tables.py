"""The tables of a paper fit one column of 345 pt, as a real LaTeX measures them, whatever is in them."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ganbench import registry
from ganbench.cli import main
from ganbench.report import Table, make_paper_tables, make_tables
from ganbench.results.frames import Frames
from ganbench.testing.reports import EMPTY, HOSTILE, make_hostile_table, make_table_of_every_cell

from tests.support.trials_by_hand import Success, record, results, trial

LATEX = registry.load().build("reports", "latex")
COLUMN = 345.0
SPECIALS = r"\input{/etc/passwd} $x^2_i$ & 100% #1 ~ {a} -- '' `` ?` <script>"
HOSTILE_NAMES = (SPECIALS, "W" * 60, "\u4e2d\u6587-\u00e9\u00f6\U0001f600\x1b" * 6, "a_b" * 20)
with_latex = [
    pytest.mark.latex,
    pytest.mark.skipif(
        shutil.which("pdflatex") is None,
        reason="NO PDFLATEX: widths are not measured. Install texlive-latex-base and texlive-latex-recommended.",
    ),
]


def make_frames(
    folder: Path, methods: Sequence[str], datasets: Sequence[str], architectures: int, seeds: int
) -> Frames:
    """Return results in which methods differ; some trials diverged or failed."""
    rng = np.random.default_rng(0)
    records = []
    for dataset in datasets:
        for place, method in enumerate(methods):
            for i in range(architectures):
                for seed in range(seeds):
                    fid = 10 ** rng.normal(1.5 + 0.3 * place, 0.4)
                    planned = trial(method, i, seed, dataset)
                    if (i + seed) % 11 == 10:
                        records.append(record(planned, status="failed", error="boom"))
                    else:
                        records.append(record(planned, [2 * fid, fid], diverged_at=5 if i % 13 == 12 else -1))
    return results(folder, records)


def make_rules(methods: Sequence[str], datasets: Sequence[str]) -> list[Success]:
    """Return a rule with four thresholds for each dataset, which compares the first method with every other."""
    compare = tuple((methods[0], other) for other in methods[1:])
    return [Success(dataset=d, thresholds=(60.0, 30.0, 20.0, 1e-8), primary=30.0, compare=compare) for d in datasets]


SHAPES = {
    "random_arch": (("ns-gan", "wgan-gp"), ("digits",), 48, 1),
    "random_arch_four": (("ns-gan", "lsgan", "wgan", "wgan-gp"), ("digits", "ring"), 16, 3),
    "hostile": (HOSTILE_NAMES, ("ring",), 6, 2),
}


def compile_tables(folder: Path, fragments: Sequence[str]) -> tuple[list[float], str]:
    """Return the width in points of each fragment's tabular, as pdflatex measures it, and the log; assert no error."""
    text = "\n".join(fragments)
    tabulars = re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", text, re.DOTALL)
    assert len(tabulars) == len(fragments)
    measured = "\n".join(rf"\sbox\probe{{{tabular}}}\typeout{{WIDTH \the\wd\probe}}" for tabular in tabulars)
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\newsavebox\\probe\n\\begin{document}\n"
    (folder / "paper.tex").write_text(f"{head}{text}\n{measured}\n\\clearpage\\end{{document}}\n")
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = (folder / "paper.log").read_text(errors="replace")
    assert run.returncode == 0, "\n".join(line for line in log.splitlines() if line.startswith("!"))
    return [float(width) for width in re.findall(r"WIDTH ([\d.]+)pt", log)], log


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, list[Table], Frames, list[Success]]:
    """A shape's name, the tables of its paper, its results and its rules."""
    methods, datasets, architectures, seeds = SHAPES[request.param]
    frames, rules = (
        make_frames(tmp_path / "results", methods, datasets, architectures, seeds),
        make_rules(methods, datasets),
    )
    return request.param, make_paper_tables(frames, rules), frames, rules


class TestInLatex:
    """With a real pdflatex."""

    pytestmark = with_latex

    def test_every_table_of_a_paper_is_at_most_345_points_wide(self, shape, tmp_path: Path) -> None:
        name, tables, *_ = shape
        widths, log = compile_tables(tmp_path, [LATEX.render(table) for table in tables])
        assert len(widths) == len(tables)
        assert max(widths) <= COLUMN, dict(zip([table.title for table in tables], widths, strict=True))
        if name != "hostile":  # a name of sixty W, in a note, is wider than any column
            assert "Overfull" not in log

    def test_names_that_are_broken_into_lines_stay_within_their_column(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"method": list(HOSTILE_NAMES)})
        _, log = compile_tables(tmp_path, [LATEX.render(Table(title="T", frame=frame, wraps={"method": 22}))])
        assert "Overfull" not in log

    def test_all_default_tables_compile_too(self, shape, tmp_path: Path) -> None:
        _, _, frames, rules = shape
        compile_tables(tmp_path, [LATEX.render(table) for table in make_tables(frames, rules)])

    def test_tables_of_every_cell_and_of_hostile_text_compile(self, tmp_path: Path) -> None:
        filled = [table for table in EMPTY if table.columns]
        tables = [make_table_of_every_cell(), make_hostile_table(), *filled]
        wrapped = Table(title="T", frame=pd.DataFrame({"x": list(HOSTILE)}, dtype=object), wraps={"x": 4})
        compile_tables(tmp_path, [LATEX.render(table) for table in (*tables, wrapped)])


def test_the_success_table_has_rates_as_a_paper_prints_them(tmp_path: Path) -> None:
    """Wilson's interval of 3 of 4 is [30, 95] percent, of 1 of 4 [5, 70].

    Newcombe's of the difference is .5 less .636, the root of (.75 - .30)^2 + (.70 - .25)^2, and .5 plus .289, that of
    (.954 - .75)^2 + (.25 - .046)^2.
    """
    finals = {"a_1": [5, 9, 15, 40], "b": [8, 35, 45, 55]}
    records = [record(trial(m, i), [fid]) for m, values in finals.items() for i, fid in enumerate(values)]
    rule = Success(thresholds=(50.0, 30.0), primary=30.0, compare=(("a_1", "b"),))
    tables = make_paper_tables(results(tmp_path, records), [rule])
    text = LATEX.render(tables[0])
    assert r"{}method & \textless{} 30 & \textless{} 50 \\" in text
    assert r"{}a\_1 & 3/4 [30, 95] & 100 \\" in text, "the primary threshold first, then the others, in percent"
    assert r"{}b & 1/4 [5, 70] & 75 \\" in text
    assert r"\caption{Success rates on ring: final FID below threshold}" in text
    assert r"\label{tab:success-ring-fid}" in text
    assert text.count(r"\footnotesize") == 1, "one footnote"
    assert r"\toprule" in text
    difference = LATEX.render(tables[1])
    assert r"{}a\_1 & b & +50 [$-$14, +79] & 0.5 \\" in difference


def test_scores_have_two_digits_and_stand_beside_the_best_snapshot(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial("a", i), [100.123, 123.456]) for i in range(8)])
    (scores,) = (t for t in make_paper_tables(frames, [Success()]) if t.title == "FID on ring (lower is better)")
    assert list(scores.frame.iloc[0]) == ["a", "120 [120, 120]", "100 [100, 100]"]


def test_a_table_keeps_the_columns_that_fit_and_labels_are_distinct(tmp_path: Path) -> None:
    many = tuple(float(10 + i) for i in range(20, 0, -1))
    frames = results(tmp_path, [record(trial(m, i), [math.pi * i]) for m in "ab" for i in range(8)])
    rules = [Success(thresholds=many, primary=20.0), Success(thresholds=many, primary=15.0, at="best")]
    tables = make_paper_tables(frames, rules)
    first = tables[0].columns
    assert first[:2] == ["method", "< 20"]
    assert 4 < len(first) < len(many)
    assert len({table.label for table in tables}) == len(tables)


def test_a_suite_without_success_rules_has_scores_and_outcomes(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(m, i), [5.0]) for m in "ab" for i in range(3)])
    assert [table.title for table in make_paper_tables(frames, [])] == [
        "FID on ring (lower is better)",
        "Outcomes on ring",
    ]


def test_the_style_of_a_paper_is_refused_with_other_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results(tmp_path / "r", [record(trial(m, i), [5.0]) for m in "ab" for i in range(3)])
    for words, reason in (
        (["--format", "md"], "--style paper: only with a format for print, such as --format latex, not 'md'."),
        ([], "--style paper: only with a format for print, such as --format latex, not 'md'."),
        (["--format", "latex", "--sensitivity"], "--style paper: only without --sensitivity."),
    ):
        with pytest.raises(SystemExit) as exit:
            main(["table", str(tmp_path / "r"), "--style", "paper", *words])
        assert exit.value.code == 2
        assert reason in capsys.readouterr().err
    with pytest.raises(SystemExit) as exit:
        main(["table", str(tmp_path / "r"), "--style", "paper", "--format", "latex"])
    assert exit.value.code == 0
    assert capsys.readouterr().out.count(r"\label{tab:") == 2
