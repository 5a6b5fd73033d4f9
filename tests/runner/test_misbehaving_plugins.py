"""Whatever a plugin does, and wherever it does it: the run ends, names it, and other methods keep their numbers.

Every act at every place takes half an hour: `pytest -n 2 -m fuzz tests/runner/test_misbehaving_plugins.py`. The
ordinary tests take a few.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from time import monotonic

import ganbench
import pytest

from tests.support.terminal import process

SECONDS = 120
"""The longest that a run may take here, with a time limit of LIMIT seconds for what hangs."""
LIMIT = 20

ACTS = {
    "raises": "raise ValueError('wrong')",
    "raises-much": "raise ValueError('wrong ' * 1_000_000)",
    "raises-unprintable": "raise Unprintable",
    "interrupts": "raise KeyboardInterrupt",
    "exits": "sys.exit(0)",
    "exits-at-once": "os._exit(0)",
    "crashes": "ctypes.string_at(0)",
    "is-killed": "os.kill(os.getpid(), 9)",
    "hangs": "time.sleep(1000)",
    "spins": "spin()",
    "prints": "print('x' * 1_000_000, file=sys.stderr)",
    "returns-nothing": "return None",
    "returns-text": "return 'text'",
    "returns-many": "return torch.zeros(3, 5)",
    "replaces": "torch.nn.functional.softplus = torch.relu",
    "recurses": "return act()",
    "leaves": "os.chdir('/')",
    "closes": "os.close(1), os.close(2)",
    "forks": "os.fork()",
}
PLACES = [
    "import",
    "hook",
    "loss",
    "critic-loss",
    "generator-loss",
    "constraint",
    "penalty",
    "dataset",
    "take",
    "reference",
    "metric",
    "measure",
    "space",
    "sample",
    "networks",
    "optimizer",
    "step",
    "caution",
]
PLUGIN = '''
import ctypes, os, sys, time
import torch
from ganbench import Constraint, Metric, Networks, Objective, Offer, Method, Source, Space, Use, hookimpl
from torch import nn


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even a message")


def spin():
    while True:
        pass


NOTHING = object()


def act():
    ACT
    return NOTHING


def at(place, value):
    """Return a value, unless this is the place: then misbehave, and return what comes of it."""
    acted = act() if place == PLACE else NOTHING
    return value() if acted is NOTHING else acted


def loss():
    def critic(real, fake):
        return at("critic-loss", lambda: (1 - real).relu().mean() + (1 + fake).relu().mean())

    def generator(real, fake):
        return at("generator-loss", lambda: -fake.mean())

    return at("loss", lambda: Objective(critic, generator))


def constraint():
    return at("constraint", lambda: Constraint(critic=lambda play: at("penalty", lambda: play.real.mean() * 0)))


def dataset():
    rows = torch.linspace(-1, 1, 400).sin().reshape(200, 2)
    take = lambda index: at("take", lambda: rows[:100][index])
    reference = lambda n: at("reference", lambda: rows[100:][:n])
    return at("dataset", lambda: Source(shape=(2,), size=100, take=take, reference=reference))


def metric():
    measure = lambda evidence: at("measure", lambda: {"my-mean": float(evidence.samples.mean())})
    return at("metric", lambda: Metric(measure=measure, values={"my-mean": "higher"}))


class Network(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return y if y.shape[-1] > 1 else y[..., 0]


def space():
    def networks(spec, ask):
        return Networks(generator=nn.Linear(2, 2), critic=Network(2, 1), latent=2, rowwise=True)

    sample = lambda rng: at("sample", lambda: {"depth": 1})
    return at("space", lambda: Space(sample=sample, networks=lambda *a: at("networks", lambda: networks(*a)), size=1))


class Descent(torch.optim.SGD):
    def step(self, closure=None):
        return at("step", lambda: super(Descent, self).step(closure))


def optimizer():
    return at("optimizer", lambda: lambda parameters: Descent(parameters, lr=0.01))


def method():
    return Method(loss=Use("my-loss"), constraints=(Use("my-penalty"),), optimizer=Use("my-optimizer"))


@hookimpl
def ganbench_losses():
    caution = lambda recipe, spec: at("caution", lambda: ())
    return at("hook", lambda: [Offer("my-loss", loss, "A loss.", caution=caution, stackable=False)])


@hookimpl
def ganbench_constraints():
    yield Offer("my-penalty", constraint, "A penalty.")


@hookimpl
def ganbench_datasets():
    yield Offer("my-data", dataset, "A curve.", metrics=("sliced-w1", "my-metric"))


@hookimpl
def ganbench_metrics():
    yield Offer("my-metric", metric, "A mean.")


@hookimpl
def ganbench_architectures():
    yield Offer("my-space", space, "One linear layer.")


@hookimpl
def ganbench_optimizers():
    yield Offer("my-optimizer", optimizer, "Gradient descent.", stackable=False)


@hookimpl
def ganbench_methods():
    yield Offer("mine", method, "All of it.")


at("import", lambda: None)
'''
SUITE = """
question = "What may a plugin do?"
seeds = 2
methods = ["ns-gan", "mine"]

[budget]
generator_steps = 4
batch_size = 16
snapshots = 2

[architectures]
space = "my-space"

[measurement]
samples = 50

[[dataset]]
name = "my-data"
"""


def train(folder: Path, place: str, act: str) -> subprocess.CompletedProcess[str]:
    """Run the suite with a plugin that acts at a place."""
    (folder / "mine.py").write_text(PLUGIN.replace("ACT", act).replace("PLACE", repr(place)))
    (folder / "s.toml").write_text(SUITE)
    words = ("run", "s.toml", "--plugin", "mine.py", "--results", "r", "--jobs", "2", "--timeout", str(LIMIT))
    return process(*words, cwd=folder)


def scores_of(folder: Path, method: str) -> dict[tuple[str, int, str], float]:
    """Return the scores of a method by key, step and name."""
    frames = ganbench.read(folder / "r")
    keys = frames.trials.loc[frames.trials["method"] == method, "key"]
    rows = frames.scores[frames.scores["key"].isin(keys)]
    return {(row.key, row.step, row.name): row.value for row in rows.itertuples(index=False)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, str], float]:
    """The scores of the method that uses nothing of the plugin, where the plugin behaves."""
    folder = tmp_path_factory.mktemp("behaves")
    assert train(folder, "nowhere", "pass").returncode == 0
    assert scores_of(folder, "mine")
    return scores_of(folder, "ns-gan")


def check(folder: Path, place: str, act: str, alone: dict[tuple[str, int, str], float]) -> None:
    """Hold a run with a plugin that misbehaves to what is promised."""
    begun = monotonic()
    result = train(folder, place, ACTS[act])
    told = f"{act} at {place}: exit code {result.returncode}\n{result.stderr[-3000:]}"
    assert monotonic() - begun < SECONDS, told
    assert act == "prints" or len(result.stdout) + len(result.stderr) < 100_000, told
    assert result.returncode in (0, 1, 2), told
    assert "Traceback" not in result.stderr, told
    if result.returncode == 2:
        assert any(name in result.stderr for name in ("mine.py", "'my-", "mine on ")), told
        return
    trials = ganbench.read(folder / "r").trials
    statuses = {method: set(rows["status"]) for method, rows in trials.groupby("method")}
    assert json.dumps(trials["error"].tolist()), told
    if result.returncode == 0:
        assert statuses == {"ns-gan": {"completed"}, "mine": {"completed"}}, told
    else:
        assert statuses["mine"] <= {"failed", "timed-out"}, told
        assert all(error for error in trials.loc[trials["status"] != "completed", "error"]), told
    if statuses["ns-gan"] == {"completed"}:
        assert scores_of(folder, "ns-gan") == alone, told


QUICK = [
    ("optimizer", "raises-unprintable"),
    ("networks", "interrupts"),
    ("space", "exits-at-once"),
    ("measure", "crashes"),
    ("generator-loss", "exits"),
    ("step", "raises-much"),
    ("penalty", "returns-many"),
    ("take", "closes"),
]


@pytest.mark.parametrize(("place", "act"), QUICK)
def test_a_plugin_that_misbehaves_at_one_place(
    tmp_path: Path, alone: dict[tuple[str, int, str], float], place: str, act: str
) -> None:
    check(tmp_path, place, act, alone)


@pytest.mark.fuzz
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("place", PLACES)
def test_a_plugin_that_misbehaves_anywhere(
    tmp_path: Path, alone: dict[tuple[str, int, str], float], place: str, act: str
) -> None:
    check(tmp_path, place, act, alone)
