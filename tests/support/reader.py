"""A reader who tries what a page says, block by block, in a folder that has some results already."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import chdir
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
from ganbench import plan, registry
from ganbench.results.store import read
from ganbench.suite import Suite
from ganbench.suite.loading import parse

from tests.support.documents import Block
from tests.support.imported_runs import list_rows, write_csv
from tests.support.terminal import ganbench as ganbench_command
from tests.support.tiny_suite import suite as tiny_suite

PICTURES = """
question = "Which method learns my pictures?"
methods = ["ns-gan"]

[budget]
generator_steps = 4
batch_size = 8
snapshots = 2

[architectures]
space = "mlp"
options = { generator_width = 8, critic_width = 8 }

[measurement]
samples = 10

[[dataset]]
name = "folder"
path = "my-pictures"
pixels = 8
metrics = ["sliced-w1"]
"""

FOLDERS = ("random_arch", "toy", "dirac", "monday", "friday", "old", "new", "newest", "a", "b")
"""The results folders that pages speak of as if they were there: copies of one that is trained here."""


SUITE = """
question = "Does it run?"
methods = ["ns-gan", "wgan-gp"]

[budget]
generator_steps = 4
batch_size = 16
snapshots = 2

[architectures]
space = "random-mlp"
sample = 3
options = { widths = [8], depths = [2, 3] }

[measurement]
samples = 50

[[dataset]]
name = "digits"

[[success]]
dataset = "digits"
metric = "fid"
thresholds = [1000, 30]
primary = 1000
allow_trivial = true
compare = [["ns-gan", "wgan-gp"]]
"""
"""The suite behind the reader's results: two methods on three random perceptrons, in a second."""


def prepare_folder(folder: Path) -> None:
    """Write the suite, train it once, and copy its results to the names that pages use."""
    (folder / "suites").mkdir(parents=True)
    for name in ("suite.toml", "suites/random_arch.toml", "suites/smoke.toml"):
        (folder / name).write_text(SUITE)
    first, *others = FOLDERS
    ganbench.run(folder / "suites/random_arch.toml", results=folder / "results" / first, jobs=0)
    for name in others:
        shutil.copytree(folder / "results" / first, folder / "results" / name)
    write_csv(folder / "runs.csv", list_rows())
    draw_pictures(folder / "my-pictures")
    (folder / "suites/own_pictures.toml").write_text(PICTURES)
    with chdir(folder):
        ganbench.run("suites/own_pictures.toml", jobs=0)


def draw_pictures(folder: Path) -> None:
    """Write 40 pictures of noise, 8 pixels wide and high."""
    from PIL import Image

    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{i}.png")


METRICS = {
    "ring": ["modes", "sliced-w1"],
    "digits": ["fid", "inception-score", "sliced-w1"],
}
"""The datasets of the suite that a part of a suite is put into, and their metrics."""


class Reader:
    """Someone at a prompt in `folder`, who reads one page from its top."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, Any] = {"__name__": "__main__"}
        self.output = ""

    def try_block(self, block: Block) -> None:
        """Do what a block asks for; raise whatever it raises, and AssertionError for what is not as the page says."""
        if block.marker == "file":
            self.save(block)
        elif block.marker == "add":
            file = self.folder / block.value
            file.write_text(file.read_text() + block.text)
        elif block.marker == "edit":
            self.edit(block)
        elif block.marker == "output":
            self.compare(block)
        elif block.language in ("sh", "bash"):
            self.output = self.run_commands(block.text)
        elif block.language == "python":
            exec(compile(block.text, str(block), "exec"), self.variables)
        elif block.language == "toml":
            self.plan_part(block)

    def save(self, block: Block) -> None:
        """Write a block into a file."""
        file = self.folder / block.value
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)

    def edit(self, block: Block) -> None:
        """Put each line of a block in place of the one line of the file that sets the same key."""
        file = self.folder / block.value
        text = file.read_text()
        for line in block.text.splitlines():
            text, count = re.subn(rf"(?m)^{re.escape(line.partition(' ')[0])} .*$", lambda _, new=line: new, text)
            assert count == 1, f"{count} lines of {block.value} set the key of: {line}"
        file.write_text(text)

    def compare(self, block: Block) -> None:
        """Check that the last commands printed these lines, whatever the numbers and spaces in them."""
        printed = [mask(line) for line in self.output.splitlines()]
        for line in filter(None, map(mask, block.text.splitlines())):
            if line == "...":
                continue
            assert any(line in each for each in printed), f"{line!r} is not in:\n{self.output}"

    def plan_part(self, block: Block) -> None:
        """Plan a suite, or a small suite with a part of a suite, or of a [[method]], in place of its own."""
        part = tomllib.loads(block.text)
        if not part.keys() <= Suite.model_fields.keys():
            part = {"method": [{"name": "mine", "from": "ns-gan", **part}]}
        methods = [] if "method" in part else ["gan", "ns-gan", "wgan-gp"]
        datasets = [name for name in METRICS if name in block.text] or ["digits"]
        probes = ["generator-gradients"] if "gradient" in block.text else []
        rule = {"dataset": datasets[0], "metric": "sliced-w1", "thresholds": [0.1]}
        base = tiny_suite(
            seeds=6,
            methods=methods,
            budget={"generator_steps": 6, "batch_size": 16, "snapshots": 6},
            dataset=[{"name": name, "metrics": METRICS[name] + probes} for name in datasets],
            success=[rule] if "tuning" in part else None,
        )
        suite = parse(part if "question" in part else {**base, **part}, str(block))
        plan.make(suite, registry.load())

    def run_commands(self, text: str) -> str:
        """Run the lines of a block, and return what they printed; other programs than ganbench need a shell."""
        lines = [line for line in map(self.fill, text.splitlines()) if line and not line.startswith("#")]
        if all(line.startswith("ganbench ") for line in lines):
            return "".join(map(self.run_command, lines))
        environment = {**os.environ, "PATH": f"{self.make_program()}:{os.environ['PATH']}"}
        ended = subprocess.run(
            ["bash", "-ec", "\n".join(lines)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout + ended.stderr

    def run_command(self, line: str) -> str:
        """Run one command of ganbench in this process; return what it printed. A line may end with `# exit code N`."""
        words = [word for each in shlex.split(line, comments=True)[1:] for word in self.expand(each)]
        ended = ganbench_command(*words, cwd=self.folder, terminal=True)
        expected = re.search(r"# exit code (\d+)", line)
        printed = ended.stdout + ended.stderr
        assert ended.returncode == (int(expected[1]) if expected else 0), f"{line}: {ended.returncode}\n{printed}"
        return printed

    def expand(self, word: str) -> list[str]:
        """Return the paths that a word with a star stands for, or the word itself."""
        found = [str(path.relative_to(self.folder)) for path in self.folder.glob(word)] if "*" in word else []
        return sorted(found) or [word]

    def fill(self, line: str) -> str:
        """Return a line with what a reader would write for SUITE, RESULTS, KEY and the key of an example."""
        key = ""
        if re.search(r"\b(KEY|3fa9)\b", line):
            key = next(iter(read(self.folder / "results/random_arch").trials["key"]))
        for word, value in {"SUITE": "suite.toml", "RESULTS": "results/random_arch", "KEY": key, "3fa9": key}.items():
            line = re.sub(rf"(?<!-)\b{word}\b(?!/)", value, line)
        return line.rstrip()

    def make_program(self) -> Path:
        """Return a folder with a program `ganbench`, which is this checkout's."""
        place = self.folder / ".bin"
        place.mkdir(exist_ok=True)
        program = place / "ganbench"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ganbench "$@"\n')
        program.chmod(0o755)
        return place


def mask(line: str) -> str:
    """Return a line without colours and numbers, and with one space for many."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)
    return re.sub(r"\s+", " ", re.sub(r"[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?", "#", plain)).strip()
