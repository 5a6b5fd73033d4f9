"""`--only` and `--limit` narrow what is trained now, never the plan; `--fresh` trains all again and keeps a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import GanbenchError
from ganbench.results.store import Store, read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small


def run_small(folder: Path, **settings: Any) -> list[str]:
    """Run the small suite; return the methods and seeds that were trained."""
    session, *rest = run_events(read_suite(small()), Settings(results=folder, jobs=0, **settings))
    assert rest
    assert len(session[0].plan.trials) == 6
    return [f"{t.labels['method']} {t.seed}" for batch in session[0].todo.batches for t in batch.trials]


def test_only_narrows_what_is_trained_and_keeps_the_plan(tmp_path: Path) -> None:
    assert run_small(tmp_path, only=("method=wgan-gp",)) == ["wgan-gp 0", "wgan-gp 1", "wgan-gp 2"]
    assert read(tmp_path).trials["status"].tolist() == ["missing"] * 3 + ["completed"] * 3
    assert len(run_small(tmp_path)) == 3
    assert set(read(tmp_path).trials["status"]) == {"completed"}


def test_values_of_one_trait_are_alternatives_and_batches_stay_whole(tmp_path: Path) -> None:
    def count_selected(*only: str, **more: Any) -> int:
        todo = next(iter(run_events(read_suite(small()), Settings(results=tmp_path, jobs=0, only=only, **more))))[
            0
        ].todo
        return sum(len(batch.trials) for batch in todo.batches)

    assert count_selected("method=ns-gan", "method=wgan-gp") == 6
    assert count_selected("seed=1", "method=ns-gan", "dataset=ring") == 3
    key = next(iter(run_events(read_suite(small()), Settings(results=tmp_path, jobs=0))))[0].plan.trials[4].key
    assert count_selected(f"key={key[:9]}") == 3
    assert count_selected(limit=5) == 3
    assert count_selected(limit=6) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"only": ("method",)}, "--only 'method': write a trait and its value"),
        ({"only": ("metod=ns-gan",)}, "no trait 'metod'. Did you mean 'method'?"),
        ({"only": ("method=ns-gam",)}, "no method 'ns-gam'. Did you mean 'ns-gan'? Known: ns-gan, wgan-gp."),
        ({"only": ("seed=3",)}, "no seed '3'. Known: 0, 1, 2."),
        ({"only": ("key=zz",)}, "no trial of this plan has a key that begins with 'zz'"),
        ({"limit": 0}, "--limit = 0"),
        ({"limit": 2}, "has 3 trials, which train together. Give 3 or more"),
        ({"fresh": True, "only": ("method=ns-gan",)}, "Give one of them"),
    ],
)
def test_an_empty_selection_is_an_error_and_nothing_is_stored(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GanbenchError) as error:
        ganbench.run(small(), results=tmp_path, jobs=0, **settings)
    assert message in str(error.value)
    if (tmp_path / "results.sqlite").exists():
        with Store(tmp_path, readonly=True) as store:
            assert not store.known()
            assert store.frames().suite == ""


def test_fresh_keeps_complete_results_with_their_generators_under_another_name(tmp_path: Path) -> None:
    before = ganbench.run(small(), results=tmp_path, jobs=0)
    with pytest.raises(GanbenchError, match=r"a sound database, which --fresh would put aside.*add --yes"):
        run_small(tmp_path, fresh=True)
    assert run_small(tmp_path, fresh=True, yes=True) == ["ns-gan 0", "ns-gan 1", "ns-gan 2"] + [
        f"wgan-gp {seed}" for seed in range(3)
    ]
    assert read(tmp_path).scores.equals(before.scores)
    copy = tmp_path / "copy"
    copy.mkdir()
    (tmp_path / "results.sqlite.replaced-1").rename(copy / "results.sqlite")
    (tmp_path / "networks.replaced-1").rename(copy / "networks")
    with Store(copy, readonly=True) as old:
        assert old.generator(before.trials["key"][0])


def test_fresh_asks_first_and_does_nothing_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganbench.cli import training

    ganbench.run(small(), results=tmp_path / "r", jobs=0)
    process = command(
        "run", str(Path(__file__).parents[2] / "suites" / "smoke.toml"), "--results", "r", "--fresh", cwd=tmp_path
    )
    assert process.returncode == 2
    assert "add --yes" in process.stderr
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(training.typer, "confirm", lambda *_, **__: False)
    with pytest.raises(GanbenchError, match="nothing was changed"):
        training.confirm(tmp_path / "r")
    monkeypatch.setattr(training.typer, "confirm", lambda *_, **__: True)
    assert training.confirm(tmp_path / "r")
    assert not training.confirm(tmp_path / "nowhere")
    assert len(read(tmp_path / "r").trials) == 6
