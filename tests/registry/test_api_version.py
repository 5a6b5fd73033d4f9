"""The number of the API: a plugin that needs a newer ganbench is refused by name, with the way out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import ganbench
import pytest
from ganbench.api import version
from ganbench.errors import GanbenchError
from ganbench.registry.registry import load

from tests.registry.test_registry import PLUGIN, ganbench_losses, install, write
from tests.support.terminal import ganbench as run

NEWER = f"it was written for API {version.API_VERSION + 1} of ganbench, and this ganbench has API {version.API_VERSION}"
UPGRADE = "pip install --upgrade ganbench"


def plugin(declared: object) -> str:
    """Return the text of a plugin that declares an API."""
    return f"ganbench_api = {declared!r}\n{PLUGIN.format(name='hers')}"


def test_the_number_is_public() -> None:
    assert ganbench.API_VERSION == version.API_VERSION >= version.OLDEST_API >= 1


@pytest.mark.parametrize("declared", range(version.OLDEST_API, version.API_VERSION + 1))
def test_every_api_since_the_oldest_is_served(declared: int, tmp_path: Path) -> None:
    registry = load(files=[write(tmp_path / "mine.py", plugin(declared))], installed=False)
    assert registry.get("losses", "hers").api == declared


def test_a_plugin_need_not_declare_an_api(tmp_path: Path) -> None:
    registry = load(files=[write(tmp_path / "mine.py", PLUGIN.format(name="hers"))], installed=False)
    assert registry.get("losses", "hers").api is None


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (version.API_VERSION + 1, NEWER),
        (0, f"it was written for API 0 of ganbench, and this ganbench serves API {version.OLDEST_API}"),
        ("1", "ganbench_api is '1'. Write a whole number"),
        (True, "ganbench_api is True. Write a whole number"),
    ],
)
def test_a_file_or_an_object_of_another_api_is_refused(declared: object, reason: str, tmp_path: Path) -> None:
    file = write(tmp_path / "mine.py", plugin(declared))
    with pytest.raises(GanbenchError, match=rf"^mine\.py: {reason}"):
        load(files=[file], installed=False)
    with pytest.raises(GanbenchError, match=reason):
        load(plugins=[SimpleNamespace(ganbench_api=declared, ganbench_losses=ganbench_losses)], installed=False)


def test_a_newer_file_is_refused_by_its_number_before_a_name_that_is_missing_here(tmp_path: Path) -> None:
    text = f"from ganbench import NewThing\nganbench_api: int = {version.API_VERSION + 1}\n"
    with pytest.raises(GanbenchError, match=f"{NEWER}. Upgrade: {UPGRADE}"):
        load(files=[write(tmp_path / "mine.py", text)], installed=False)


@pytest.mark.parametrize("import_line", ["", "from ganbench import NewThing\n"])
def test_an_installed_plugin_of_a_newer_api_is_left_out_and_named(
    import_line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = import_line + plugin(version.API_VERSION + 1)
    install(tmp_path, "new-gan", {"losses.hers": "new_gan_loss"}, {"new_gan_loss": text})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "new_gan_loss", raising=False)
    registry = load()
    assert "wasserstein" in registry.names("losses")
    assert [str(each) for each in registry.problems] == [
        f"plugin 'losses.hers' of new-gan 2.0: {NEWER}. Upgrade: {UPGRADE}."
    ]
    with pytest.raises(GanbenchError, match=UPGRADE):
        registry.get("losses", "hers")


def test_show_names_the_api_of_a_plugin(tmp_path: Path) -> None:
    write(tmp_path / "mine.py", plugin(1))
    ended = run("show", "hers", "--plugin", "mine.py", cwd=tmp_path)
    assert "from mine.py, written for API 1" in ended.stdout
