"""Sheets on codes: each row has its class, or sweeps its code, and nothing else changes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ganbench
import pytest
import torch
from ganbench import Ask, Draw, GanbenchError, Input, Networks, Source, Space, read, registry
from ganbench.engine.model import Model
from ganbench.engine.program import Link, Program
from ganbench.report.sample_codes import list_codes, vary_codes
from ganbench.report.sample_source import SampleSource
from PIL import Image
from torch import Tensor, nn

from tests.support.small_games import LATENT, NS, make_training
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()
LATENTS = {
    "class": Draw("onehot", (3,)),
    "tilt": Draw("uniform", (2,)),
    "twins": Draw("onehot", (2, 2)),
    "side": Draw("sign", (1,)),
}
WIDTH = LATENT + 3 + 2 + 4 + 1


def collect(rows: int, columns: int, row: int = 1) -> tuple[dict[str, Tensor], Tensor]:
    """Return the rows of a generator that returns its input, and its first scored samples, which are its latents."""

    def networks(spec: Any, ask: Ask) -> Networks:
        generator = nn.Linear(WIDTH, WIDTH)
        nn.init.eye_(generator.weight)
        nn.init.zeros_(generator.bias)
        critic = nn.Sequential(nn.Linear(WIDTH, 1), nn.Flatten(0))
        return Networks(generator=generator, critic=critic, latent=LATENT, rowwise=True)

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return torch.randn(n, WIDTH, generator=generator)

    source = Source(shape=(WIDTH,), draw=draw, reference=lambda n: torch.zeros(n, WIDTH))
    program = Program(objective=NS, inputs=(Link("codes", 1.0, Input(latent=LATENTS)),))

    def rest(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.0)

    training = make_training(
        program, Space(sample=lambda rng: {}, networks=networks), source, steps=1, rows=rows, optimizer=rest
    )
    *_, last = training.run()
    batch: Any = SimpleNamespace(
        training=training, snapshot=last, batch=SimpleNamespace(measurement=SimpleNamespace(samples=20))
    )
    return dict(vary_codes(batch, row, columns)), training.draw_samples(last, 20)[row]


def test_there_is_a_row_for_each_class_and_for_each_swept_code() -> None:
    rows, _ = collect(8, 5)
    twins = [f"twins {part}: {index}" for part in (1, 2) for index in (0, 1)]
    classes = [f"class: {index}" for index in range(3)]
    assert list(rows) == [*classes, "tilt 1: 0 to 1", "tilt 2: 0 to 1", *twins, "side: -1 to 1"]
    assert {tuple(row.shape) for row in rows.values()} == {(5, WIDTH)}


def test_a_row_of_a_class_changes_its_code_alone_in_the_first_scored_samples() -> None:
    rows, scored = collect(8, 5)
    for index in range(3):
        expected = scored[:5].clone()
        expected[:, LATENT : LATENT + 3] = torch.eye(3)[index]
        torch.testing.assert_close(rows[f"class: {index}"], expected)
    expected = scored[:5].clone()
    expected[:, LATENT + 7 : LATENT + 9] = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(rows["twins 2: 1"], expected)


def test_a_swept_code_goes_evenly_over_its_range_in_one_sample() -> None:
    rows, scored = collect(8, 5)
    for name, place, low in (("tilt 2: 0 to 1", LATENT + 4, 0.0), ("side: -1 to 1", WIDTH - 1, -1.0)):
        expected = scored[:1].expand(5, -1).clone()
        expected[:, place] = torch.linspace(low, 1.0, 5)
        torch.testing.assert_close(rows[name], expected)


def test_a_batch_with_fewer_rows_than_the_sheet_has_columns_shows_all_its_rows() -> None:
    rows, _ = collect(4, 6)
    assert (len(rows["class: 0"]), len(rows["tilt 1: 0 to 1"])) == (4, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a method with codes and of one without, on images and on points."""
    out = tmp_path_factory.mktemp("codes") / "r"
    codes = [{"name": "infogan", "categories": 3, "continuous": 1}]
    suite = small(
        methods=["ns-gan"],
        method=[{"name": "coded", "from": "ns-gan", "inputs": codes}],
        dataset=[{"name": "digits"}, {"name": "ring"}],
        budget={"generator_steps": 2, "batch_size": 16, "snapshots": 1},
        measurement={"samples": 40, "metrics": ["sliced-w1"]},
        success=None,
    )
    ganbench.run(suite, results=out, jobs=0, device="cpu")
    return out


def test_each_method_with_codes_has_a_sheet_of_images_or_of_points(folder: Path) -> None:
    sheets = dict(list_codes(folder, read(folder), PLUGINS))
    assert len(sheets) == 2
    for name, draw in sheets.items():
        assert "coded" in name
        with Image.open(BytesIO(draw())) as picture:
            assert min(picture.size) > 100


def test_the_command_draws_a_trials_codes_and_says_that_a_method_has_none(folder: Path, tmp_path: Path) -> None:
    trials = read(folder).trials.set_index("method")
    coded, plain = (str(trials.loc[[name], "key"].iloc[0]) for name in ("coded", "ns-gan"))
    run = command("samples", str(folder), "--of", coded, "--codes", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert [file.suffix for file in (tmp_path / "out").iterdir()] == [".png"]
    with pytest.raises(GanbenchError, match=f"the method of trial {plain} adds no codes or labels to"):
        list_codes(folder, read(folder), PLUGINS, plain)
    run = command("samples", str(folder), "--codes", "--real", cwd=tmp_path)
    assert "each is another sheet" in run.stderr


def test_a_conditional_generator_has_a_row_for_each_label_with_the_same_noise(tmp_path: Path) -> None:
    """The suite trains it; the rows are those of the model at the first latents, with every label in turn."""
    table = {
        "question": "Does the label choose the mode?",
        "seeds": 1,
        "methods": ["acgan"],
        "budget": {"generator_steps": 3, "batch_size": 8, "snapshots": 1},
        "architectures": {"space": "mlp", "options": {"generator_width": 8, "critic_width": 8, "latent": 3}},
        "dataset": [{"name": "labelled-ring", "modes": 3, "size": 60}],
        "measurement": {"samples": 20},
    }
    ganbench.run(table, results=tmp_path)
    (picture,) = list_codes(tmp_path, read(tmp_path), PLUGINS)
    assert picture[0].endswith("codes.png")
    assert Image.open(BytesIO(picture[1]())).size[0] > 100
    source = SampleSource(tmp_path, read(tmp_path), PLUGINS)
    key = read(tmp_path).trials["key"].iloc[0]
    rebuilt = source.open(key)
    rows = dict(vary_codes(rebuilt, 0, 5))
    assert list(rows) == ["label: 0", "label: 1", "label: 2"]
    model = Model(rebuilt.training, rebuilt.snapshot, 0)
    labels = model.draw_labels(20)
    assert labels is not None
    scored = rebuilt.training.draw_samples(rebuilt.snapshot, 20)[0]
    for label in range(3):
        same = labels[:5] == label
        torch.testing.assert_close(rows[f"label: {label}"][same], scored[:5][same])
        assert not same.all()
