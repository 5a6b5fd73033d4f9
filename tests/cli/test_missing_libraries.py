"""Commands work without the libraries that they do not need, and say in one line which one is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.pages import make_results

HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = "altair vl_convert jinja2 markupsafe narwhals pyarrow tensorboard mlflow".split()
        return None if name.partition(".")[0] in hidden else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
from ganbench import cli

for words in sys.stdin.read().splitlines():
    try:
        cli.main(words.split())
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    print(f"{words}: {code}", file=sys.stderr)
"""
SUITE = 'question = "?"\nmethods = ["ns-gan"]\nbudget = {generator_steps = 4, batch_size = 8, snapshots = 1}\n'
SUITE += 'architectures = {space = "mlp", options = {generator_width = 8, critic_width = 8}}\n'
SUITE += '[[dataset]]\nname = "ring"\n'
WORKING = (
    "--help",
    "table r",
    "table r --style paper --format latex",
    "trials r",
    "compare r r2",
    "figures r",
    "export r csv",
    "run s.toml --jobs 0 --results new --watch jsonl",
)
REFUSED = {
    "export r pq --format parquet": (2, "parquet: needs pyarrow. `pip install 'ganbench[parquet]'`, or use csv."),
    "run s.toml --results no --watch tensorboard": (
        2,
        "--watch: watcher 'tensorboard': it needs the package tensorboard: pip install 'ganbench[tensorboard]'",
    ),
    "run s.toml --results no --watch mlflow": (
        2,
        "--watch: watcher 'mlflow': it needs the package mlflow: pip install 'ganbench[mlflow]'",
    ),
    "report r": (
        1,
        "a library that ganbench needs is not installed. `pip install ganbench` installs what is missing. "
        "(ModuleNotFoundError: No module named 'markupsafe')",
    ),
}


def test_a_missing_library_is_named_by_what_needs_it_and_missed_by_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SUITE)
    for name in ("r", "r2"):
        make_results(tmp_path / name)
    ended = subprocess.run(
        [sys.executable, "-c", HIDE],
        input="\n".join((*WORKING, *REFUSED)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = ended.stderr.splitlines()
    assert "Traceback" not in ended.stderr
    for words in WORKING:
        assert f"{words}: 0" in lines
    for words, (code, message) in REFUSED.items():
        assert lines[lines.index(f"{words}: {code}") - 1] == f"ganbench: {message}"
    assert not (tmp_path / "no").exists()
