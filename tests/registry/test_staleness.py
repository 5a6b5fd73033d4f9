"""A record is stale if the code of its plugins or the engine's numerics changed, and for no other reason."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import registry
from ganbench.engine.numerics import ENGINE_NUMERICS
from ganbench.plan import fingerprint
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


def train_remaining(folder: Path, **settings: Any) -> tuple[list[str], int]:
    """Run a suite with a third-party loss; return the methods that were trained, and the number of stale trials."""
    suite = read_suite(small(**MINE, success=None))
    (session, _), *_ = run_events(suite, Settings(results=folder, jobs=0, **settings))
    return [batch.trials[0].labels["method"] for batch in session.todo.batches], len(session.todo.stale)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third-party package with a loss, as after an editable install: its files, and an entry point."""
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
    for module in [name for name in sys.modules if name.partition(".")[0] == "acme_losses"]:
        del sys.modules[module]
    return package


def test_an_edit_to_an_installed_plugin_makes_its_trials_stale_and_a_comment_does_not(
    acme: Path, tmp_path: Path
) -> None:
    assert train_remaining(tmp_path / "r") == (["ns-gan", "m"], 0)
    assert train_remaining(tmp_path / "r") == ([], 0)
    plugin, numbers = acme / "plugin.py", acme / "numbers.py"
    rewrite(plugin, plugin.read_text().replace("Return the loss", "Compute the loss") + "\n\n# a late comment\n")
    rewrite(numbers, '"""Numbers."""\n\nFACTOR = 1.0  # one\n')
    assert train_remaining(tmp_path / "r") == ([], 0)
    rewrite(numbers, "FACTOR = 1.5\n")
    assert train_remaining(tmp_path / "r") == (["m"], 3), "a module that the plugin imports"
    rewrite(plugin, plugin.read_text().replace("softplus(fake).mean()", "2 * softplus(fake).mean()"))
    assert train_remaining(tmp_path / "r") == (["m"], 3)
    assert train_remaining(tmp_path / "r") == ([], 0)


def test_keep_stale_keeps_stale_records_and_tables_mark_them(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.py", tmp_path / "r"
    file.write_text(LOSS)
    assert train_remaining(out, files=(str(file),)) == (["ns-gan", "m"], 0)
    before = read(out).scores
    file.write_text(LOSS.replace("softplus(-fake)", "3 * softplus(-fake)"))
    assert train_remaining(out, files=(str(file),), keep_stale=True) == ([], 0)
    frames = read(out)
    assert frames.scores.equals(before)
    assert frames.trials["stale"].tolist() == [False] * 3 + [True] * 3
    assert "3 of the trials are stale: trained by other code than the plan's." in make_tables(frames)[0].notes
    assert train_remaining(out, files=(str(file),)) == (["m"], 3)
    assert not read(out).trials["stale"].any()


def test_a_change_of_the_engines_numerics_makes_every_record_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def methods() -> list[str]:
        (session, _), *_ = run_events(read_suite(small()), Settings(results=tmp_path, jobs=0))
        return [batch.trials[0].labels["method"] for batch in session.todo.batches]

    assert methods() == ["ns-gan", "wgan-gp"]
    monkeypatch.setattr(fingerprint, "ENGINE_NUMERICS", ENGINE_NUMERICS + 1)
    assert methods() == ["ns-gan", "wgan-gp"]
    assert methods() == []


def test_a_registry_that_kept_the_texts_does_not_see_a_later_edit(acme: Path) -> None:
    """A worker hashes an offer when it first trains with it; the code in its memory is that of its start."""
    before, kept, other = registry.load(), registry.load(), registry.load()
    kept.keep_texts()
    code = before.code("losses", "mine")
    rewrite(acme / "numbers.py", "FACTOR = 2.0\n")
    assert kept.code("losses", "mine") == code
    assert other.code("losses", "mine") != code


def test_an_edit_of_the_core_makes_nothing_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code hashes read the files of the plugins, and no file of the core, even if a plugin imports it."""
    hashed: set[Path] = set()
    read_source = code_hash.read_source

    def spy(file: Path, module: str, *texts: Any) -> str:
        hashed.add(file)
        return read_source(file, module, *texts)

    monkeypatch.setattr(code_hash, "read_source", spy)
    plugins = registry.load()
    for kind in plugins.kinds:
        for offered in plugins.offers(kind):
            assert len(plugins.code(kind, offered.offer.name)) == 64
    assert {Path(offered.origin) for kind in plugins.kinds for offered in plugins.offers(kind)} <= hashed
    assert not [file for file in hashed if CORE in file.parents]
