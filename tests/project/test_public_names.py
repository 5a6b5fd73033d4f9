"""The doors of the packages: every public name is there, is documented, and is what the documents say."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "ganbench",
    *(f"ganbench.{path.parent.name}" for path in sorted((ROOT / "ganbench").glob("*/__init__.pyi"))),
]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```(?:python|py)\n(.*?)```", re.DOTALL)
DOTTED = re.compile(r"\bganbench(?:\.[A-Za-z_]\w*)+")
PROMISED = {
    "ganbench.statistics": {"holm", "rate_table", "success_table", "wilson"},
    "ganbench.results": {"read"},
    "ganbench.suite": {"load"},
    "ganbench": {"Batch", "Finished", "GanbenchError", "Lost", "Offer", "Progress", "Record", "Started", "hookimpl"},
}
FIRST_WORDS_NEVER = {"Give", "Gives", "Say", "Says", "Tell", "Tells"}
FEWEST_WORDS = 5


def reach(name: str) -> Any:
    """Return what a dotted name stands for; AttributeError where it stands for nothing."""
    parts = name.split(".")
    thing = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            try:
                thing = importlib.import_module(".".join(parts[:i]))
            except ImportError as error:
                raise AttributeError(f"{name}: no {part}") from error
    return thing


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_hides_no_module(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__
    assert set(module.__all__) >= PROMISED.get(package, set())
    modules = {path.stem for path in Path(str(module.__file__)).parent.glob("*.py")}
    for name in module.__all__:
        assert getattr(module, name) is not None, name
        assert name not in modules, f"{package}.{name} is a module too: what it is would depend on who imported first"
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError):
        _ = module.no_such_name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_and_class_is_documented(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        thing = inspect.unwrap(thing) if callable(thing) else thing
        if inspect.isfunction(thing) or (inspect.isclass(thing) and thing.__module__.startswith("ganbench")):
            words = (inspect.getdoc(thing) or "").split()
            assert len(words) >= FEWEST_WORDS, f"{package}.{name} says: {' '.join(words)}"


def test_no_docstring_begins_as_none_should() -> None:
    wrong = []
    for path in sorted([*(ROOT / "ganbench").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                first = (ast.get_docstring(node) or "").split(maxsplit=1)[:1]
                line = getattr(node, "lineno", 1)
                wrong += [f"{path.relative_to(ROOT)}:{line}: {word}" for word in first if word in FIRST_WORDS_NEVER]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_can_be_imported(path: Path) -> None:
    text = path.read_text()
    for name in sorted(set(DOTTED.findall(text))):
        if not name.endswith((".py", ".toml", ".md")):
            reach(name)
    for code in CODE.findall(text):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "ganbench":
                for alias in node.names:
                    reach(f"{node.module}.{alias.name}")


def test_the_example_of_the_api_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = CODE.findall((ROOT / "docs/reference/api.md").read_text())
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "difference" in capsys.readouterr().out
