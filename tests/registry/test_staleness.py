"""What makes a record stale, and what does not: its plugins' code and the engine's numerics, and nothing else."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import registry
from ganbench.engine.numerics import ENGINE_NUMERICS
from ganbench.plan import planner
from ganbench.registry import code_hash
from ganbench.report import make_tables
from ganbench.results.store import read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings

from tests.registry.test_code_hash import rewrite
from tests.runner.test_driver import LOSS
from tests.support.tiny_suite import suite as small

CORE = Path(ganbench.__file__).parent
MINE: dict[str, Any] = {"methods": ["ns-gan"], "method": [{"name": "m", "from": "ns-gan", "loss": "mine"}]}


def left(folder: Path, **settings: Any) -> tuple[list[str], int]:
    """Run the suite with a loss of its own; name the methods that were trained, and count the stale."""
    asked = read_suite(small(**MINE, success=None))
    (session, _), *_ = run_events(asked, Settings(out=folder, jobs=0, **settings))
    return [batch.trials[0].labels["method"] for batch in session.todo.batches], len(session.todo.stale)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's package with a loss, installed as an editable install leaves it: files, and an entry point."""
    site = tmp_path / "site"
    package, info = site / "acme_losses", site / "acme_losses-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-losses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganbench]\nlosses.mine = acme_losses.plugin\n")
    (package / "__init__.py").write_text("")
    (package / "numbers.py").write_text("FACTOR = 1.0\n")
    (package / "plugin.py").write_text(
        LOSS.replace("from ganbench import", "from acme_losses.numbers import FACTOR\nfrom ganbench import").replace(
            "return softplus(-fake)", "return FACTOR * softplus(-fake)"
        )
    )
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    for name in [each for each in sys.modules if each.partition(".")[0] == "acme_losses"]:
        del sys.modules[name]
    return package


def test_an_edit_to_an_installed_plugin_makes_its_trials_stale_and_a_comment_does_not(
    acme: Path, tmp_path: Path
) -> None:
    assert left(tmp_path / "r") == (["ns-gan", "m"], 0)
    assert left(tmp_path / "r") == ([], 0)
    plugin, numbers = acme / "plugin.py", acme / "numbers.py"
    rewrite(plugin, plugin.read_text().replace("Say how badly", "Tell how badly") + "\n\n# an afterthought\n")
    rewrite(numbers, '"""Numbers."""\n\nFACTOR = 1.0  # one\n')
    assert left(tmp_path / "r") == ([], 0)
    rewrite(numbers, "FACTOR = 1.5\n")
    assert left(tmp_path / "r") == (["m"], 3), "a module that the plugin imports"
    rewrite(plugin, plugin.read_text().replace("softplus(fake).mean()", "2 * softplus(fake).mean()"))
    assert left(tmp_path / "r") == (["m"], 3)
    assert left(tmp_path / "r") == ([], 0)


def test_stale_records_are_kept_when_asked_and_marked_in_the_tables(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.py", tmp_path / "r"
    file.write_text(LOSS)
    assert left(out, files=(str(file),)) == (["ns-gan", "m"], 0)
    before = read(out).scores
    file.write_text(LOSS.replace("softplus(-fake)", "3 * softplus(-fake)"))
    assert left(out, files=(str(file),), keep_stale=True) == ([], 0)
    frames = read(out)
    assert frames.scores.equals(before)
    assert frames.trials["stale"].tolist() == [False] * 3 + [True] * 3
    assert "3 of the trials stale: trained by other code than the plan's." in make_tables(frames)[0].notes
    assert left(out, files=(str(file),)) == (["m"], 3)
    assert not read(out).trials["stale"].any()


def test_the_engines_numerics_make_every_record_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def methods() -> list[str]:
        (session, _), *_ = run_events(read_suite(small()), Settings(out=tmp_path, jobs=0))
        return [batch.trials[0].labels["method"] for batch in session.todo.batches]

    assert methods() == ["ns-gan", "wgan-gp"]
    monkeypatch.setattr(planner, "ENGINE_NUMERICS", ENGINE_NUMERICS + 1)
    assert methods() == ["ns-gan", "wgan-gp"]
    assert methods() == []


def test_an_edit_of_the_core_elsewhere_makes_nothing_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the core is read for a code hash, however the plugins reach it; those of the plugins are."""
    read_: set[Path] = set()
    digest = code_hash._hash_file

    def spy(file: Path, changed: int) -> str:
        read_.add(file)
        return digest(file, changed)

    monkeypatch.setattr(code_hash, "_hash_file", spy)
    plugins = registry.load()
    for kind in plugins.kinds:
        for offered in plugins.offers(kind):
            assert len(plugins.code(kind, offered.offer.name)) == 64
    assert {Path(offered.origin) for kind in plugins.kinds for offered in plugins.offers(kind)} <= read_
    assert not [file for file in read_ if CORE in file.parents]
