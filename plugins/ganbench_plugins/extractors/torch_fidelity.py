"""The extractors of torch-fidelity with published weights: Inception-v3 of the FID, VGG-16 and CLIP.

Nothing is downloaded, and torch-fidelity unpickles weights, which may run code: so a file is loaded only if its SHA-256
is the published one, or the one that the suite gives. DINOv2 is not here: its code comes from a repository at run time.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ganbench import Extractor, GanbenchError, NotInstalled, Offer, find_cache_folder, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

CHUNK = 32
"""Images at a time. Of one of 299 x 299, the largest layer of Inception-v3 is 5.5 MB."""
CLIP_URL = "https://openaipublic.azureedge.net/clip/models"


class Published(NamedTuple):
    """A published network: torch-fidelity's layers of features and logits, and the file of its weights."""

    layers: tuple[str, ...]
    file: str
    url: str
    sha256: str
    summary: str
    reference: str


def publish_clip(file: str, sha256: str) -> Callable[[str], Published]:
    """Return the published image encoder of CLIP in a file of this name, by the name of the extractor."""
    return lambda name: Published(
        layers=("clip",),
        file=f"{name}-{sha256}.pt",
        url=f"{CLIP_URL}/{sha256}/{file}.pt",
        sha256=sha256,
        summary=f"The image encoder of CLIP {file}.",
        reference="Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, "
        "arXiv:2103.00020; by torch-fidelity",
    )


CLIP: Mapping[str, Callable[[str], Published]] = {
    "clip-rn50": publish_clip("RN50", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
    "clip-rn101": publish_clip("RN101", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599"),
    "clip-rn50x4": publish_clip("RN50x4", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd"),
    "clip-rn50x16": publish_clip("RN50x16", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa"),
    "clip-rn50x64": publish_clip("RN50x64", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"),
    "clip-vit-b-32": publish_clip("ViT-B-32", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    "clip-vit-b-16": publish_clip("ViT-B-16", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    "clip-vit-l-14": publish_clip("ViT-L-14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    "clip-vit-l-14-336px": publish_clip(
        "ViT-L-14-336px", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"
    ),
}
"""torch-fidelity's own table: it names each file, and checks its SHA-256."""

PUBLISHED: Mapping[str, Published] = {
    "inception-v3-compat": Published(
        layers=("2048", "logits_unbiased"),
        file="weights-inception-2015-12-05-6726825d.pth",
        url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        summary="The Inception-v3 of the FID: 2,048 features, 1,008 logits.",
        reference="Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567; "
        "the weights of Heusel et al. 2017, arXiv:1706.08500, by torch-fidelity",
    ),
    "vgg16": Published(
        layers=("fc2_relu",),
        file="vgg16-397923af.pth",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        summary="The VGG-16 of improved precision and recall: 4,096 features, no logits.",
        reference="Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
        "arXiv:1409.1556; torchvision's weights, by torch-fidelity",
    ),
    **{name: publish(name) for name, publish in CLIP.items()},
}


def build(name: str, weights: str = "", sha256: str = "") -> Extractor:
    """Build an extractor with the published weights, or with other ones: `weights` is a path, `sha256` its hash.

    Without a path, the published file is looked for in the folder `weights` of ganbench's cache and where torch.hub
    puts it. Raise NotInstalled if there is none, and GanbenchError for a file with another hash.
    """
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise GanbenchError(f"sha256 = {sha256!r}: the SHA-256 of a file has 64 hexadecimal digits.")
    published = PUBLISHED[name]
    path, expected = find_weights(name, weights), sha256.lower() or published.sha256
    status = path.stat()
    module = load_checked(name, path, expected, (status.st_size, status.st_mtime_ns))

    def extract(x: Tensor) -> Mapping[str, Tensor]:
        return dict(zip(("features", "logits"), module(x), strict=False))

    digest = f"{expected} torch-fidelity {version('torch-fidelity')}"
    return Extractor(name=name, digest=digest, extract=extract, module=module, sees="bytes", channels=3, chunk=CHUNK)


def list_places(file: str) -> list[Path]:
    """Return where the file of published weights may lie: in ganbench's cache, and in that of torch.hub."""
    from torch.hub import get_dir

    return [find_cache_folder() / "weights" / file, Path(get_dir(), "checkpoints", file)]


def find_weights(name: str, weights: str) -> Path:
    """Return the file of an extractor's weights: the one at this path, or else the first that is in its place."""
    published = PUBLISHED[name]
    places = [Path(weights).expanduser()] if weights else list_places(published.file)
    found = next((place for place in places if place.is_file()), None)
    if found is not None:
        return found
    fetch = f"Fetch {published.url} (SHA-256 {published.sha256})"
    if weights:
        raise GanbenchError(f"weights = {weights!r}: there is no such file. {fetch}, and name the file.")
    raise NotInstalled(
        f"its weights are not on this machine, and ganbench downloads none. {fetch}, and put it at {places[0]} or at "
        f'{places[1]}; or say where it is: extractor = {{ name = "{name}", weights = "FILE" }}.'
    )


@lru_cache(maxsize=2)
def load_checked(name: str, path: Path, sha256: str, stamp: tuple[int, int]) -> nn.Module:
    """Return torch-fidelity's network with the weights in a file; raise GanbenchError if their SHA-256 is another.

    Only the bytes that were hashed are loaded, whatever happens to the file meanwhile. `stamp` is its size and time.
    """
    import torch

    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise GanbenchError(
            f"{path} has the SHA-256 {found}, and {sha256} is expected. It was not loaded, because weights may hold "
            f"code. Fetch it again from {PUBLISHED[name].url}. For other weights that you trust, say so by "
            f'sha256 = "{found}".'
        )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # a network draws weights before it loads them
        warnings.simplefilter("ignore", FutureWarning)  # of torch.jit.load, by which torch-fidelity reads CLIP
        return find_class(name)(name, [*PUBLISHED[name].layers], feature_extractor_weights_path=io.BytesIO(content))


def find_class(name: str) -> Callable[..., nn.Module]:
    """Return torch-fidelity's class of an extractor."""
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    found: Callable[..., nn.Module] = FEATURE_EXTRACTORS_REGISTRY[name]
    return found


def offer(name: str, published: Published) -> Offer:
    """Return the offer of a published network."""

    def build_named(weights: str = "", sha256: str = "") -> Extractor:
        return build(name, weights, sha256)

    return Offer(name, build_named, published.summary, reference=published.reference)


@hookimpl
def ganbench_extractors() -> Iterator[Offer]:
    for name, published in PUBLISHED.items():
        yield offer(name, published)
