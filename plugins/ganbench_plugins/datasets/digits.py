"""Handwritten digits of 8x8 pixels, and the small classifier whose features and logits FID, IS and KID use.

Its weights are in a file beside this one. `python -m ganbench_plugins.datasets.digits [FILE]` makes them again, in some
seconds, from the training rows only and from fixed seeds; the same torch on the same kind of machine writes the same
bytes. New weights have a new digest, and tables never mix scores that were measured with different weights.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from ganbench import Extractor, Offer, Source, hookimpl
from torch import Tensor, nn

CLASSES = 10
WEIGHTS = Path(__file__).with_name("digits_features.safetensors")
EPOCHS = 40
BATCH = 32
SEED = 1998


class Rows(NamedTuple):
    """One side of the split: images [n, 1, 8, 8] in [-1, 1] and their labels [n]."""

    images: Tensor
    labels: Tensor


@cache
def split() -> tuple[Rows, Rows]:
    """Return the training rows and the held-out rows: in each class, every third image of the file is held out.

    No random numbers are used, so the split is the same with every version of every library. Both sides keep the file's
    order, in which the classes are mixed: the first n rows of each are nearly balanced.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().div(8).sub(1).unsqueeze(1)
    labels = torch.from_numpy(bunch.target).long()
    belongs = torch.nn.functional.one_hot(labels, CLASSES)
    place_in_class = belongs.cumsum(0).gather(1, labels.unsqueeze(1)).squeeze(1)
    held_out = place_in_class % 3 == 0
    return Rows(images[~held_out], labels[~held_out]), Rows(images[held_out], labels[held_out])


class Classifier(nn.Module):
    """Two convolutions and a hidden layer: images [n, 1, 8, 8] -> 64 features, none negative, and 10 logits.

    No batch normalisation and no dropout: an image's features never depend on other images or on a mode flag.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(),
        )
        self.logits = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features [n, 64] and the logits [n, 10]."""
        features = self.features(x + 1)  # the background becomes 0, which is what the convolutions pad with
        return features, self.logits(features)


def blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return each image blended with itself moved by at most one pixel, plus noise.

    Without this the classifier would memorise the 1,201 images. A whole move would cut off strokes, which touch the
    border of the 8x8 pixels; a blend is a move by less than one pixel.
    """
    n, _, height, width = images.shape
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    down, right = torch.randint(0, 3, (2, n, 1, 1), generator=generator)
    rows = down + torch.arange(height).view(1, -1, 1)
    columns = right + torch.arange(width).view(1, 1, -1)
    moved = padded[torch.arange(n).view(-1, 1, 1), 0, rows, columns].unsqueeze(1)
    share = 0.7 * torch.rand(n, 1, 1, 1, generator=generator)
    return torch.lerp(images, moved, share) + 0.3 * torch.randn(images.shape, generator=generator)


def train(rows: Rows, epochs: int = EPOCHS) -> Classifier:
    """Return a classifier trained by Adam on cross-entropy, with a learning rate that falls to zero along a cosine."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        classifier = Classifier()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=2e-3, weight_decay=1e-4)
    batches = [len(rows.images) // BATCH] * epochs
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=sum(batches))
    for steps in batches:
        order = torch.randperm(len(rows.images), generator=generator)
        for chosen in order[: steps * BATCH].split(BATCH):
            _, logits = classifier(blurred(rows.images[chosen], generator))
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, rows.labels[chosen]).backward()
            optimizer.step()
            schedule.step()
    return classifier.eval().requires_grad_(False)


def accuracy(classifier: Classifier, rows: Rows) -> float:
    """Return the share of rows whose largest logit is that of their label."""
    _, logits = classifier(rows.images)
    return (logits.argmax(dim=1) == rows.labels).double().mean().item()


def make_weights(file: Path = WEIGHTS) -> None:
    """Train, write the weights to `file`, and print the accuracy on the held-out digits."""
    from safetensors.torch import save_file

    training, held_out = split()
    classifier = train(training)
    save_file(classifier.state_dict(), file)
    sys.stdout.write(f"{file.name}: {file.stat().st_size:,} bytes, ")
    sys.stdout.write(f"held-out accuracy {accuracy(classifier, held_out):.2%} of {len(held_out.images)} images\n")


@cache
def extractor() -> Extractor:
    """Return the shipped classifier, frozen; its digest is the SHA-256 of the weights file."""
    from safetensors.torch import load

    content = WEIGHTS.read_bytes()
    with torch.device("meta"):  # its weights come from the file: nothing is drawn from the global generator
        classifier = Classifier()
    classifier.load_state_dict(load(content), assign=True)
    classifier.eval().requires_grad_(False)

    def extract(x: Tensor) -> Mapping[str, Tensor]:
        features, logits = classifier(x)
        return {"features": features, "logits": logits}

    return Extractor(name="digits-cnn", digest=hashlib.sha256(content).hexdigest(), extract=extract)


def digits() -> Source:
    """Return the source of scikit-learn's digits, 1x8x8 in [-1, 1]; the reference is the held-out rows."""
    train, held_out = split()

    @cache
    def on(device: torch.device) -> Rows:
        return Rows(train.images.to(device), train.labels.to(device))

    return Source(
        shape=(1, 8, 8),
        size=len(train.images),
        take=lambda indices: on(indices.device).images[indices],
        reference=lambda n: held_out.images[:n],
        classes=CLASSES,
        labels=lambda indices: on(indices.device).labels[indices],
        extractor=extractor(),
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "digits",
        digits,
        "1,797 handwritten digits of 8x8 pixels, a third of them held out.",
        reference="sklearn.datasets.load_digits: the test set of Alpaydin and Kaynak 1998, Optical Recognition of "
        "Handwritten Digits, UCI Machine Learning Repository",
        metrics=("fid", "inception-score", "kid", "precision-recall"),
    )


if __name__ == "__main__":
    make_weights(*map(Path, sys.argv[1:2]))
