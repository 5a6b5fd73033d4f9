"""Sheets of interpolations, of nearest training images, and of real data beside the samples."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, Source, Space, read, registry
from ganbench.engine.sampling import blend
from ganbench.report import sample_relations, samples
from ganbench.report.sample_plots import Strip, draw_grids, draw_images
from ganbench.report.sample_relations import describe_images, find_nearest, list_interpolations, list_nearest
from ganbench.report.samples import list_sheets, trial_sheet
from ganbench.report.style import render_png
from PIL import Image
from torch import Tensor, nn

from tests.support.small_games import LATENT, make_training, ns_gan
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two methods on digits and one on points."""
    out = tmp_path_factory.mktemp("sheets") / "r"
    suite = small(
        methods=["ns-gan", "lsgan"],
        dataset=[{"name": "digits"}, {"name": "ring"}],
        budget={"generator_steps": 2, "batch_size": 16, "snapshots": 1},
        measurement={"samples": 40, "metrics": ["sliced-w1"]},
        success=None,
    )
    ganbench.run(suite, results=out, jobs=0, device="cpu")
    return out


def keys_of(folder: Path, dataset: str) -> list[str]:
    trials = read(folder).trials
    return list(trials.loc[trials["dataset"] == dataset, "key"])


def size(png: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(png)) as picture:
        return picture.size


def test_latents_are_blended_on_the_sphere() -> None:
    """Between orthogonal vectors of one length the middle is (a + b) / sqrt 2, of the same length."""
    a, b = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 2.0, 0.0]])
    assert torch.allclose(blend(a, b, 0.5), (a + b) / math.sqrt(2))
    assert torch.allclose(blend(a, b, 1 / 3), torch.tensor([[math.sqrt(3), 1.0, 0.0]]))
    assert torch.equal(blend(a, b, 0.0), a)
    assert torch.allclose(blend(a, b, 1.0), b, atol=1e-6)
    assert torch.allclose(blend(a, 3 * a, 0.5), 2 * a), "parallel ones are blended straight"


class Coloured(nn.Module):
    """A conditional generator of colour images that mixes its rows, as batch normalisation does."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(LATENT, 3 * 64), nn.BatchNorm1d(3 * 64, track_running_stats=False)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.norm(self.linear(z)).reshape(-1, 3, 8, 8).tanh() + 10.0 * labels[:, None, None, None].to(z)


def colour_space() -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 1), nn.Flatten(0))
        return Networks(generator=Coloured(), critic=Judge(critic), latent=LATENT, conditional=True)

    return Space(sample=lambda rng: {}, networks=networks)


class Judge(nn.Module):
    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scores: Tensor = self.critic(x)
        return scores


def colours(dtype: torch.dtype = torch.uint8) -> Source:
    """Return 50 labelled colour images."""
    held = torch.randint(0, 256, (50, 3, 8, 8), generator=torch.Generator().manual_seed(3)).to(torch.uint8)
    rows = held if dtype == torch.uint8 else held.to(dtype) / 127.5 - 1
    return Source(
        shape=(3, 8, 8),
        size=50,
        take=lambda i: rows[i.cpu()],
        reference=lambda n: rows[:n],
        classes=2,
        labels=lambda i: i % 2,
    )


def test_a_way_between_latents_begins_and_ends_at_scored_samples_and_keeps_its_label() -> None:
    """Each place is a batch of the training's size: so the ends are the samples, although rows depend on each other."""
    training = make_training(ns_gan(), colour_space(), colours(), steps=2, rows=8)
    *_, last = training.run()
    scored = training.draw_samples(last, 30)[1]
    way = training.drawing.interpolate(last, 1, 30, 5).cpu()
    assert way.shape == (8, 5, 3, 8, 8)
    assert torch.allclose(way[:, 0], scored[:8], atol=1e-5)
    labels = (way.mean((2, 3, 4)) / 10).round()
    assert torch.equal(labels, labels[:, :1].expand(-1, 5))
    assert len(labels.unique()) == 2
    ends = way[:, -1] - 10 * labels[:, -1, None, None, None]
    others = scored[8:16] - 10 * (scored[8:16].mean((1, 2, 3)) / 10).round()[:, None, None, None]
    assert torch.allclose(ends, others, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_search_in_blocks_finds_what_a_full_one_finds(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    monkeypatch.setattr(sample_relations, "BLOCK", 7)
    source, told = colours(dtype), list[tuple[int, int]]()
    rows = colours(torch.float32).take(torch.arange(50))
    queries = torch.cat([rows[[13, 49]], torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))])

    def measure(images: Tensor) -> Tensor:
        return describe_images(None, source, torch.device("cpu"), images)

    found = find_nearest(measure(queries), source, measure, lambda done, total: told.append((done, total)))
    full = torch.cdist(queries.flatten(1), rows.flatten(1)).argsort(1)[:, : sample_relations.NEAREST]
    assert torch.equal(found, full)
    assert found[:2, 0].tolist() == [13, 49]
    assert told == [*((7 * i, 50) for i in range(1, 8)), (50, 50)]


def test_a_set_smaller_than_a_row_of_neighbours_is_shown_whole() -> None:
    source = replace(colours(torch.float32), size=3)
    rows = source.take(torch.arange(3)).flatten(1)
    found = find_nearest(rows, source, lambda images: images.flatten(1), lambda done, total: None)
    assert found.shape == (3, 3)


def test_one_search_serves_all_methods_in_the_space_of_the_extractor(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, headings = list[int](), list[str]()
    real_draw = draw_images
    monkeypatch.setattr(
        sample_relations,
        "draw_images",
        lambda strips, title, columns, figure: headings.append(title) or real_draw(strips, title, columns, figure),
    )
    frames = read(folder)
    pictures = list_nearest(folder, frames, PLUGINS, "", lambda done, total: told.append(done))
    drawn = [draw() for name, draw in pictures if name in ("digits-ns-gan-nearest.png", "digits-lsgan-nearest.png")]
    assert len(drawn) == 2
    assert all(size(png)[1] > 100 for png in drawn)
    assert told == sorted(set(told)), "each training image is compared once"
    name = PLUGINS.build("datasets", "digits", {}).extractor.name
    assert all(heading.endswith(f"\nby features of {name}") and "gan on digits" in heading for heading in headings)


def test_points_have_neither_interpolations_nor_neighbours(folder: Path) -> None:
    (key, *_) = keys_of(folder, "ring")
    for listed in (list_interpolations, list_nearest):
        ((_, draw),) = listed(folder, read(folder), PLUGINS, key)
        with pytest.raises(GanbenchError, match=r"the shape \[2\], and this sheet is of images"):
            draw()


def test_real_data_stand_beside_the_samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (key, *_), frames = keys_of(folder, "digits"), read(folder)
    drawn = list[Strip]()
    monkeypatch.setattr(samples, "draw_grids", lambda strips, *rest: drawn.extend(strips) or draw_grids(strips, *rest))
    _, beside = trial_sheet(folder, frames, PLUGINS, key, real=True)
    assert size(beside())[0] > 100
    assert [strip.name for strip in drawn] == ["its samples", "the real data"]
    data = PLUGINS.build("datasets", "digits", {}).reference(100).numpy()
    assert np.array_equal(drawn[1].samples[:100], data)
    assert not np.array_equal(drawn[0].samples[:100], data)
    for (name, plain), (_, real) in zip(
        list_sheets(folder, frames, PLUGINS), list_sheets(folder, frames, PLUGINS, real=True), strict=True
    ):
        assert size(real()) >= size(plain()), name
        assert real() != plain(), name


def test_a_sheet_keeps_the_colours_of_its_images() -> None:
    red = np.zeros((2, 3, 8, 8), np.float32)
    red[:, 0] = 1.0
    strips = [Strip("red", red, np.stack([red[0], np.zeros_like(red[0])]))]
    png = render_png(lambda figure: draw_images(strips, "title", 2, figure), height=1.0)
    with Image.open(BytesIO(png)) as picture:
        assert (255, 0, 0) in {colour for _, colour in picture.convert("RGB").getcolors(100_000) or ()}


def test_the_command_draws_each_kind_and_refuses_two_at_once(folder: Path, tmp_path: Path) -> None:
    (key, *_) = keys_of(folder, "digits")
    for option, name in (("--interpolate", "interpolations"), ("--nearest", "nearest"), ("--real", "samples")):
        run = command("samples", str(folder), "--of", key, option, "--out", str(tmp_path / name), cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        (file,) = (tmp_path / name).iterdir()
        assert file.name == f"trial-{key[:12]}-{name}.png"
    run = command("samples", str(folder), "--nearest", "--real", cwd=tmp_path)
    assert run.returncode != 0
    assert "each is another sheet" in run.stderr
