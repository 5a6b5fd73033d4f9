"""What is recorded is what ran: edits of code, values and data are noticed wherever a record is used again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import Constraint, GanbenchError, Offer, Source, hookimpl, registry
from ganbench.engine.data_digest import digest_data
from ganbench.plan import make
from ganbench.results.store import Store, read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.rerun import rerun_trial
from ganbench.runner.rescore import rescore_trials
from ganbench.runner.settings import Settings
from ganbench.runner.worker import run_batch

from tests.support.tiny_suite import suite as tiny_suite

PENALTY = """
from ganbench import Constraint, Offer, hookimpl
WEIGHT = 0.0

def penalty(play):
    return WEIGHT * play.scores_real.square().mean()

@hookimpl
def ganbench_constraints():
    yield Offer("wander", lambda: Constraint(critic=penalty), "Drift.")
"""
DRIFT = {"name": "a", "from": "ns-gan", "constraints": ["wander"]}
ROWS = """
from pathlib import Path
import torch
from ganbench import Offer, Source, hookimpl, hash_files

def build(hashed: bool = False):
    file = Path("{folder}") / "rows.pt"
    rows = torch.load(file)
    return Source(shape=(2,), size=60, take=lambda i: rows[:60][i], reference=lambda n: rows[60:][:n],
                  digest=hash_files(file) if hashed else "")

@hookimpl
def ganbench_datasets():
    yield Offer("my-rows", build, "Rows of a file.", metrics=("sliced-w1",))
"""
NETWORK = """
from ganbench import Networks, Offer, Space, hookimpl
from torch import nn
SHIFT = 0.0

class G(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.body = nn.Linear(4, out)
    def forward(self, z):
        return self.body(z) + SHIFT

def networks(spec, ask):
    critic = nn.Sequential(nn.Linear(ask.shape[0], 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    return Networks(generator=G(ask.shape[0]), critic=critic, latent=4, rowwise=True)

@hookimpl
def ganbench_architectures():
    yield Offer("small", lambda: Space(sample=lambda rng: {}, networks=networks, size=1), "Small.")
"""


def suite(**changes: Any) -> dict[str, Any]:
    """Return the tiny suite with one method, one seed and one metric."""
    defaults: dict[str, Any] = {
        "seeds": 1,
        "methods": ["a"],
        "method": [DRIFT],
        "success": None,
        "dataset": [{"name": "ring", "metrics": ["sliced-w1"]}],
    }
    return tiny_suite(**{**defaults, **changes})


def score(frames: Any, method: str = "a") -> float:
    keys = frames.trials.loc[frames.trials["method"] == method, "key"]
    rows = frames.series[frames.series["key"].isin(keys) & (frames.series["name"] == "sliced-w1")]
    return float(rows["value"].iloc[-1])


class Drift:
    """A plugin object with a number of its own."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    @hookimpl
    def ganbench_constraints(self):
        yield Offer(
            "wander", lambda: Constraint(critic=lambda p: self.weight * p.scores_real.square().mean()), "Drift."
        )


def test_a_plugin_object_with_another_number_trains_anew(tmp_path: Path) -> None:
    first = score(ganbench.run(suite(), offers=[Drift(0.0)], results=tmp_path / "r"))
    assert score(ganbench.run(suite(), offers=[Drift(0.0)], results=tmp_path / "r")) == first
    again = score(ganbench.run(suite(), offers=[Drift(1000.0)], results=tmp_path / "r"))
    assert again != first
    assert again == score(ganbench.run(suite(), offers=[Drift(1000.0)], results=tmp_path / "new"))


def test_an_edited_helper_beside_a_plugin_file_trains_anew(tmp_path: Path) -> None:
    """In a new process each time, as the command line runs."""
    (tmp_path / "mine.py").write_text("from my_penalties import penalty\n" + PENALTY.replace("def penalty", "def old"))
    script = (
        "import sys, ganbench; from tests.runner.test_fingerprint import suite, score\n"
        "if __name__ == '__main__':\n"
        "    print(score(ganbench.run(suite(), files=['mine.py'], results=sys.argv[1], jobs=0)))"
    )
    (tmp_path / "go.py").write_text(script)

    def train(weight: float, results: str) -> str:
        (tmp_path / "my_penalties.py").write_text(
            f"def penalty(play):\n    return {weight} * play.scores_real.mean()\n"
        )
        paths = [str(Path(__file__).parents[2]), *sys.path]
        environment = {"PYTHONPATH": ":".join(paths), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "go.py", results], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = train(0.0, "r")
    assert train(0.0, "r") == first
    assert train(1000.0, "r") == train(1000.0, "new") != first


def test_workers_run_the_text_that_was_planned_although_the_file_is_edited(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    methods = [{**DRIFT, "name": name, "critic_steps": steps} for name, steps in [("a", 1), ("b", 2), ("c", 3)]]
    question = suite(methods=["a", "b", "c"], method=methods)

    def train(folder: str, edit: bool) -> list[float]:
        file.write_text(PENALTY)

        def watch(session: Any, event: Any) -> None:
            if edit:
                file.write_text(PENALTY.replace("WEIGHT = 0.0", "WEIGHT = 1000.0"))

        frames = ganbench.run(question, files=(str(file),), results=tmp_path / folder, jobs=1, watch=watch)
        assert frames.trials["status"].tolist() == ["completed"] * 3
        return [score(frames, name) for name in "abc"]

    before = train("quiet", edit=False)
    assert train("edited", edit=True) == before
    session, _ = next(iter(run_events(read_suite(question), Settings(results=tmp_path / "edited", files=(str(file),)))))
    assert len(session.todo.stale) == 3, "the edited file is other code than that of the records"


def test_a_worker_whose_code_is_not_the_plans_trains_nothing(tmp_path: Path) -> None:
    """Such as one that starts after a helper module was edited."""
    file = tmp_path / "mine.py"
    file.write_text(PENALTY)
    (batch,) = make(read_suite(suite()), registry.load(files=[file])).batches
    file.write_text(PENALTY.replace("WEIGHT = 0.0", "WEIGHT = 1000.0"))
    (record,) = run_batch(batch, lambda step, steps: None, plugins=registry.load(files=[file]))
    assert record.status == "failed"
    assert record.error.startswith(
        "not trained, because it is not what was planned: the code of constraint 'wander' changed after the plan"
    )
    assert not record.scores


@pytest.mark.parametrize("hashed", [False, True])
def test_other_rows_under_the_same_name_train_anew_with_new_baselines(tmp_path: Path, hashed: bool) -> None:
    file, rows = tmp_path / "mine.py", torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
    file.write_text(ROWS.format(folder=tmp_path))
    dataset = [{"name": "my-rows", "hashed": hashed}]
    question = suite(methods=["ns-gan"], method=None, dataset=dataset)

    def train(rows: torch.Tensor, results: str) -> tuple[float, int]:
        torch.save(rows, tmp_path / "rows.pt")
        trained: list[Any] = []
        frames = ganbench.run(
            question,
            files=(str(file),),
            results=tmp_path / results,
            jobs=0,
            watch=lambda session, event: trained.extend(session.todo.batches),
        )
        assert frames.calibration["value"].notna().any()
        return score(frames, "ns-gan"), len(trained)

    first, _ = train(rows, "r")
    assert train(rows, "r") == (first, 0)
    other, count = train(rows + 5, "r")
    assert count > 0
    assert other == train(rows + 5, "new")[0] != first


class RandomRows:
    """A dataset that is made of random numbers when it is built, as people write it."""

    @hookimpl
    def ganbench_datasets(self):
        def build() -> Source:
            rows = torch.randn(120, 2)
            return Source(shape=(2,), size=60, take=lambda i: rows[:60][i], reference=lambda n: rows[60:][:n])

        yield Offer("random-rows", build, "Random rows.", metrics=("sliced-w1",))


def test_a_dataset_that_differs_at_each_build_is_not_trained_on() -> None:
    plugins = registry.load(plugins=[RandomRows()])
    question = suite(methods=["ns-gan"], method=None, dataset=[{"name": "random-rows"}])
    (batch,) = make(read_suite(question), plugins).batches
    (record,) = run_batch(batch, lambda step, steps: None, plugins=plugins)
    assert record.status == "failed"
    assert "planned: the content of the data changed" in record.error
    assert "differs each time it is loaded" in record.error


def test_generators_of_an_edited_network_are_neither_evaluated_nor_drawn(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(NETWORK)
    question = suite(methods=["ns-gan"], method=None, architectures={"space": "small"}, seeds=2)
    frames = ganbench.run(question, files=(str(file),), results=tmp_path / "r", jobs=0)
    key = frames.trials["key"][0]
    plugins = registry.load(files=[file])
    assert rerun_trial(tmp_path / "r", key, plugins).verdict == "equal"
    assert len(rescore_trials(tmp_path / "r", "mmd", plugins).scores) == 2
    file.write_text(NETWORK.replace("Small.", "Small indeed.") + "# why\n")
    file.write_text(NETWORK.replace("SHIFT = 0.0", "SHIFT = 5.0"))
    edited = registry.load(files=[file])
    with pytest.raises(GanbenchError, match="changed since this trial was trained: the code of architecture 'small'"):
        rescore_trials(tmp_path / "r", "w1", edited)
    from ganbench.report.samples import SampleSource

    samples = SampleSource(tmp_path / "r", read(tmp_path / "r"), edited).load(key)
    assert samples.samples is None
    assert "the code of architecture 'small'" in samples.reason
    comparison = rerun_trial(tmp_path / "r", key, edited)
    assert comparison.changed == ("the code of architecture 'small'",)
    assert comparison.verdict == "different"


def test_a_generator_may_be_evaluated_after_an_edit_of_what_its_samples_do_not_depend_on(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PENALTY)
    ganbench.run(suite(), files=(str(file),), results=tmp_path / "r", jobs=0)
    file.write_text(PENALTY.replace("WEIGHT = 0.0", "WEIGHT = 3.0"))
    assert rescore_trials(tmp_path / "r", "mmd", registry.load(files=[file])).scores


def test_a_record_of_an_earlier_version_is_compared_as_a_whole(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    file = tmp_path / "mine.py"
    file.write_text(PENALTY)
    ganbench.run(suite(), files=(str(file),), results=tmp_path / "r", jobs=0)
    with closing(sqlite3.connect(tmp_path / "r" / "results.sqlite")) as link, link:
        link.execute("UPDATE batches SET facts = json_remove(facts, '$.sources')")
    assert rescore_trials(tmp_path / "r", "mmd", registry.load(files=[file])).scores
    file.write_text(PENALTY.replace("WEIGHT = 0.0", "WEIGHT = 3.0"))
    with pytest.raises(GanbenchError, match="the code of a component that the trial uses"):
        rescore_trials(tmp_path / "r", "w1", registry.load(files=[file]))


def test_the_digest_of_a_set_follows_its_rows_and_labels_and_a_distribution_has_none() -> None:
    rows, labels = torch.randn(10, 2), torch.arange(10) % 2

    def source(rows: torch.Tensor, labels: torch.Tensor) -> Source:
        return Source(
            shape=(2,),
            size=10,
            take=lambda i: rows[i],
            reference=lambda n: rows[:n],
            classes=2,
            labels=lambda i: labels[i],
        )

    digests = [
        digest_data(source(rows, labels)),
        digest_data(source(rows.clone(), labels.clone())),
        digest_data(source(rows + 1, labels)),
        digest_data(source(rows, 1 - labels)),
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert digest_data(Source(shape=(2,), draw=lambda g, n: torch.zeros(n, 2), reference=lambda n: rows)) == ""


def test_the_sources_are_stored_with_the_record(tmp_path: Path) -> None:
    frames = ganbench.run(suite(), offers=[Drift(0.0)], results=tmp_path / "r")
    with Store(tmp_path / "r", readonly=True) as store:
        sources = store.detail(frames.trials["key"][0])["facts"]["sources"]
    assert sources.keys() >= {
        "numerics",
        "constraints/wander",
        "datasets/ring",
        "architectures/mlp",
        "dynamics/alternating",
    }
    assert "data" not in sources, "the ring is a distribution"
