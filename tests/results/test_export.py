"""What is exported is read back by pandas as it was written: texts, whole numbers, floats to the last bit."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.results.export import FORMATS, export, list_frames
from ganbench.results.frames import Frames
from ganbench.results.store import read

from tests.support.terminal import ganbench
from tests.support.trials_by_hand import fill, record, scores, trial

NAMES = {"trials", "scores", "signals", "profiles", "calibration", "architectures", "methods", "rules", "runs"}
ODD = 'a, "quoted"\nline\r\nend\rand\ttab; =1+1 NaN ü\u202e \\n'
TEXTS = ["=1+1", "-2", "@x", "NA", "null", "001", "1e5", "True", " lead", "#", '"', "'", ODD, "日本語"]
VALUES = [0.1 + 0.2, 1e-320, -0.0, math.inf, -math.inf, math.nan, 1 / 3, 1.7976931348623157e308, 5.0]
EXACT: Any = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
"""What makes pandas read every digit; later versions always do."""


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    """Results whose texts, numbers and architectures are as odd as they can be."""
    records = []
    for seed, text in enumerate(TEXTS):
        labels = {"method": text, "dataset": "ring", "architecture": "x"}
        planned = replace(
            trial(seed=seed), labels=labels, spec={"note": text} if seed % 2 else {"deep": bool(seed % 4)}
        )
        status: dict[str, Any] = {"status": "failed", "error": text} if seed % 2 else {}
        series = {"signals": {"k": (list(range(9)), VALUES)}}
        records.append(record(planned, scores=tuple(scores("fid", VALUES)), **status, **series))
    records.append(record(trial(seed=2**62), [1.0]))
    fill(tmp_path / "r", records)
    return read(tmp_path / "r")


def without_empty_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with a missing value in the place of each empty text, as CSV cannot tell them apart."""
    return frame.apply(lambda column: column.where(column != "") if column.dtype.kind in "OTU" else column)


def test_csv_is_read_back_with_its_types_as_it_was_written(frames: Frames, tmp_path: Path) -> None:
    assert {path.stem for path in export(frames, tmp_path / "out")} == {*NAMES, "dtypes"}
    types = json.loads((tmp_path / "out" / "dtypes.json").read_text())
    for name, frame in list_frames(frames).items():
        found = pd.read_csv(
            tmp_path / "out" / f"{name}.csv",
            dtype=types[name],
            **EXACT,
            keep_default_na=False,
            na_values=[""],
        )
        pd.testing.assert_frame_equal(found, without_empty_texts(frame), check_exact=True, check_dtype=True)


def test_ordinary_csv_is_read_back_without_any_argument(tmp_path: Path) -> None:
    fill(tmp_path / "r", [record(trial(method, seed=seed), [3.5, math.inf]) for method in "ab" for seed in range(2)])
    frames = read(tmp_path / "r")
    list(export(frames, tmp_path / "out"))
    for name, frame in list_frames(frames).items():
        found = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        filled = frame.columns[without_empty_texts(frame).notna().any()]
        pd.testing.assert_frame_equal(found[filled], without_empty_texts(frame)[filled])


def test_parquet_is_read_back_exactly(frames: Frames, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert {path.name for path in export(frames, tmp_path / "out", "parquet")} == {f"{name}.parquet" for name in NAMES}
    for name, frame in list_frames(frames).items():
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / f"{name}.parquet"), frame, check_exact=True)


def test_without_pyarrow_parquet_is_refused_with_the_way_out(
    frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(GanbenchError, match=r"needs pyarrow. `pip install 'ganbench\[parquet\]'`"):
        list(export(frames, tmp_path / "out", "parquet"))
    assert not (tmp_path / "out").exists()


def test_the_command_writes_the_files_and_cautions_of_formulas(frames: Frames, tmp_path: Path) -> None:
    ended = ganbench("export", "r", "out", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "out/trials.csv" in ended.stdout.replace("\\", "/")
    assert "texts begin as formulas do" in ended.stderr
    assert ganbench("export", "r", "out", "--format", "xlsx", cwd=tmp_path).returncode == 2
    (tmp_path / "file").touch()
    assert "cannot be made" in ganbench("export", "r", "file", cwd=tmp_path).stderr
    assert FORMATS == ("csv", "parquet")
    assert len(frames.trials) == len(pd.read_csv(tmp_path / "out" / "trials.csv"))


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "r", [record(trial(), [1.0])])
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").write_text("keep")
    (tmp_path / "out" / "trials.csv").symlink_to(tmp_path / "mine")
    ganbench("export", "r", "out", cwd=tmp_path)
    assert (tmp_path / "mine").read_text() == "keep"
