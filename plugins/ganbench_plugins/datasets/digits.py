"""Handwritten digits of 8x8 pixels, and the small classifier through which FID and its kin see them.

Its weights ship beside this file. `python -m ganbench_plugins.datasets.digits [FILE]` makes them again from the
training rows alone, from fixed seeds, in some seconds; the same torch on the same kind of machine gives the same bytes.
New weights have a new digest, and scores measured through them never meet the old ones in a table.
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
    """Give the training rows and the held-out rows: of each class, every third image in the file's order is held out.

    No random numbers, so the split is the same under every version of every library. Both sides keep the file's order,
    in which the classes are mixed: the first n rows of either are nearly balanced.
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

    No batch normalisation and no dropout: an image's features never depend on its neighbours or on a mode flag.
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
        """Give the features [n, 64] and the logits [n, 10]."""
        features = self.features(x + 1)  # the background becomes 0, which is what the convolutions pad with
        return features, self.logits(features)


def blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blend each image with itself moved by one pixel at most, and add noise: 1,201 images alone are learnt by heart.

    A whole move would cut off strokes, which touch the border of the 8x8 pixels; a blend is a move by less than one.
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
    """Give a classifier trained by Adam on cross-entropy, its step size falling to zero along a cosine."""
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
    """Give the share of rows whose largest logit is their label's."""
    _, logits = classifier(rows.images)
    return (logits.argmax(dim=1) == rows.labels).double().mean().item()


def make_weights(file: Path = WEIGHTS) -> None:
    """Train, write the weights, and say how many held-out digits they read rightly."""
    from safetensors.torch import save_file

    training, held_out = split()
    classifier = train(training)
    save_file(classifier.state_dict(), file)
    sys.stdout.write(f"{file.name}: {file.stat().st_size:,} bytes, ")
    sys.stdout.write(f"held-out accuracy {accuracy(classifier, held_out):.2%} of {len(held_out.images)} images\n")


@cache
def extractor() -> Extractor:
    """Give the shipped classifier, frozen; its digest is the SHA-256 of the weights file."""
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
    """Give scikit-learn's digits, 1x8x8 in [-1, 1]: training rows to take, held-out rows as the reference."""
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
    """Yield the digits."""
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
