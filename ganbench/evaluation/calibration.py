"""Samplers that no method trained, and what they score: the frame in which every other score is read.

    images       real data; noise, pixel-shuffled, Gaussian fit (also clamped), mean image, ten memorised
    other data   real data; uniform, Gaussian fit, one mode

A law's own draws are called "perfect sampler" in place of "real data". These are the ceiling; the rest is trivial: it
knows a few statistics, or a few rows, of the data. Every dataset gets them, whoever offers it.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from ganbench.api.training import Metric, Networks, Source
from ganbench.api.trials import Batch, Calibration, Measurement, Part, Score, digest
from ganbench.errors import GanbenchError
from ganbench.evaluation.scoring import Reference, Sight, judge, spread
from ganbench.registry.registry import Registry

SAMPLERS = 1
"""Raised when the numbers of a sampler change; part of every protocol's key."""

ROWS, ENTRIES = 10_000, 2**26
"""Of how many rows, and of how many numbers altogether, statistics of the data are taken at the most."""

MEMORISED = 10

NOBODY = Networks(generator=nn.Identity(), critic=None, latent=1)
"""The networks of who has none: metrics on networks never see it."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What untrained samplers are scored by: a dataset and its measurement. `key` also knows the dataset's code."""

    dataset: Part
    measurement: Measurement
    key: str


@dataclass(frozen=True)
class Sampler:
    """`sample(n, generator)` gives [n, *shape] without any training; not `trivial` is the ceiling alone."""

    name: str
    sample: Callable[[int, Generator], Tensor]
    trivial: bool = True


def protocols(batches: Iterable[Batch], plugins: Registry) -> dict[str, Protocol]:
    """Give the protocol of every dataset of a plan, by what tables call the dataset."""
    found: dict[str, Protocol] = {}
    for batch in batches:
        trial, measurement = batch.trials[0], batch.measurement
        if (label := trial.labels["dataset"]) not in found:
            code = plugins.code("datasets", trial.dataset.name)
            key = digest([SAMPLERS, asdict(trial.dataset), code, asdict(measurement)])
            found[label] = Protocol(dataset=trial.dataset, measurement=measurement, key=key)
    return found


class Bench:
    """Where the samplers of one protocol are judged, by the metrics of its trials on as many samples.

    Metrics on networks are left out, and those on features where the dataset has no extractor; without any other there
    are no `samplers`. A metric that fails on such samples gives NaN, but for a GanbenchError.
    """

    def __init__(self, protocol: Protocol, plugins: Registry) -> None:
        self.samples = protocol.measurement.samples
        built = [(part, plugins.build("metrics", part.name, part.options)) for part in protocol.measurement.metrics]
        self.metrics: list[tuple[Part, Metric]] = [each for each in built if each[1].needs != "networks"]
        self.samplers: tuple[Sampler, ...] = ()
        if self.metrics:
            source: Source = plugins.build("datasets", protocol.dataset.name, protocol.dataset.options)
            self.reference = Reference(source, self.samples)
            self.samplers = samplers(source, self.samples)
            if source.extractor is None:
                self.metrics = [each for each in self.metrics if each[1].needs != "features"]

    @torch.no_grad()
    def scores(self, sampler: Sampler) -> list[Calibration]:
        """Draw from a sampler and give all that it scores, its spread included."""
        sight = self._sight(sampler.sample(self.samples, stream(sampler.name)))
        found = [score for part, metric in self.metrics for score in self._judged(part, metric, sight)]
        return [
            Calibration(sampler.name, sampler.trivial, s.name, s.value, s.direction, s.measurement, s.samples)
            for s in (*found, spread(sight, step=0))
        ]

    def _judged(self, part: Part, metric: Metric, sight: Sight) -> Sequence[Score]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # metrics warn of what is singular, as a mean image is
                return judge([(part, metric)], sight, step=0, final=True)
        except GanbenchError:  # what the user can mend, as weights that could not be downloaded
            raise
        except Exception:
            unknown = self._sight(torch.full_like(sight.samples, math.nan))
            return judge([(part, metric)], unknown, step=0, final=True)

    def _sight(self, samples: Tensor) -> Sight:
        return Sight(samples, self.reference, networks=NOBODY, generator_parameters={}, critic_parameters={})


def stream(name: str) -> Generator:
    """Give a sampler's own random numbers, the same in every run."""
    return Generator().manual_seed(int(digest(name)[:12], 16))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute as a worker does, then give the threads back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def samplers(source: Source, n: int) -> tuple[Sampler, ...]:
    """Give a dataset's samplers, the ceiling first; `n` is how many samples of each will be asked for."""
    generator, count = stream("rows"), max(n, min(ROWS, ENTRIES // math.prod(source.shape)))
    if source.draw is not None:
        rows, ceiling = source.draw(generator, count), "perfect sampler"
        few = rows[:MEMORISED]
    elif source.take is not None:
        chosen = torch.randperm(source.size, generator=generator)[:count]
        turns = chosen if source.labels is None else by_turns(chosen, source.labels(chosen))
        rows, few, ceiling = source.take(chosen), source.take(turns[:MEMORISED]), "real data"
    else:
        raise GanbenchError("this dataset's Source has neither `draw` nor `take`. Give it one of them.")
    rows, few = rows.to("cpu", torch.float32), few.to("cpu", torch.float32)
    trivial = image_samplers(rows, few) if len(source.shape) == 3 else point_samplers(rows, mode(source, rows))
    return (
        Sampler(ceiling, partial(drawn, rows), trivial=False),
        *(Sampler(name, partial(sample, some)) for name, sample, some in trivial),
    )


Trivial = tuple[str, Callable[[Tensor, int, Generator], Tensor], Tensor]


def image_samplers(rows: Tensor, few: Tensor) -> list[Trivial]:
    """Name the samplers of images, each with the rows it knows."""
    return [
        ("noise", noise, rows),
        ("pixel-shuffled", shuffled, rows),
        ("Gaussian fit", gaussian, rows),
        ("Gaussian fit, clamped", clamped, rows),
        ("mean image", drawn, rows.mean(0, keepdim=True)),
        ("ten memorised", drawn, few),
    ]


def point_samplers(rows: Tensor, one: Tensor) -> list[Trivial]:
    """Name the samplers of whatever is no image, each with the rows it knows."""
    return [("uniform", uniform, rows), ("Gaussian fit", gaussian, rows), ("one mode", drawn, one)]


def drawn(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw n of the rows, each as often as any other (give or take one)."""
    turns = [torch.randperm(len(rows), generator=generator) for _ in range(math.ceil(n / len(rows)))]
    return rows[torch.cat(turns)[:n]]


def noise(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw every number uniformly between the least and the greatest of the data."""
    low, high = rows.aminmax()
    return low + (high - low) * torch.rand(n, *rows.shape[1:], generator=generator)


def uniform(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw uniformly from the data's bounding box."""
    low, high = rows.amin(0), rows.amax(0)
    return low + (high - low) * torch.rand(n, *rows.shape[1:], generator=generator)


def shuffled(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Permute the pixels of each of n images [c, h, w], its channels together."""
    pixels = drawn(rows, n, generator).flatten(2)
    order = torch.rand(n, 1, pixels.shape[2], generator=generator).argsort(2)
    return pixels.gather(2, order.expand_as(pixels)).reshape(n, *rows.shape[1:])


def gaussian(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw from the Gaussian that has the rows' mean and covariance.

    sum_i e_i (x_i - mean) / sqrt(m) with e ~ N(0, I_m) has exactly the covariance of m rows, however many columns they
    have and whether it is singular or not; nothing is factorised.
    """
    flat = rows[:ROWS].flatten(1)
    mean = flat.mean(0)
    roots = (flat - mean) / math.sqrt(len(flat))
    parts = [torch.randn(len(part), len(flat), generator=generator) @ roots for part in torch.empty(n, 0).split(1000)]
    return (mean + torch.cat(parts)).reshape(n, *rows.shape[1:])


def clamped(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Hold that Gaussian to the data's range, as a tanh holds a generator."""
    return gaussian(rows, n, generator).clamp(*rows.aminmax())


def mode(source: Source, rows: Tensor) -> Tensor:
    """Give the rows nearest to one of the modes that the dataset's facts know of; without any, one row."""
    centres = source.facts.get("centres")
    if not isinstance(centres, Tensor) or centres.shape[1:] != rows.shape[1:]:
        return rows[:1]
    nearest = torch.cdist(rows.flatten(1), centres.to(rows).flatten(1)).argmin(1)
    return rows[nearest == nearest[0]]


def by_turns(indices: Tensor, labels: Tensor) -> Tensor:
    """Order rows so that the classes take turns: the first few are of as many classes as they can be.

    So the ten memorised are one of each class where there are ten: what fools the Inception score.
    """
    seen: Counter[int] = Counter()
    turns = []
    for label in labels.tolist():
        turns.append(seen[label])
        seen[label] += 1
    return indices[torch.tensor(turns).argsort(stable=True)]
