"""The command line: what it prints, and the exit codes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from ganbench.results.store import Store
from rich.console import Console

from tests.support import tile_extractors
from tests.support.terminal import ganbench, process

SUITE = """
question = "Does it run?"
methods = ["ns-gan", "wgan-gp"]

[budget]
generator_steps = 4
batch_size = 16
snapshots = 2

[architectures.options]
generator_width = 8

[measurement]
samples = 50

[[dataset]]
name = "ring"

[[success]]
dataset = "ring"
metric = "modes"
thresholds = [0, 7]
primary = 7
allow_trivial = true
compare = [["ns-gan", "wgan-gp"]]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which a suite was run through the command line."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.toml").write_text(SUITE)
    first = process("run", "tiny.toml", "--jobs", "1", cwd=folder)
    assert first.returncode == 0, first.stderr
    return folder, first


def test_run_prints_tables_to_stdout_and_progress_to_stderr(place):
    folder, first = place
    assert "only ns-gan" in first.stdout
    assert "2 trials to train, 0 already stored in results/tiny" in first.stderr
    again = ganbench("run", "tiny.toml", cwd=folder)
    assert again.returncode == 0
    assert again.stdout == first.stdout
    assert "0 trials to train, 2 already stored" in again.stderr


def test_table_prints_the_same_tables_in_three_formats_without_torch(place):
    folder, first = place
    assert ganbench("table", "results/tiny", cwd=folder).stdout == first.stdout
    assert json.loads(ganbench("table", "results/tiny", "--format", "json", cwd=folder).stdout)
    assert ganbench("table", "results/tiny", "--format", "csv", cwd=folder).stdout.count("\n") > 5
    script = (
        "import sys; from ganbench.cli import app; app(['table', 'results/tiny'], standalone_mode=False); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True).returncode == 0


def test_a_budget_in_flops_is_announced_and_planned_alike_by_run_and_plan(tmp_path):
    (tmp_path / "flops.toml").write_text(SUITE.replace("generator_steps = 4", "flops = 2e7"))
    ended = ganbench("run", "flops.toml", "--jobs", "0", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "planning flops.toml, counting the FLOPs of every architecture and method ..." in ended.stderr
    planned = ganbench("plan", "flops.toml", cwd=tmp_path).stdout
    assert "2 trials in 2 batches; 0 to train, 0 of them stale, 2 stored" in planned


def test_plan_says_what_is_left_and_trains_nothing(place, tmp_path):
    folder, _ = place
    planned = ganbench("plan", "tiny.toml", cwd=folder).stdout
    assert "2 trials in 2 batches; 0 to train, 0 of them stale, 2 stored" in planned
    (tmp_path / "tiny.toml").write_text(SUITE)
    assert "2 to train" in ganbench("plan", "tiny.toml", cwd=tmp_path).stdout
    assert not (tmp_path / "results").exists()


def test_plan_says_of_each_method_how_it_differs_from_its_recipe(tmp_path):
    table = '[[method]]\nname = "mine"\nfrom = "wgan-gp"\noptimizer = { lr = 1e-3 }\ncritic_steps = 2\n'
    (tmp_path / "tiny.toml").write_text(SUITE + table)
    assert ganbench("plan", "tiny.toml", cwd=tmp_path).stdout.splitlines()[:4] == [
        "Does it run?",
        "ns-gan",
        "wgan-gp",
        "mine = wgan-gp with optimizer.lr = 0.001 (recipe: 0.0001), critic_steps = 2 (recipe: 5)",
    ]


def test_list_show_and_doctor_tell_what_is_installed(tmp_path):
    listed = ganbench("list", "losses", cwd=tmp_path).stdout
    assert "wasserstein" in listed
    assert "constraints:" not in listed
    shown = ganbench("show", "gradient-penalty", cwd=tmp_path).stdout
    for fragment in ("arXiv:1704.00028", "target", "formula:", "asserted:", "ganbench 0"):
        assert fragment in shown
    recipe = ganbench("show", "wgan", cwd=tmp_path).stdout
    assert 'constraints = [{ name = "weight-clipping", bound = 0.01 }]' in recipe
    doctor = ganbench("doctor", cwd=tmp_path)
    assert doctor.returncode == 0
    assert "torch 2." in doctor.stdout
    assert "executor 'local' (configuration: " in doctor.stdout
    assert "runs use executor 'local' (configuration: " in ganbench("list", "executors", cwd=tmp_path).stdout


def test_doctor_says_which_extractors_have_their_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg16-397923af.pth").write_bytes(b"other")
    lines = ganbench("doctor", "--plugin", tile_extractors.__file__, cwd=tmp_path).stdout.splitlines()
    assert "extractors with their weights: blunt, tiles" in lines
    (without,) = (line for line in lines if line.startswith("extractors without: "))
    assert "inception-v3-compat" in without
    assert "vgg16" not in without
    assert any("extractor 'vgg16': " in line and "has the SHA-256" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["run", "bad.toml"], "Did you mean 'wgan-gp'"),
        (["run", "tiny.toml", "--device", "cuda"], "no CUDA device"),
        (["run", "tiny.toml", "--plugin", "gone.py"], "gone.py"),
        (["run", "tiny.toml", "--retry", "faild"], "Did you mean 'failed'"),
        (["run", "tiny.toml", "--results", "tiny.toml/x"], "tiny.toml/x"),
        (["table", "empty"], "no results here"),
        (["show", "wasserstien"], "Did you mean 'wasserstein'"),
        (["list", "lossess"], "Did you mean 'losses'"),
    ],
)
def test_what_the_user_can_mend_ends_in_one_message_and_exit_code_2(tmp_path, words, said):
    (tmp_path / "tiny.toml").write_text(SUITE)
    (tmp_path / "bad.toml").write_text(SUITE.replace("wgan-gp", "wgan-pg"))
    ended = ganbench(*words, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_failed_trial_makes_exit_code_1_and_its_message_is_shown(tmp_path):
    (tmp_path / "tiny.toml").write_text(
        SUITE + '\n[[method]]\nname = "bad"\nfrom = "ns-gan"\nconstraints = ["raises"]\n'
    )
    (tmp_path / "raises.py").write_text(
        "from ganbench import Constraint, Offer, hookimpl\n"
        "def term(play):\n    raise ValueError('[red]no\\x1b[31m')\n"
        "@hookimpl\ndef ganbench_constraints():\n"
        "    yield Offer('raises', lambda: Constraint(critic=term), 'Raises.')\n"
    )
    ended = ganbench("run", "tiny.toml", "--plugin", "raises.py", "--jobs", "0", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert "ValueError: [red]no" in ended.stderr
    assert "\x1b" not in ended.stderr


def test_a_full_output_is_answered_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "ganbench", "list", "losses"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert ended.returncode == 2
    assert "no space is left to write to" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_is_quick_and_light(tmp_path):
    def seconds() -> float:
        """The processor's time: the wall's would measure the neighbours."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert process("--help", cwd=tmp_path).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.6
    script = "import sys, ganbench.cli; sys.exit(bool({'torch', 'pandas', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_screen_counts_successes_and_knows_how_long_it_takes(tmp_path):
    from ganbench.progress.live import LiveDisplay
    from ganbench.runner.driver import read_suite, run_events
    from ganbench.runner.settings import Settings

    from tests.support.tiny_suite import suite as small

    heard = StringIO()
    screen = LiveDisplay(Console(file=heard, width=200))
    for session, event in run_events(read_suite(small()), Settings(results=tmp_path / "r", jobs=0), screen.on_progress):
        screen.on_plan(session) if event is None else screen.on_event(session, event)
    status = screen.refresh_status()
    assert (status.share, status.seconds_left) == (pytest.approx(1.0), 0)
    assert status.describe_progress().startswith("6/6 trials")
    assert "success (modes > 7) so far: ns-gan 0/3, wgan-gp 0/3" in status.describe_successes()
    assert screen.render().row_count == 2


def test_a_folder_in_which_nothing_is_planned_says_so(tmp_path: Path) -> None:
    with Store(tmp_path / "r"):
        pass  # a run that is killed while it scores the baselines leaves such a folder
    for command in ("table", "table --format json", "table --sensitivity", "figures", "samples", "history"):
        name, *rest = command.split()
        result = ganbench(name, "r", *rest, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, ""), command
        assert "r: nothing is planned here yet. `ganbench run SUITE`" in result.stderr


def test_a_results_folder_whose_name_is_not_unicode_is_refused(tmp_path: Path) -> None:
    result = ganbench("run", "smoke", "--results", os.fsdecode(b"out\xff"), cwd=tmp_path)
    assert result.returncode == 2
    assert r"'out\udcff': the name of this folder is not UTF-8. Name another folder by --results." in result.stderr
    assert not list(tmp_path.iterdir())
