"""A third party's records, compositions and generators: what no run of ganbench wrote is refused by name, untrained."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench.api.trials import canonical_json, digest
from ganbench.results.store import read

from tests.support.hostile_folders import alter, everything_in
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny_suite


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one batch of three trials."""
    out = tmp_path_factory.mktemp("hostile") / "r"
    budget = {"generator_steps": 10, "batch_size": 8, "snapshots": 1}
    ganbench.run(tiny_suite(methods=["ns-gan"], budget=budget, success=None), results=out, jobs=0)
    return out


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the results that a test may alter."""
    return Path(shutil.copytree(made, tmp_path / "r"))


def change_content(folder: Path, change: Callable[[Any], Any], *, rehash: bool) -> str:
    """Change the content of the first trial, with `rehash` its key and its generator's name too; return the key."""
    with closing(sqlite3.connect(folder / "results.sqlite")) as link:
        key, text = link.execute("SELECT key, content FROM trials WHERE id = 1").fetchone()
    content = json.loads(text)
    content = content if (changed := change(content)) is None else changed
    new = digest(content) if rehash else key
    alter(folder, ("UPDATE trials SET content = ?, key = ? WHERE id = 1", (canonical_json(content), new)))
    (folder / "networks" / f"{key}.safetensors").rename(folder / "networks" / f"{new}.safetensors")
    return str(new)


CONTENTS: dict[str, Callable[[Any], Any]] = {
    "empty": lambda content: {},
    "a list": lambda content: [1],
    "a word": lambda content: "x",
    "no spec": lambda content: content["architecture"].pop("spec") and None,
    "no recipe": lambda content: content.pop("recipe") and None,
    "steps as words": lambda content: content["budget"].update(generator_steps="many"),
    "true steps": lambda content: content["budget"].update(generator_steps=True),
    "other steps": lambda content: content["budget"].update(generator_steps=10**15),
    "a batch of none": lambda content: content["budget"].update(batch_size=0),
    "snapshots beyond the end": lambda content: content["budget"].update(snapshots=[5, 10**9]),
    "snapshots backwards": lambda content: content["budget"].update(snapshots=[10, 5]),
    "20,000 snapshots": lambda content: content["budget"].update(generator_steps=20_000, snapshots=[*range(1, 20_001)]),
    "another seed": lambda content: content.update(seed=77),
    "a seed as text": lambda content: content.update(seed="0"),
    "a loss as text": lambda content: content["recipe"].update(loss="os.system"),
    "a loss without a name": lambda content: content["recipe"]["loss"].pop("name") and None,
    "more": lambda content: content.update(more=1),
    "more in a part": lambda content: content["dataset"].update(more=1),
}


@pytest.mark.parametrize("change", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("rehash", [False, True], ids=["old key", "new key"])
def test_altered_content_is_refused(folder: Path, change: Callable[[Any], Any], rehash: bool) -> None:
    key = change_content(folder, change, rehash=rehash)
    before = everything_in(folder)
    for words in (["rerun", "r", key[:12]], ["samples", "r", "--of", key[:12]]):
        ended = command(*words, cwd=folder.parent)
        assert ended.returncode == 2
        assert "r/results.sqlite: holds what ganbench never writes" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert everything_in(folder) == before


OFFERS: dict[str, Callable[[Any], Any]] = {
    "no dataset '../../etc/passwd'": lambda content: content["dataset"].update(name="../../etc/passwd"),
    "no loss 'os.system'": lambda content: content["recipe"]["loss"].update(name="os.system"),
    "found element of type str": lambda content: content["architecture"]["spec"].update(generator_width="wide"),
}


@pytest.mark.parametrize(("said", "change"), OFFERS.items(), ids=OFFERS.keys())
def test_content_of_other_offers_and_options_is_explained(
    folder: Path, said: str, change: Callable[[Any], Any]
) -> None:
    key = change_content(folder, change, rehash=True)
    ended = command("samples", "r", "--of", key[:12], cwd=folder.parent)
    assert ended.returncode == 2
    assert said in ended.stderr
    ended = command("rerun", "r", key[:12], cwd=folder.parent)
    assert ended.returncode in (1, 2)
    assert said in ended.stderr or "completed in the record, failed now" in ended.stdout


COMPOSITIONS = {
    "a million members": {"members": list(range(10**6))},
    "words": {"members": ["a", "b", None]},
    "one twice": {"members": [0, 0, 1]},
    "none": {"members": []},
    "a number": {"members": 7},
    "true": {"members": [True, False]},
    "not its own": {"members": [3, 4]},
    "a negative seed": {"members": [0, -1]},
    "another mode": {"members": [0, 1, 2], "mode": "__import__"},
    "no mode": {"members": [0, 1, 2], "mode": None},
}


@pytest.mark.parametrize("change", COMPOSITIONS.values(), ids=COMPOSITIONS.keys())
def test_an_odd_composition_is_refused(folder: Path, change: dict[str, Any]) -> None:
    composition = canonical_json({"device": "cpu", "mode": "stack", **change})
    alter(folder, ("UPDATE batches SET composition = ?", (composition,)))
    key = read(folder).trials["key"].iloc[0]
    for words in (["rerun", "r", key[:12]], ["evaluate", "r", "--metric", "sliced-w1"]):
        ended = command(*words, cwd=folder.parent)
        assert ended.returncode == 2, ended.stdout
        assert "results.sqlite: holds what ganbench never writes" in ended.stderr
        assert "Traceback" not in ended.stderr


ROWS = {
    "facts as a list": "UPDATE batches SET facts = '[1]'",
    "versions as a number": """UPDATE batches SET facts = '{"versions": 3}'""",
    "sources as a list": """UPDATE batches SET facts = '{"sources": [1]}'""",
    "sources of numbers": """UPDATE batches SET facts = '{"sources": {"a": 1}}'""",
    "composition as null": "UPDATE batches SET composition = 'null'",
    "a run without a suite": "UPDATE runs SET suite = x'00'",
    "facts of a run as a list": "UPDATE runs SET facts = '[]'",
    "a start that is no time": "UPDATE runs SET started = 'soon'",
    "a start as bytes": "UPDATE runs SET started = x'ff00'",
    "an error as bytes": "UPDATE records SET error = x'ff'",
    "steps other than the content's": "UPDATE trials SET generator_steps = 7",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=ROWS.keys())
def test_rows_that_no_run_wrote_are_refused(folder: Path, statement: str) -> None:
    key = read(folder).trials["key"].iloc[0]
    alter(folder, statement)
    for words in (["rerun", "r", key[:12]], ["samples", "r", "--of", key[:12]]):
        ended = command(*words, cwd=folder.parent)
        assert ended.returncode == 2, ended.stdout
        assert "results.sqlite: " in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_history_of_odd_runs_is_refused(folder: Path) -> None:
    for value in ("'soon'", "x'ff00'", "7"):
        alter(folder, f"UPDATE runs SET started = {value}")
        ended = command("history", "r", cwd=folder.parent)
        assert ended.returncode == 2
        assert "results.sqlite: holds what ganbench never writes" in ended.stderr


def tensor(name: str, kind: str, shape: list[int], size: int) -> bytes:
    """Return a safetensors file with one tensor of zeros."""
    header = json.dumps({name: {"dtype": kind, "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


LONG = b'{"__metadata__":{' + b",".join(b'"%d":"x"' % i for i in range(1_500_000)) + b"}}"
GENERATORS = {
    "pickle": b"\x80\x04cos\nsystem\n(S'touch HACKED'\ntR.",
    "nothing": struct.pack("<Q", 2) + b"{}",
    "a length of 2**62": struct.pack("<Q", 2**62) + b'{"a":1}',
    "a long header": struct.pack("<Q", len(LONG)) + LONG,
    "a path": tensor("../../ESC", "F32", [1], 4),
    "a shape of 2**40": tensor("generator.0.weight", "F32", [2**40, 0], 0),
    "bfloat16": tensor("generator.0.weight", "BF16", [1], 2),
    "float8": tensor("generator.0.weight", "F8_E4M3", [1], 1),
}


@pytest.mark.parametrize("content", GENERATORS.values(), ids=GENERATORS.keys())
def test_an_odd_generator_differs_from_its_rerun_or_is_not_used(folder: Path, content: bytes) -> None:
    for file in (folder / "networks").iterdir():
        file.write_bytes(content)
    alter(folder, ("UPDATE records SET network = ?", (hashlib.sha256(content).hexdigest(),)))
    before = everything_in(folder.parent)
    key = read(folder).trials["key"].iloc[0]
    ended = command("rerun", "r", key[:12], cwd=folder.parent)
    assert ended.returncode == 1
    assert "generator: largest difference inf" in ended.stdout
    ended = command("evaluate", "r", "--metric", "sliced-w1", cwd=folder.parent)
    assert ended.returncode == 2
    assert "no generator could be scored" in ended.stderr
    after = everything_in(folder.parent)
    assert after == before
