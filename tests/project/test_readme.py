"""What README and the documents say is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from ganbench import plan, registry
from ganbench.api import hooks
from ganbench.cli import app
from ganbench.suite.loading import parse

from tests.support.documents import find_file
from tests.support.tiny_suite import suite as small

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "command",
    ["pip install -e . && ganbench run suites/random_arch.toml", "pip install -e '.[dev]' && pytest"],
)
def test_readme_gives_the_two_commands_on_lines_of_their_own(command: str) -> None:
    assert command in README.splitlines()


def test_the_suite_that_readme_runs_is_there() -> None:
    assert (ROOT / "suites" / "random_arch.toml").is_file()


def test_the_plugin_in_readme_fits_in_twenty_lines() -> None:
    assert len(find_file(ROOT / "README.md", "mine.py").splitlines()) <= 20


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_every_command_and_option_that_a_document_names_is_there(path: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, words in re.findall(r"(?:^|`|&& )ganbench ([a-z]+)([^`\n|&#]*)", path.read_text(), re.MULTILINE):
        assert name in commands
        group = getattr(commands[name], "commands", {}).values()
        known = {spelling for each in (commands[name], *group) for option in each.params for spelling in option.opts}
        assert set(re.findall(r"(?<= )--[a-z-]+", words)) <= known


def test_generated_parts_are_what_the_code_says() -> None:
    ended = subprocess.run([sys.executable, ROOT / "docs/generate.py", "--check"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_recipes_of_the_page_are_what_a_suite_would_write() -> None:
    """Each row's settings, as a [[method]] of a suite, make the recipe that the method's name makes."""
    shelf = registry.load()
    page = (ROOT / "docs/reference/components.md").read_text()
    table = page.partition("\n## methods\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == list(shelf.names("methods"))
    budget = {"generator_steps": 4, "batch_size": 12, "snapshots": 2}  # whole packs of two, three and four samples
    for name, settings, *_ in rows:
        method = tomllib.loads("\n".join(re.findall(r"`([^`]+)`", settings))) | {"name": "written"}
        asked = small(methods=[name.strip("| `")], method=[method], success=None, seeds=1, budget=budget)
        named, written = plan.make(parse(asked, "s.toml"), shelf).trials
        assert written.recipe == named.recipe


def test_every_hook_has_its_heading() -> None:
    headings = (ROOT / "docs/reference/hooks.md").read_text().splitlines()
    names = [name for name in vars(hooks) if name.startswith("ganbench_")]
    assert names
    assert all(f"## {hook}" in headings for hook in names)


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name}: {target}"
