"""torch-fidelity's extractors: they answer as torch-fidelity, and no weights are loaded that are not the ones."""

from __future__ import annotations

import hashlib
import pickle
import socket
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from ganbench import Extractor, GanbenchError, NotInstalled, registry
from ganbench.evaluation.extraction import extract_in_chunks
from ganbench.testing.contracts import contracts
from torch import Tensor, nn
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS, CLIPVisual
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torchvision.models import VGG16_Weights

from ganbench_plugins.extractors import torch_fidelity as extractors
from tests.support import device
from tests.support.small_images import draw_images, to_floats

PLUGINS = registry.load()


class Unfilled(FeatureExtractorInceptionV3):
    """Inception-v3 with random weights."""

    def load_state_dict(self, state_dict: Mapping[str, Any], *_: Any, **__: Any) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file with random weights of Inception-v3 (He et al. 2015), and its SHA-256."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save({}, folder / "empty.pth")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Unfilled("inception-v3-compat", ["2048"], feature_extractor_weights_path=folder / "empty.pth")
    torch.save(net.state_dict(), folder / "he.pth")
    return folder / "he.pth", hashlib.sha256((folder / "he.pth").read_bytes()).hexdigest()


def forbid_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def build(name: str, **options: Any) -> Extractor:
    built: Extractor = PLUGINS.build("extractors", name, options)
    return built


def test_inception_is_torch_fidelitys_own(inception: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_network(monkeypatch)
    path, sha256 = inception
    built = build("inception-v3-compat", weights=str(path), sha256=sha256.upper())
    assert built.digest == f"{sha256} torch-fidelity {extractors.version('torch-fidelity')}"
    images = draw_images(0, 2, 1)
    answers = extract_in_chunks(built, to_floats(images), torch.device(device.DEVICE), (-1.0, 1.0))
    layers = ["2048", "logits_unbiased"]
    own = FeatureExtractorInceptionV3("inception-v3-compat", layers, feature_extractor_weights_path=path)
    expected = own.to(device.DEVICE)(images.expand(-1, 3, -1, -1).to(device.DEVICE))
    assert [values.shape[1] for values in expected] == [2048, 1008]
    for name, values in zip(("features", "logits"), expected, strict=True):
        torch.testing.assert_close(answers[name], values.cpu(), rtol=1e-6, atol=1e-6)
        assert values.std() > 1e-3


@pytest.mark.parametrize("place", ["GANBENCH_CACHE", "TORCH_HOME"])
def test_weights_are_found_in_their_places(
    place: str, inception: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "GANBENCH_CACHE"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "TORCH_HOME"))
    folder = tmp_path / place / ("weights" if place == "GANBENCH_CACHE" else "hub/checkpoints")
    folder.mkdir(parents=True)
    (folder / extractors.PUBLISHED["inception-v3-compat"].file).symlink_to(inception[0])
    assert build("inception-v3-compat", sha256=inception[1]).digest.startswith(inception[1])


@pytest.mark.parametrize("name", extractors.PUBLISHED)
def test_a_missing_file_says_what_to_fetch_where_to_put_it_and_its_hash(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_network(monkeypatch)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published = extractors.PUBLISHED[name]
    with pytest.raises(GanbenchError) as error:
        build(name)
    assert isinstance(error.value.__cause__, NotInstalled), "`ganbench check` leaves it out"
    message = str(error.value)
    assert published.url in message
    assert len(published.sha256) == 64
    assert published.sha256 in message
    assert str(tmp_path / "weights" / published.file) in message
    with pytest.raises(GanbenchError, match=r"weights = 'absent\.pth': there is no such file. Fetch https://"):
        build(name, weights="absent.pth")


class Bomb:
    """What a hostile file of weights does when it is unpickled."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.target),)


@pytest.mark.parametrize("name", ["inception-v3-compat", "vgg16", "clip-rn50"])
@pytest.mark.parametrize("pinned", [False, True])
def test_a_file_with_another_hash_is_never_loaded(name: str, pinned: bool, tmp_path: Path) -> None:
    file, mark = tmp_path / extractors.PUBLISHED[name].file, tmp_path / "mark"
    file.write_bytes(pickle.dumps(Bomb(str(mark))))
    expected = "ab" * 32 if pinned else extractors.PUBLISHED[name].sha256
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(GanbenchError, match=f"has the SHA-256 {found}, and {expected} is expected. It was not loaded"):
        build(name, weights=str(file), **({"sha256": expected} if pinned else {}))
    assert not mark.exists()


def test_the_hash_in_the_name_of_a_file_is_that_of_the_table() -> None:
    """The convention of torch.hub: a file's name carries the first digits of its SHA-256."""
    for name, published in extractors.PUBLISHED.items():
        assert published.sha256.startswith(Path(published.file).stem.rpartition("-")[2]), name
        assert published.file == Path(published.url).name or published.sha256 in published.url
    theirs = MODEL_URLS | {"inception-v3-compat": URL_INCEPTION_V3, "vgg16": VGG16_Weights.IMAGENET1K_V1.url}
    assert {name: published.url for name, published in extractors.PUBLISHED.items()} == theirs
    hashes = {name: each["hash"] for name, each in MODEL_METADATA.items()}
    assert {name: extractors.PUBLISHED[name].sha256 for name in extractors.CLIP} == hashes


@pytest.mark.parametrize("wrong", ["6726825d", "g" * 64, "a" * 65])
def test_a_hash_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(GanbenchError, match="SHA-256 of a file has 64 hexadecimal digits"):
        build("vgg16", sha256=wrong)


def test_edited_weights_are_loaded_anew(inception: tuple[Path, str], tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(inception[0].read_bytes())
    build("inception-v3-compat", weights=str(file), sha256=inception[1])
    file.write_bytes(b"edited")
    with pytest.raises(GanbenchError, match="It was not loaded"):
        build("inception-v3-compat", weights=str(file), sha256=inception[1])


class Holder(nn.Module):
    """Parameters by their names, as in the archive of a scripted CLIP."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in dict.fromkeys(each.partition(".")[0] for each in tensors):
            inner = {key[len(name) + 1 :]: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
            if inner:
                self.add_module(name, Holder(inner))
            else:
                self.register_parameter(name, nn.Parameter(tensors[name]))

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_clip_is_built_from_its_archive_and_follows_the_contracts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = CLIPVisual(embed_dim=6, image_resolution=32, vision_layers=1, vision_width=64, vision_patch_size=16)
    tensors = {**small.state_dict(), "text_projection": torch.zeros(4, 6)}
    file = tmp_path / "clip.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch still reads such archives, which is all that we need
        torch.jit.save(torch.jit.script(Holder(tensors)), str(file))
    options = {"weights": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    built = build("clip-vit-b-32", **options)
    answers = extract_in_chunks(built, to_floats(draw_images(0, 3, 3)), torch.device("cpu"), (-1.0, 1.0))
    assert {name: values.shape for name, values in answers.items()} == {"features": (3, 6)}
    assert answers["features"].std() > 1e-3
    offered = PLUGINS.get("extractors", "clip-vit-b-32")
    checked = [each.check() for each in contracts(PLUGINS, [offered], {("extractors", "clip-vit-b-32"): options})]
    assert len(checked) == 8


class SmallVGG(nn.Module):
    """A network with the seven last layers of VGG-16, all small."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        layers = [nn.Linear(16, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4)]
        self.classifier = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classifier(self.features(x))
        return result


def test_vgg16_gives_the_features_of_its_second_hidden_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.models, "vgg16", SmallVGG)
    torch.manual_seed(0)
    torch.save(SmallVGG().state_dict(), file := tmp_path / "vgg.pth")
    built = build("vgg16", weights=str(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    answers = extract_in_chunks(built, to_floats(draw_images(0, 3, 3)), torch.device("cpu"), (-1.0, 1.0))
    assert {name: values.shape for name, values in answers.items()} == {"features": (3, 8)}
    assert (answers["features"] >= 0).all()
    assert answers["features"].std() > 0
