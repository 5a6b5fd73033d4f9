"""How the digits' feature extractor is made: `python -m ganbench_plugins.datasets.digits_recipe [FILE]`.

It is trained on the training rows alone, from fixed seeds, in some seconds; the same torch on the same kind of machine
gives the same weights. FILE defaults to the weights that ship with the package. New weights have a new digest, and
scores measured through them never meet the old ones in a table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganbench_plugins.datasets.digits import WEIGHTS, Classifier, Rows, split

EPOCHS = 40
BATCH = 32
SEED = 1998


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


def main(file: Path = WEIGHTS) -> None:
    """Train, write the weights, and say how many held-out digits they read rightly."""
    training, held_out = split()
    classifier = train(training)
    save_file(classifier.state_dict(), file)
    sys.stdout.write(f"{file.name}: {file.stat().st_size:,} bytes, ")
    sys.stdout.write(f"held-out accuracy {accuracy(classifier, held_out):.2%} of {len(held_out.images)} images\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
