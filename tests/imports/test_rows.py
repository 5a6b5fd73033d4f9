"""The table of runs as it is read: columns, lines, and what is no table."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.imports.rows import read_rows

from tests.support.imported_runs import HEADER, write_csv

ROW = "a,net,0,ring,fid,10,3.5"


def test_cells_are_texts_without_spaces_around_them_and_know_their_lines(tmp_path: Path) -> None:
    rows = ['"a\nb", net ,0,ring,fid,10,1', "", " c,net,0,ring,fid,10,2"]
    found = read_rows(write_csv(tmp_path / "r.csv", rows))
    assert list(found.columns["method"]) == ["a\nb", "c"]
    assert list(found.columns["architecture"]) == ["net", "net"]
    assert list(found.lines) == [3, 5], "the first row takes two lines, then one is blank"
    assert found.sha256 == sha256((tmp_path / "r.csv").read_bytes()).hexdigest()


def test_a_byte_order_mark_and_other_columns_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER},lr,architecture.depth\n{ROW},1e-4,3\n".encode())
    found = read_rows(path)
    assert found.ignored == ("lr",)
    assert found.columns["architecture.depth"] == ["3"]


def test_parquet_has_the_same_rows_as_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    text = write_csv(tmp_path / "r.csv", [ROW, "b,net,1,ring,fid,20,"])
    pd.read_csv(text).to_parquet(tmp_path / "r.parquet")
    csv, parquet = read_rows(text), read_rows(tmp_path / "r.parquet")
    assert {name: list(cells) for name, cells in parquet.columns.items()} == csv.columns
    assert list(parquet.lines) == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty. Its first line names the columns"),
        (f"{HEADER}\n".encode(), "no rows under the header"),
        (b"method,architecture,Seed,dataset,metric,step,value\n", "no column 'seed'. Did you mean 'Seed'?"),
        (b"method,architecture,seed,dataset,metric,step\n", "Its columns: 'method', 'architecture', 'seed'"),
        (b"method;architecture;seed;dataset;metric;step;value\n", "separated by semicolons. Write commas."),
        (f"{HEADER},value\n{ROW},1\n".encode(), "two columns are called 'value'"),
        (f"{HEADER}\n{ROW}\na,net,0,ring,fid,10\n".encode(), "r.csv:3: 6 cells, but the header has 7 columns"),
        (f"{HEADER}\n{ROW},9\n".encode(), "r.csv:2: 8 cells"),
        (f'{HEADER}\n"a,net,0,ring,fid,10,1\n'.encode(), "not CSV"),
        (f"{HEADER}\n{ROW}\n".encode() + b"\xff", "r.csv:3: not UTF-8"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(GanbenchError, match=r"r\.csv") as error:
        read_rows(tmp_path / "r.csv")
    assert words in str(error.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match="no such file"):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(GanbenchError, match="a folder"):
        read_rows(tmp_path)
    (tmp_path / "r.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(GanbenchError, match=r"not Parquet|needs pyarrow"):
        read_rows(tmp_path / "r.parquet")
