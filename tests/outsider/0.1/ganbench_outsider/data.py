"""What models are compared with and by: a dataset, an extractor of features, and a metric."""

import torch
from ganbench import Draw, Extractor, Metric, Offer, Profile, Source, hookimpl

ganbench_api = 1


def stripes(size: int = 200):
    """Return a finite set of striped images as bytes, half of them mirrored in training."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (size + 100, 1, 8, 1), dtype=torch.uint8, generator=generator).expand(-1, 1, 8, 8)
    images = images.contiguous()

    def flip(x, draws):
        return torch.where(draws["flip"] > 0, x, x.flip(-2))

    return Source(
        shape=(1, 8, 8),
        size=size,
        take=lambda indices: images.to(indices.device)[indices],
        reference=lambda n: images[size:][:n],
        augment=flip,
        draws={"flip": Draw("sign")},
        extractor=tiles(2),
        digest=f"stripes {size}",
    )


def tiles(side: int = 4):
    """Return the mean grey values of a picture's tiles as features."""

    def extract(x):
        features = torch.nn.functional.adaptive_avg_pool2d(x.float(), side).flatten(1)
        return {"features": features, "logits": features}

    return Extractor(name="outsider-tiles", digest=f"tiles {side}", extract=extract, sees="bytes", channels=1)


def gap():
    """Return the distance of the mean features, and its parts along the features as a profile."""

    def measure(evidence):
        parts = (evidence.features.mean(0) - evidence.reference_features.mean(0)).abs()
        profile = Profile(parts.tolist(), x=list(range(len(parts))))
        return {"outsider-gap": float(parts.norm()), "outsider-parts": profile}

    values, profiles = {"outsider-gap": "lower"}, {"outsider-parts": "feature"}
    return Metric(measure=measure, values=values, profiles=profiles, needs="features")


@hookimpl
def ganbench_datasets():
    """Offer a dataset, which brings its extractor and names its metric."""
    yield Offer("outsider-stripes", stripes, "Striped images, as bytes.", metrics=("outsider-gap",))


@hookimpl
def ganbench_extractors():
    """Offer an extractor."""
    yield Offer("outsider-tiles", tiles, "The mean grey values of a picture's tiles.")


@hookimpl
def ganbench_metrics():
    """Offer a metric on features."""
    yield Offer("outsider-gap", gap, "The distance of the mean features.", reference="A third party 2026")
