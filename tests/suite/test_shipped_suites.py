"""Every suite that ganbench ships plans as it is written, with small files in the real formats."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from ganbench import GanbenchError, plan, registry
from ganbench.registry import Registry
from ganbench.suite.loading import load
from PIL import Image
from torch import Tensor, nn

from ganbench_plugins.extractors import torch_fidelity
from tests.support import image_files
from tests.support.terminal import ganbench as command

SUITES = Path(__file__).parents[2] / "suites"
EVERY = sorted(path.stem for path in SUITES.glob("*.toml"))


class SmallInception(nn.Module):
    """Answers with the sizes of Inception-v3, from the first pixels."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pixels = x.flatten(1)[:, :1024].float() / 255
        return pixels.repeat(1, 2), pixels[:, :1008]


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with small files of two sets, a folder of pictures, and a stand-in for Inception-v3."""
    data = tmp_path / "data"
    monkeypatch.setenv("GANBENCH_DATA", str(data))
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    image_files.write_cifar10(data / "cifar10", monkeypatch)
    image_files.write_imagenet32(data / "imagenet32", monkeypatch)
    write_pictures(data / "my-pictures", 40)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"")
    monkeypatch.setattr(torch_fidelity, "find_weights", lambda name, given: weights)
    monkeypatch.setattr(torch_fidelity, "load_checked", lambda *given: SmallInception())
    return tmp_path


def write_pictures(folder: Path, count: int) -> None:
    """Write random pictures of several sizes, two formats among them."""
    folder.mkdir()
    draw = np.random.RandomState(0)
    for i in range(count):
        pixels = draw.randint(0, 256, (40 + i, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.{'jpg' if i % 2 else 'png'}")


def test_the_page_on_suites_lists_every_shipped_one() -> None:
    page = (SUITES.parent / "docs/reference/suites.md").read_text()
    assert [name for name in EVERY if f"`{name}`" not in page] == []


def make(name: str, plugins: Registry, scale: str = "") -> plan.Plan:
    return plan.make(load(SUITES / f"{name}.toml", scale), plugins)


def list_cautions(made: plan.Plan) -> list[str]:
    """Return the cautions of a plan, but for fallbacks and for suites without a success rule."""
    return [line for line in made.warnings if "fallback" not in line and "has no success rule" not in line]


@pytest.mark.parametrize("name", EVERY)
def test_every_shipped_suite_plans_without_a_caution(name: str, plugins: Registry, files: Path) -> None:
    made = make(name, plugins)
    cautions = list_cautions(made)
    if name == "zoo":  # recipes with their own settings, in runs a hundred times shorter than those they are for
        cautions = [line for line in cautions if ": with ema = " not in line and ": critic_steps: " not in line]
    if name == "momentum_and_clipping":  # the caution's own claim, put to the test
        cautions = [line for line in cautions if "'weight-clipping' with momentum" not in line]
    if name == "normalisation":  # so is this one's
        cautions = [line for line in cautions if "with batch norm in the critic" not in line]
    assert made.trials
    assert not cautions


@pytest.mark.parametrize(
    ("name", "scale"), [(name, scale) for name in EVERY for scale in load(SUITES / f"{name}.toml").scale]
)
def test_every_scale_of_a_shipped_suite_plans_without_a_caution(name: str, scale: str, plugins: Registry) -> None:
    made = make(name, plugins, scale)
    assert made.trials
    assert not list_cautions(made)


@pytest.mark.parametrize("name", ["random_arch_cifar10", "random_arch_imagenet32"])
def test_the_papers_experiment_has_its_architectures_methods_and_thresholds(
    name: str, plugins: Registry, files: Path
) -> None:
    began = process_time()
    made = make(name, plugins)
    assert process_time() - began < 10, "400 trials are planned in seconds"
    assert len(made.trials) == 400
    assert len({json.dumps(dict(trial.spec), sort_keys=True) for trial in made.trials}) == 200
    assert {(trial.budget.generator_steps, trial.budget.batch_size) for trial in made.trials} == {(100_000, 64)}
    adam = {"ns-gan": (2e-4, 0.5, 0.999), "wgan-gp": (1e-4, 0.0, 0.9)}
    for trial in made.trials:
        for optimizer in (trial.recipe.critic_optimizer, trial.recipe.generator_optimizer):
            options = {"lr": 1e-4, "beta1": 0.5, "beta2": 0.999, **optimizer.options}  # adam's defaults
            assert tuple(options[key] for key in ("lr", "beta1", "beta2")) == adam[trial.labels["method"]]
    (rule,) = load(SUITES / f"{name}.toml").success
    assert list(rule.thresholds) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_decayed_critic_is_a_normalised_one(plugins: Registry, files: Path) -> None:
    """Weight decay of 1e-3 acts exactly where the critic has a norm, as in the paper."""
    seen = set()
    for trial in make("random_arch_imagenet32", plugins).trials:
        decays = [term.weight for term in trial.recipe.constraints if term.name == "weight-decay"]
        assert decays == [1e-3] * trial.spec["critic_normalised"]
        seen.add(len(decays))
    assert seen == {0, 1}


@pytest.mark.parametrize("name", [name for name in EVERY if "cifar10" in name or "imagenet32" in name])
def test_missing_data_or_weights_are_named_with_what_to_fetch(
    name: str, plugins: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(GanbenchError) as error:
        make(name, plugins)
    assert str(tmp_path) in str(error.value)
    assert "https://" in str(error.value)
    assert "Nothing is downloaded" in str(error.value)


def test_a_missing_folder_of_pictures_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    ended = command("plan", str(SUITES / "own_pictures.toml"), cwd=tmp_path)
    assert ended.returncode == 2
    assert f"there is no 'my-pictures' in {tmp_path}" in ended.stderr
    assert "put your pictures into a folder of this name" in ended.stderr


def test_own_pictures_train_and_are_scored(files: Path) -> None:
    text = (SUITES / "own_pictures.toml").read_text()
    for old, new in {
        "generator_steps = 5000": "generator_steps = 2",
        "batch_size = 64": "batch_size = 4",
        "snapshots = 5": "snapshots = 1",
        "filters = 32": "filters = 2",
        "samples = 1000": "samples = 16",
        "seeds = 3": "seeds = 1",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (files / "own_pictures.toml").write_text(text)
    ended = command("run", "own_pictures.toml", "--jobs", "0", "--device", "cpu", cwd=files)
    assert ended.returncode == 0, ended.stderr
    for scored in ("baseline: ten memorised | sliced-W1", "ns-gan | MMD", "wgan-gp | sliced-W1"):
        assert f"| {scored}" in ended.stdout
    drawn = command("samples", "results/own_pictures", "--nearest", cwd=files)
    assert drawn.returncode == 0, drawn.stderr
