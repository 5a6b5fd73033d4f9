"""The commands that a page prints of trials that ended badly: each does what it says when it is typed."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path

import pytest
from ganbench.page import make_page, read_source
from ganbench.results.store import read

from tests.support.terminal import ganbench

PLUGIN = '''
from ganbench import Objective, Offer, hookimpl


def build(factor):
    def critic(real, fake):
        if factor is None:
            raise ArithmeticError("the loss raises")
        return (fake - real).mean() * factor

    return Objective(critic, lambda real, fake: -fake.mean())


@hookimpl
def ganbench_losses():
    """Offer a loss that raises, and one that diverges."""
    yield Offer("raising", lambda: build(None), "Raises.")
    yield Offer("diverging", lambda: build(1e38), "Diverges.")
'''
SUITE = """
question = "Which one breaks?"
seeds = 1
methods = ["ns-gan", "raises", "diverges"]

[budget]
generator_steps = 4
batch_size = 8
snapshots = 1

[measurement]
samples = 50

[architectures]
space = "mlp"
options = { generator_width = 8, critic_width = 8 }

[[dataset]]
name = "ring"
metrics = ["modes"]

[[method]]
name = "raises"
from = "ns-gan"
loss = "raising"

[[method]]
name = "diverges"
from = "ns-gan"
loss = "diverging"
optimizer = { name = "sgd", lr = 1e30 }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a suite with a plugin file in a folder whose name a shell would split."""
    here = tmp_path_factory.mktemp("commands")
    (here / "odd.py").write_text(PLUGIN)
    (here / "odd.toml").write_text(SUITE)
    done = ganbench("run", "odd.toml", "--plugin", "odd.py", "--results", "my results", "--jobs", "0", cwd=here)
    assert read(here / "my results").trials["status"].tolist() == ["completed", "failed", "diverged"], done.stderr
    (here / "odd.py").unlink()
    (here / "odd.toml").unlink()
    return here


def commands(page: str) -> dict[str, list[str]]:
    """Return the words of each command in the table of failures, by the method of its trial."""
    part = page[page.index('id="s0-failures"') : page.index('id="s0-sensitivity"')]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", part, re.DOTALL)
    cells = [(re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL), re.search(r"<code>(.*?)</code>", row)) for row in rows]
    return {each[1]: shlex.split(html.unescape(code[1])) for each, code in cells if code}


def test_a_diverged_trial_is_rerun_and_a_failed_one_trained_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    typed = commands(make_page([read_source(Path("my results"))]))
    assert set(typed) == {"raises", "diverges"}
    assert {words[0] for words in typed.values()} == {"ganbench"}
    done = ganbench(*typed["diverges"][1:], cwd=place)
    assert (done.returncode, done.stdout.splitlines()[-1][:5]) == (0, "equal"), done.stderr
    done = ganbench(*typed["raises"][1:], "--jobs", "0", cwd=place)
    assert "1 trials to train" in done.stderr
    assert "failed: raises" in done.stderr, "it fails as it did"
    assert len(list((place / "my results" / "plugins").glob("*.py"))) == 1, "the plugin is kept once"


def test_the_terminal_prints_the_same_commands(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    typed = commands(make_page([read_source(Path("my results"))]))
    for method, which in (("raises", "--failed"), ("diverges", "--diverged")):
        notes = ganbench("trials", "my results", which, cwd=place).stdout.replace("\\", "")
        key = next(word for word in typed[method] if re.fullmatch(r"(key=)?[0-9a-f]{12}", word))
        assert shlex.join(typed[method]).replace(key, key[:-4]) in notes


def test_the_page_brings_the_samples_of_trials_with_a_model(place: Path) -> None:
    from ganbench import registry

    from tests.support.pages import expand, read_data

    plugin = next((place / "my results" / "plugins").glob("*.py"))
    page = make_page([read_source(place / "my results", registry.load(files=[plugin]))])
    data = read_data(page)[0]
    methods = expand(data["trials"])["method"]
    assert [methods[int(number)] for number in data["pictures"]] == ["ns-gan"], "diverged and failed have none"
    assert "Up to 60 trials bring their samples" in page


def test_the_command_for_samples_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.pages import expand, read_data

    monkeypatch.chdir(place)
    data = read_data(make_page([read_source(Path("my results"))]))[0]
    key = next(
        k for k, m in zip(*(expand(data["trials"])[name] for name in ("short", "method")), strict=True) if m == "ns-gan"
    )
    words = shlex.split(data["samples"]["my results"].replace("--of KEY", f"--of {key}"))
    done = ganbench(*words[1:], cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / done.stdout.strip()).is_file()
