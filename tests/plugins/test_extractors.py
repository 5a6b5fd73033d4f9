"""torch-fidelity's extractors: scores equal torch-fidelity's own, and no weights are loaded that are not the ones."""

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
import torch_fidelity
import torchvision
from ganbench import Extractor, GanbenchError, NotInstalled, Source, registry
from ganbench.api.trials import Part
from ganbench.evaluation.extraction import extract_in_chunks
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_model
from ganbench.testing.contracts import contracts
from PIL import Image
from torch import Tensor, nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_clip import CLIPVisual
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_kid import kid_features_to_metric

from ganbench_plugins.extractors import torch_fidelity as extractors
from tests.support import device
from tests.support.metric_checks import METRICS

PLUGINS = registry.load()
NEIGHBOURS, SUBSETS, SUBSET_SIZE = 3, 20, 1000


class TinyNet(FeatureExtractorBase):
    """A small convolutional network with fixed weights: bytes [n, 3, h, w] -> 12 features and 5 logits."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 12, 5, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.head = nn.Linear(12, 5)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        assert x.dtype == torch.uint8
        features = self.layers(x.float() / 16)
        answers = {"features": features, "logits": 4 * (20 * self.head(features)).sin()}
        return tuple(answers[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "features", "logits"

    @staticmethod
    def can_be_compiled() -> bool:
        return False


torch_fidelity.register_feature_extractor("ganbench-tests-tiny", TinyNet)


def make_extractor() -> Extractor:
    """Return the same network as an extractor of ganbench."""
    net = TinyNet("ganbench-tests-tiny", ["features", "logits"])
    extract = lambda x: dict(zip(("features", "logits"), net(x), strict=True))  # noqa: E731
    return Extractor(name="tiny", digest="tiny", extract=extract, module=net, sees="bytes", channels=3, chunk=7)


def draw_images(seed: int, n: int, channels: int) -> Tensor:
    """Return smooth random images of bytes [n, channels, 32, 32], of many shades and contrasts."""
    generator = torch.Generator().manual_seed(seed)
    noise, powers = (
        torch.rand(n, channels, 6, 6, generator=generator),
        torch.rand(n, channels, 1, 1, generator=generator),
    )
    noise = noise ** (4 * powers + seed)
    return nn.functional.interpolate(noise, 32, mode="bilinear").mul(255).round().to(torch.uint8)


def write_images(folder: Path, images: Tensor) -> str:
    """Write images as PNG files, and return their folder."""
    folder.mkdir()
    for i, image in enumerate(images):
        array = image.permute(1, 2, 0).squeeze(2) if len(image) == 1 else image.permute(1, 2, 0)
        Image.fromarray(array.numpy()).save(folder / f"{i:03}.png")
    return str(folder)


def to_floats(images: Tensor) -> Tensor:
    """Return images of bytes as a generator makes them, a little off the grid of bytes, and beyond -1 and 1."""
    step = 2 / 255
    off = torch.rand(images.shape, generator=torch.Generator().manual_seed(7)).sub(0.5).mul(0.9 * step)
    floats = images.float() * step - 1 + off
    return floats + 3.0 * (images == 255) - 3.0 * (images == 0)


def score(fake: Tensor, real: Tensor) -> dict[str, float]:
    """Return our scores of generated images, by the path that training takes."""
    shape = tuple(real.shape[1:])
    take = lambda indices: to_floats(real)[indices]  # noqa: E731
    source = Source(shape=shape, size=len(real), take=take, reference=lambda n: to_floats(real)[:n])
    source = Source(**{**vars(source), "extractor": make_extractor()})
    evidence = ModelEvidence(
        to_floats(fake), Reference(source, len(real)), networks=None, generator_parameters={}, critic_parameters={}
    )
    metrics = [(Part(name), METRICS[name]) for name in ("fid", "inception-score", "kid", "precision-recall")]
    return {score.name: score.value for score in score_model(metrics, evidence, step=1, final=True)}


@pytest.mark.parametrize("channels", [3, 1])
def test_our_scores_are_those_of_torch_fidelity_on_the_same_files(channels: int, tmp_path: Path) -> None:
    fake, real = draw_images(0, 24, channels), draw_images(1, 20, channels)
    ours = score(fake, real)
    folders = write_images(tmp_path / "fake", fake), write_images(tmp_path / "real", real)
    theirs = torch_fidelity.calculate_metrics(
        **dict(zip(("input1", "input2"), folders, strict=True)),
        **dict.fromkeys(("fid", "kid", "isc", "prc", "save_cpu_ram"), True),
        **dict.fromkeys(("cuda", "cache", "verbose"), False),
        **dict.fromkeys((f"feature_layer_{metric}" for metric in ("fid", "kid", "prc")), "features"),
        feature_extractor="ganbench-tests-tiny",
        feature_layer_isc="logits",
        isc_splits=1,
        kid_subsets=SUBSETS,
        kid_subset_size=20,
        prc_neighborhood=NEIGHBOURS,
    )
    assert ours["fid"] > 0.1
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    assert ours["is"] > 1.01
    assert ours["is"] == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert 0 < ours["precision"] + ours["recall"] < 2
    assert (ours["precision"], ours["recall"]) == (theirs["precision"], theirs["recall"])
    # its command line computes KID in float32; the same function in float64 is exact
    net = TinyNet("ganbench-tests-tiny", ["features"])
    doubles = [net(images.expand(-1, 3, -1, -1))[0].double() for images in (fake, real)]
    exact = kid_features_to_metric(*doubles, kid_subsets=SUBSETS, kid_subset_size=20, verbose=False)
    assert ours["kid"] == pytest.approx(exact["kernel_inception_distance_mean"], rel=1e-6)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3)


# weights


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
    with pytest.raises(GanbenchError, match="weights = 'absent.pth': there is no such file. Fetch https://"):
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
    from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
    from torchvision.models import VGG16_Weights

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
