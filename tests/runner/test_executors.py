"""Which executor a run uses: a flag over the user's own file over the default; options are those of its `build`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import Batch, Event, Finished, GanbenchError, Offer, Started, Work, hookimpl
from ganbench.registry import load
from ganbench.registry.registry import Registry
from ganbench.report import history_table
from ganbench.results.store import Store
from ganbench.runner.executors import apply_user_config, build_executor, choose_executor, read_options
from ganbench.runner.settings import Settings

from tests.support.documents import ROOT, find_file
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

SUITE = small(seeds=2, success=None)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration file that chooses the executor `mine` and has options of two executors."""
    path = tmp_path / "own" / "config.toml"
    path.parent.mkdir()
    path.write_text('executor = "mine"\n[executors.mine]\nspeed = 3\n[executors.local]\ntimeout = 60\njobs = 7\n')
    monkeypatch.setenv("GANBENCH_CONFIG", str(path))
    return path


def make_registry(built: list[dict[str, Any]]) -> Registry:
    """Return a registry with an executor `mine`, whose build notes its options, beside the installed ones."""

    def build(speed: int = 1, queue: str = "") -> Callable[..., Iterator[Event]]:
        built.append({"speed": speed, "queue": queue})
        return run_one_by_one

    @hookimpl
    def ganbench_executors() -> Iterable[Offer]:
        yield Offer("mine", build, "One batch after another.")

    return load(plugins=[ganbench_executors])


def run_one_by_one(work: Work, batches: Iterable[Batch]) -> Iterator[Event]:
    for batch in batches:
        yield Started(batch)
        yield Finished(batch, tuple(work(batch)))


def test_the_default_is_workers_on_this_machine_without_options() -> None:
    settings = apply_user_config(Settings())
    assert (settings.executor, settings.executor_options, choose_executor(Settings())) == ("local", {}, "local")


def test_the_users_file_chooses_an_executor_and_its_options(config: Path) -> None:
    settings = apply_user_config(Settings())
    assert (settings.executor, settings.executor_options) == ("mine", {"speed": 3})


def test_a_flag_wins_over_the_file_and_keeps_the_files_other_options(config: Path) -> None:
    settings = apply_user_config(Settings(executor_options={"queue": "gpu", "speed": 4}))
    assert (settings.executor, settings.executor_options) == ("mine", {"speed": 4, "queue": "gpu"})
    settings = apply_user_config(Settings(executor="local", jobs=2))
    assert (settings.executor, settings.executor_options) == ("local", {"timeout": 60})


@pytest.mark.parametrize("settings", [Settings(jobs=0), Settings(executor="in-process")])
def test_training_in_this_process_asks_no_file(settings: Settings, config: Path) -> None:
    config.write_text("not TOML")
    assert apply_user_config(settings) == settings
    assert settings.in_process
    assert choose_executor(settings) == "in-process"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("executor = [", r"config\.toml: cannot be read \(.*\)\. Mend or remove this configuration file\."),
        ("executer = 'x'", r"config\.toml: no key 'executer'\. Did you mean 'executor'\?"),
        ("executor = 3", r"config\.toml: executor = 3: write a name"),
        ("executors = 3", r"config\.toml: executors: write a table of options for each"),
        ("[executors]\nlocal = 3", r"config\.toml: executors: write a table of options for each"),
    ],
)
def test_a_wrong_file_is_refused_with_its_path(config: Path, text: str, message: str) -> None:
    config.write_text(text)
    with pytest.raises(GanbenchError, match=message):
        apply_user_config(Settings())


def test_an_executor_is_built_with_its_own_options_and_none_else() -> None:
    built: list[dict[str, Any]] = []
    plugins = make_registry(built)
    build_executor(Settings(executor="mine", executor_options={"speed": 5}), plugins)
    assert built == [{"speed": 5, "queue": ""}]
    build_executor(Settings(executor="local", jobs=3, timeout=5.0), plugins)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(executor="mime"), r"--executor: no executor 'mime'\. Did you mean 'mine'\?"),
        (Settings(executor="mine", executor_options={"sped": 1}), r"'mine': no option 'sped' .* Did you mean 'speed'"),
        (Settings(executor="mine", executor_options={"speed": "x"}), r"option 'speed' = 'x': it should be a valid int"),
        (Settings(jobs=0, executor_options={"speed": 1}), r"executor 'in-process': no option 'speed'"),
        (Settings(executor="mine", jobs=4), r"--jobs = 4: executor 'mine' has no option 'jobs'\. Leave it out"),
        (Settings(executor="mine", timeout=4.5), r"--timeout = 4\.5: executor 'mine' has no option 'timeout'"),
        (Settings(executor="local", executor_options={"jobs": 0}), r"jobs = 0: give a number of workers, 1 or more"),
    ],
)
def test_what_an_executor_does_not_have_is_refused_with_what_it_has(settings: Settings, message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        build_executor(settings, make_registry([]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"jobs": 0, "executor": "local"}, r"--jobs = 0 trains in this process, and --executor is 'local'"),
        ({"jobs": 2, "executor": "in-process"}, r"--jobs = 2: executor 'in-process' has no workers"),
        ({"timeout": 2.0, "executor": "in-process"}, r"--timeout = 2: a time limit needs workers"),
        ({"jobs": 2, "executor_options": {"jobs": 3}}, r"--jobs = 2: the executor's option 'jobs' is given too"),
        ({"timeout": 2.0, "executor_options": {"timeout": 3}}, r"--timeout: the executor's option 'timeout' is given"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        Settings(**values)


def test_options_of_the_command_line_are_toml_or_text() -> None:
    assert read_options(["jobs=4", "address = auto", 'name="a b"', "flags=[1, 2]"]) == {
        "jobs": 4,
        "address": "auto",
        "name": "a b",
        "flags": [1, 2],
    }
    with pytest.raises(GanbenchError, match=r"--executor-option 'jobs': write KEY=VALUE, as in jobs=4\."):
        read_options(["jobs"])


def test_a_run_uses_the_chosen_executor_and_stores_its_name(tmp_path: Path) -> None:
    plugin = tmp_path / "pool.py"
    code = find_file(ROOT / "docs/how_to/executors.md", "pool.py")
    assert len(code.splitlines()) <= 40
    plugin.write_text(code)
    process = command("check", str(plugin), cwd=tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    local = ganbench.run(SUITE, results=tmp_path / "local", jobs=1)
    own = ganbench.run(SUITE, results=tmp_path / "own", files=[str(plugin)], executor="pool")
    assert own.scores.equals(local.scores)
    assert list(own.trials["status"]) == ["completed"] * len(local.trials)
    for name, executor in (("local", "local"), ("own", "pool")):
        with Store(tmp_path / name, readonly=True) as store:
            assert [run.facts["executor"] for run in store.history()] == [executor]
        assert list(history_table(ganbench.read(tmp_path / name).runs).frame["executor"]) == [executor]


def test_an_unknown_executor_ends_the_command_before_anything_is_written(tmp_path: Path) -> None:
    process = command("run", "smoke", "--results", str(tmp_path / "r"), "--executor", "locl", cwd=tmp_path)
    assert process.returncode == 2
    assert "--executor: no executor 'locl'. Did you mean 'local'?" in process.stderr
    assert not (tmp_path / "r").exists()
