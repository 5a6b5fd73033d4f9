"""New packages: every example follows the rules, its own tests, ruff and mypy, and its suite runs to a table."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import ganbench
import pytest
from ganbench import registry
from ganbench.api.version import API_VERSION
from ganbench.creation.packages import FILES, LONGEST_NAME, find_hook, list_kinds, render_package, write_folder
from ganbench.creation.rendering import find_templates
from ganbench.errors import GanbenchError
from ganbench.testing.check import check
from hatchling.builders.wheel import WheelBuilder

from tests.support.terminal import ganbench as run

ROOT = Path(__file__).parents[2]
KINDS = list_kinds()
PROMISED = {"loss", "constraint", "architecture", "dataset", "metric", "method"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        write_folder(folder / kind, render_package(kind, f"my-{kind}", 'Ada "L" Łukasz'), "new")
    return folder


def find_plugin(packages: Path, kind: str) -> Path:
    """Return the plugin's file in the package of a kind."""
    return packages / kind / "src" / f"ganbench_my_{kind}" / "__init__.py"


def ruff(*words: str, source: Path) -> None:
    """Run ruff by the rules of this project, with the packages' own modules as first parties."""
    config = ["--config", str(ROOT / "pyproject.toml"), "--config", f"src = ['{source}/*/src']"]
    command = [sys.executable, "-m", "ruff", *words, *config, "--no-cache", str(source)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


def test_every_promised_kind_can_be_made() -> None:
    assert set(KINDS) >= PROMISED
    for folder in find_templates().joinpath("kinds").iterdir():
        assert {file.name for file in folder.iterdir()} == {
            Path(template).name for template in FILES.values() if template.startswith("kinds/")
        }


def test_the_templates_are_in_the_wheel() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    sources = ROOT / "ganbench" / "creation" / "templates"
    files = {path.relative_to(ROOT).as_posix() for path in sources.rglob("*") if path.is_file()}
    assert len(files) > 20
    assert files <= packed


def test_the_examples_follow_every_rule(packages: Path) -> None:
    files = [str(find_plugin(packages, kind)) for kind in KINDS]
    verdicts, _ = check(files)
    assert {verdict.offered.offer.name for verdict in verdicts} == {f"my-{kind}" for kind in KINDS}
    assert not [str(verdict) for verdict in verdicts if verdict.broken or verdict.notes or not verdict.rules]
    assert {verdict.offered.api for verdict in verdicts} == {API_VERSION}


@pytest.mark.parametrize("kind", KINDS)
def test_the_suite_runs_to_a_table(packages: Path, kind: str, tmp_path: Path) -> None:
    suite = tomllib.loads((packages / kind / "suites" / f"my-{kind}.toml").read_text())
    suite |= {"seeds": 2, "budget": {"generator_steps": 10, "batch_size": 16, "snapshots": 1}}
    suite["architectures"] |= {"sample": 1}
    frames = ganbench.run(suite, results=tmp_path, files=[find_plugin(packages, kind)], jobs=0)
    assert len(frames.trials) == 4
    assert set(frames.trials["status"]) == {"completed"}
    scores = frames.scores[frames.scores["name"] == "sliced-w1"]
    assert scores["value"].gt(0).sum() == 4


def test_the_tests_of_values_pass(packages: Path) -> None:
    files = [str(packages / kind / "tests" / "test_values.py") for kind in KINDS]
    path = os.pathsep.join([*(str(packages / kind / "src") for kind in KINDS), os.environ.get("PYTHONPATH", "")])
    alone = ["-c", os.devnull, "--rootdir", str(packages), "--import-mode", "importlib", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *alone, *files]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert "passed" in ended.stdout
    assert "skipped" not in ended.stdout


@pytest.mark.parametrize("name", ["x", f"{'long-' * 20}"[: LONGEST_NAME - 1] + "x"])
def test_the_python_follows_the_rules_of_this_project_whatever_the_name(name: str, tmp_path: Path) -> None:
    for kind in KINDS:
        write_folder(tmp_path / kind, render_package(kind, name), "new")
    ruff("check", source=tmp_path)
    ruff("format", "--check", source=tmp_path)


def test_the_python_is_typed_strictly(packages: Path, tmp_path: Path) -> None:
    """The files of all packages, under names of their own, checked with the settings of a new package."""
    files = [find_plugin(packages, kind) for kind in KINDS]
    for kind in KINDS:
        for file in (packages / kind / "tests").iterdir():
            files.append(Path(shutil.copy(file, tmp_path / f"{file.stem}_{kind}.py")))
    settings = tomllib.loads((packages / KINDS[0] / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings.pop("strict")
    assert (settings.pop("mypy_path"), settings.pop("files")) == ("src", ["src", "tests"])
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n" + "".join(f"{key} = {', '.join(settings[key])}\n" for key in settings))
    path = os.pathsep.join([*(str(packages / kind / "src") for kind in KINDS), str(ROOT)])
    words = ["--config-file", str(config), "--cache-dir", str(ROOT / ".mypy_cache" / "new_packages")]
    command = [sys.executable, "-m", "mypy", *words, *map(str, files)]
    ended = subprocess.run(command, env={**os.environ, "MYPYPATH": path}, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert f"no issues found in {len(files)} source files" in ended.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_metadata_name_the_plugin_the_author_and_ganbench(packages: Path, kind: str) -> None:
    project = tomllib.loads((packages / kind / "pyproject.toml").read_text())["project"]
    assert project["authors"] == [{"name": 'Ada "L" Łukasz'}]
    assert project["entry-points"]["ganbench"] == {f"{find_hook(kind)}.my-{kind}": f"ganbench_my_{kind}"}
    assert f"ganbench>={'.'.join(ganbench.__version__.split('.')[:2])}" in project["dependencies"]
    assert "license" not in project  # the author's choice
    for file in (packages / kind).rglob("*"):
        assert not file.is_file() or "{{" not in file.read_text().replace("${{ matrix.python }}", "")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["loss", "My_Loss2"], "new loss: 'My_Loss2' is not kebab-case: .* Write 'my-loss2'"),
        (["loss", "--", "-"], "'-' is not kebab-case: .* Write 'my-name'"),
        (["loss", "a" * 41], "has 41 characters. Use up to 40"),
        (["loss", "hinge"], r"'hinge' is there already, from ganbench [\d.]+. Choose another name, such as 'my-hinge'"),
        (["metric", "plugins"], "a module 'ganbench_plugins' is installed here"),
        (["loss", "mine", "--author", "a\nb"], r"--author 'a\\nb': it has characters that cannot be printed"),
        (["loss", "mine", "--into", "nowhere"], "nowhere is no folder. Make it first"),
        (["loss", "there"], "ganbench-there exists already. Choose another name, or another folder by --into DIR"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_left(words: list[str], answer: str, tmp_path: Path) -> None:
    (tmp_path / "ganbench-there").mkdir()
    ended = run("new", *words, cwd=tmp_path)
    assert ended.returncode == 2
    assert not ended.stdout
    with pytest.raises(GanbenchError, match=answer):
        raise GanbenchError(ended.stderr)
    assert [path.name for path in tmp_path.rglob("*")] == ["ganbench-there"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write_one(path: Path, text: str, **_: str) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        path.write_bytes(text.encode())

    monkeypatch.setattr(Path, "write_text", write_one)
    with pytest.raises(GanbenchError, match=r"new loss: .*ganbench-mine cannot be written: No space left on device\."):
        write_folder(tmp_path / "ganbench-mine", {"a.txt": "a", "b/c.txt": "c"}, "new loss")
    assert len(written) == 1
    assert not list(tmp_path.iterdir())


def test_a_name_of_another_kind_is_free(tmp_path: Path) -> None:
    assert "hinge" in registry.load().names("losses")
    ended = run("new", "method", "hinge", "--into", str(tmp_path), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "ganbench-hinge" / "suites" / "hinge.toml").is_file()
