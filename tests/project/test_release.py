"""What a release publishes agrees with itself."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import ganbench
import pytest
import yaml

from tests.support.documents import ROOT

VERSIONS = runpy.run_path(str(ROOT / "docs/versions.py"))


def test_the_citation_has_the_version_and_the_license_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == ganbench.__version__
    assert citation["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_changelog_begins_with_what_is_unreleased_or_with_this_version() -> None:
    first = re.findall(r"(?m)^## (.+)$", (ROOT / "CHANGELOG.md").read_text())[0]
    assert first.split()[0] in ("Unreleased", ganbench.__version__)


def test_the_first_page_of_the_site_opens_the_newest_version_and_lists_all(tmp_path: Path) -> None:
    for name in ("0.9.0", "0.10.0", "0.10.0rc1", "images"):
        (tmp_path / name).mkdir()
    VERSIONS["write_pages"](tmp_path)
    assert 'url=0.10.0/docs/index.html"' in (tmp_path / "index.html").read_text()
    assert re.findall(r">([\d.rc]+)</a>", (tmp_path / "versions.html").read_text()) == ["0.10.0", "0.10.0rc1", "0.9.0"]


def test_a_site_without_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no folder with the name of a version"):
        VERSIONS["write_pages"](tmp_path)


@pytest.mark.parametrize(
    "path", [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml"], ids=lambda p: p.name
)
def test_the_files_of_the_hosts_can_be_read(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)
