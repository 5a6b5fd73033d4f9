"""The recipe of the small classifiers whose features and logits FID, IS and KID use on our own image sets.

The weights of each are in a file beside its dataset's module. `python -m ganbench_plugins.datasets.NAME [FILE]` makes
them again, from the training rows only, from fixed seeds, and in one thread; the same torch on the same kind of machine
writes the same bytes. New weights have a new digest, and tables never mix scores that were measured with different
weights.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from ganbench import Extractor
from torch import Tensor, nn

from ganbench_plugins.datasets.labelled_images import Rows

BATCH = 32
SEED = 1998


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A small classifier: `name`, the `file` of its weights, its network, and how it is trained.

    It sees images [n, 1, pixels, pixels] in [-1, 1]. `widths` are the channels of its convolutions: the first keeps the
    size, and each of the others halves it. `features` is the width of the hidden layer.
    It is trained for `epochs`, on images with noise of the standard deviation `noise`. With `coarse` above 0, half of
    them are shown as they look after a resize to `coarse` pixels and back, so that it knows images of both sizes.
    """

    name: str
    file: Path
    pixels: int
    widths: tuple[int, ...]
    epochs: int
    features: int = 64
    classes: int = 10
    noise: float = 0.3
    coarse: int = 0


class Classifier(nn.Module):
    """Convolutions and a hidden layer: images [n, 1, pixels, pixels] -> features, none negative, and logits.

    No batch normalisation and no dropout: an image's features never depend on other images or on a mode flag.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, size = 1, recipe.pixels
        for width in recipe.widths:
            stride = 2 if layers else 1
            layers += [nn.Conv2d(before, width, 3, stride=stride, padding=1), nn.ReLU()]
            before, size = width, -(-size // stride)
        layers += [nn.Flatten(), nn.Linear(before * size * size, recipe.features), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.logits = nn.Linear(recipe.features, recipe.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features [n, features] and the logits [n, classes]."""
        features = self.features(x + 1)  # the background becomes 0, which is what the convolutions pad with
        return features, self.logits(features)


def resize(images: Tensor, pixels: int) -> Tensor:
    """Return square images [n, c, h, h] at another size by linear interpolation; a smaller one averages (antialias)."""
    if images.shape[-1] == pixels:
        return images
    return nn.functional.interpolate(images, size=(pixels, pixels), mode="bilinear", antialias=True)


def disturb(images: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Return each image blended with itself moved by at most one pixel, plus noise.

    Without this a classifier would memorise a small set. A whole move would cut off strokes that touch the border; a
    blend is a move by less than one pixel.
    """
    n, _, height, width = images.shape
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    down, right = torch.randint(0, 3, (2, n, 1, 1), generator=generator)
    rows = down + torch.arange(height).view(1, -1, 1)
    columns = right + torch.arange(width).view(1, 1, -1)
    moved = padded[torch.arange(n).view(-1, 1, 1), 0, rows, columns].unsqueeze(1)
    share = 0.7 * torch.rand(n, 1, 1, 1, generator=generator)
    return torch.lerp(images, moved, share) + noise * torch.randn(images.shape, generator=generator)


def coarsen(images: Tensor, pixels: int) -> Tensor:
    """Return the images, every second one after a resize to fewer pixels and back; all as they are for 0 pixels."""
    if not pixels:
        return images
    seen = images.clone()
    seen[::2] = resize(resize(images[::2], pixels), images.shape[-1])
    return seen


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Compute in one thread: the order of sums depends on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@use_one_thread()
def train(recipe: Recipe, rows: Rows) -> Classifier:
    """Return a classifier trained by Adam on cross-entropy, with a learning rate that falls to zero along a cosine."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        classifier = Classifier(recipe)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=2e-3, weight_decay=1e-4)
    batches = [len(rows.images) // BATCH] * recipe.epochs
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=sum(batches))
    for steps in batches:
        order = torch.randperm(len(rows.images), generator=generator)
        for chosen in order[: steps * BATCH].split(BATCH):
            images = coarsen(rows.images[chosen], recipe.coarse)
            _, logits = classifier(disturb(images, recipe.noise, generator))
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, rows.labels[chosen]).backward()
            optimizer.step()
            schedule.step()
    return classifier.eval().requires_grad_(False)


def accuracy(classifier: Classifier, rows: Rows) -> float:
    """Return the share of rows whose largest logit is that of their label."""
    _, logits = classifier(rows.images)
    return (logits.argmax(dim=1) == rows.labels).double().mean().item()


def make_weights(recipe: Recipe, training: Rows, held_out: Rows, path: str = "") -> None:
    """Train, write the weights to the file `path`, by default the shipped one, and print the held-out accuracy."""
    from safetensors.torch import save_file

    file = Path(path or recipe.file)
    classifier = train(recipe, training)
    save_file(classifier.state_dict(), file)
    sys.stdout.write(f"{file.name}: {file.stat().st_size:,} bytes, ")
    sys.stdout.write(f"held-out accuracy {accuracy(classifier, held_out):.2%} of {len(held_out.images)} images\n")
    if recipe.coarse:
        coarse = Rows(resize(resize(held_out.images, recipe.coarse), recipe.pixels), held_out.labels)
        sys.stdout.write(f"at {recipe.coarse} pixels: held-out accuracy {accuracy(classifier, coarse):.2%}\n")


def load_classifier(recipe: Recipe) -> tuple[Classifier, str]:
    """Return the shipped classifier, frozen, and its digest, the SHA-256 of the weights file."""
    from safetensors.torch import load

    content = recipe.file.read_bytes()
    with torch.device("meta"):  # its weights come from the file: nothing is drawn from the global generator
        classifier = Classifier(recipe)
    classifier.load_state_dict(load(content), assign=True)
    return classifier.eval().requires_grad_(False), hashlib.sha256(content).hexdigest()


class Seen(nn.Module):
    """A classifier that sees images through `view`, as a network for `Extractor.module`."""

    def __init__(self, classifier: Classifier, view: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.classifier, self.view = classifier, view

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        """Return the features and the logits of images [n, *shape]."""
        features, logits = self.classifier(self.view(x))
        return {"features": features, "logits": logits}


def see_grey(images: Tensor, recipe: Recipe) -> Tensor:
    """Return images [n, c, h, h] as a classifier of grey images sees them: the mean of the channels, in its size."""
    return resize(images.mean(1, keepdim=True), recipe.pixels)


def see_grey_for(recipe: Recipe) -> Extractor:
    """Return the shipped classifier as an extractor of images of any size, which it sees as `see_grey` returns them."""
    return make_extractor(recipe, lambda x: see_grey(x, recipe), f"grey-at-{recipe.pixels}-pixels")


def resize_for(recipe: Recipe) -> Extractor:
    """Return the shipped classifier as an extractor of grey images of any size, which it resizes to its own."""
    return make_extractor(recipe, lambda x: resize(x, recipe.pixels), "resized")


def make_extractor(recipe: Recipe, view: Callable[[Tensor], Tensor], how: str = "") -> Extractor:
    """Return the shipped classifier as an extractor of images that it sees through `view`.

    `how` describes the view in one word, "" for one that changes nothing; it is part of the name and of the digest.
    """
    classifier, digest = load_classifier(recipe)
    module = Seen(classifier, view).eval()
    if how:
        digest = hashlib.sha256(f"{digest} {how}".encode()).hexdigest()
    return Extractor(name=" ".join((recipe.name, how)).strip(), digest=digest, extract=module, module=module)
