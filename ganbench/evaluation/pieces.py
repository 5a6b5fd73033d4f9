"""What metrics need of samples, collected while the samples come in batches: nothing else of them is held.

Samples are taken in pieces of the extractor's chunk, so no number depends on the size of the batches that they come in,
or on which other metrics and members are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ganbench.api.data import Extractor
from ganbench.api.metrics import Metric
from ganbench.evaluation.moments import RunningMoments
from ganbench.evaluation.outcomes import SPREAD_SAMPLES

PIECE = 1024
"""Samples of a member that are taken at once where nothing is extracted."""


class Extracts(Protocol):
    """A reference, as far as its extractor goes."""

    device: torch.device

    @property
    def extractor(self) -> Extractor:
        """The extractor."""

    def extract(self, samples: Tensor) -> dict[str, Tensor]:
        """Return what the extractor computes from samples."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is collected of each model's samples: the first `images`, and these of "features", "moments", "logits"."""

    images: int = 0
    answers: frozenset[str] = frozenset()

    def count_bytes(self, count: int, sample_bytes: int, widths: dict[str, int]) -> int:
        """Return the bytes that are held of one model's `count` samples; `widths` are those of the answers."""
        held = sum(4 * count * widths.get(name, 0) for name in self.answers if name != "moments")
        moments = 2 * 8 * widths.get("features", 0) ** 2 if "moments" in self.answers else 0
        return self.images * sample_bytes + held + moments


def find_wanted(metrics: Iterable[Metric], count: int, extracts: bool) -> Wanted:
    """Return what these metrics need of `count` samples; without an extractor nothing is extracted."""
    due = list(metrics)
    shown = [min(count, metric.images or count) for metric in due if not metric.on_features]
    return Wanted(
        images=max(shown, default=0),
        answers=frozenset(metric.needs for metric in due if metric.on_features and extracts),
    )


def choose_spread_rows(count: int) -> Tensor:
    """Return the rows of samples that the spread is measured on, at even steps: some data is sorted by class."""
    return torch.linspace(0, count - 1, min(count, SPREAD_SAMPLES)).long()


def mean_pairwise_distance(samples: Tensor) -> float:
    """Return the mean Euclidean distance of the pairs among these samples [n, ...]; NaN if there is no pair."""
    return float(torch.pdist(samples.flatten(1).double()).mean())


class Collector:
    """What is collected of the samples of some members, which are added in pieces [S, n, *shape].

    Of a member with samples that are not finite nothing more is extracted, except with `thorough`.
    """

    def __init__(self, count: int, wanted: Wanted, reference: Extracts, thorough: bool = False) -> None:
        self.count, self.wanted, self.reference, self.thorough = count, wanted, reference, thorough
        self.spread_rows = choose_spread_rows(count)
        self.seen = 0
        self.members: list[dict[str, Any]] = []

    def add(self, piece: Tensor) -> None:
        """Add the next samples of all members."""
        members, start, stop = len(piece), self.seen, self.seen + piece.shape[1]
        if start == 0:
            self._open(piece)
        self.finite &= piece.flatten(1).isfinite().all(1)
        if start < self.wanted.images:
            self.images[:, start:stop] = piece[:, : self.wanted.images - start]
        first, last = torch.searchsorted(self.spread_rows, torch.tensor([start, stop])).tolist()
        self.spread[:, first:last] = piece[:, (self.spread_rows[first:last] - start).to(piece.device)]
        self.seen = stop
        if self.wanted.answers:
            for i, finite in enumerate(self.finite.tolist() if not self.thorough else [True] * members):
                if finite:
                    self._extract(self.members[i], piece[i], start, stop)

    def _open(self, piece: Tensor) -> None:
        members, shape = len(piece), piece.shape[2:]
        self.finite = torch.ones(members, dtype=torch.bool, device=piece.device)
        self.images = torch.empty(members, self.wanted.images, *shape)
        self.spread = torch.empty(members, len(self.spread_rows), *shape)
        self.members = [{"finite_features": True} for _ in range(members)]
        if "moments" in self.wanted.answers:
            for member in self.members:
                member["moments"] = RunningMoments()

    def _extract(self, member: dict[str, Any], samples: Tensor, start: int, stop: int) -> None:
        answers = self.reference.extract(samples)
        member["finite_features"] &= all(bool(values.isfinite().all()) for values in answers.values())
        for name in self.wanted.answers & answers.keys():
            if start == 0:
                member[name] = torch.empty(self.count, answers[name].shape[1])
            member[name][start:stop] = answers[name]
        if "moments" in self.wanted.answers:
            member["moments"].add(answers["features"].to(self.reference.device))

    def finish(self) -> list[dict[str, Any]]:
        """Return what was collected of each member, by name: the names of `Parts.read`."""
        for i, (member, finite) in enumerate(zip(self.members, self.finite.tolist(), strict=True)):
            member |= {"finite": finite, "spread": self.spread[i], "samples": self.images[i]}
            member["finite_features"] &= finite
            if isinstance(running := member.get("moments"), RunningMoments):
                if running.count == self.count:
                    member["moments"] = running.finish()
                else:
                    del member["moments"]
        return self.members


def regroup(batches: Iterable[Tensor], rows: int) -> Iterator[Tensor]:
    """Yield batches [S, n, ...] anew, with exactly `rows` rows each, the last one with the rest."""
    held: list[Tensor] = []
    for batch in batches:
        held.append(batch)
        if sum(each.shape[1] for each in held) >= rows:
            joined = torch.cat(held, 1) if len(held) > 1 else held[0]
            *whole, rest = joined.split(rows, 1)
            held = [rest] if rest.shape[1] < rows else []
            yield from whole if held else [*whole, rest]
    if held:
        yield torch.cat(held, 1)


def collect(
    batches: Iterable[Tensor], count: int, wanted: Wanted, reference: Extracts, thorough: bool = False
) -> list[dict[str, Any]]:
    """Return what is wanted of each member's `count` samples, which come in batches [S, n, *shape]."""
    collector = Collector(count, wanted, reference, thorough)
    for piece in regroup(batches, reference.extractor.chunk if wanted.answers else PIECE):
        collector.add(piece)
    return collector.finish()


class Parts:
    """What is known of one model's samples. What was not collected is collected when it is first read.

    `redraw()` draws the samples again, in batches [1, n, *shape].
    """

    def __init__(
        self,
        count: int,
        reference: Extracts,
        redraw: Callable[[], Iterable[Tensor]] = tuple,
        collected: dict[str, Any] | None = None,
    ) -> None:
        self.count, self.reference, self.redraw = count, reference, redraw
        self.collected = collected or {}

    def read(self, name: str) -> Any:
        """Return "finite", "finite_features", the samples of the "spread", "features", "moments" or "logits".

        None for logits if the extractor has none.
        """
        if name not in self.collected:
            answers = {"features", "logits", name} if name not in ("finite", "spread") else set()
            self._collect(Wanted(answers=frozenset(answers & {"features", "logits", "moments"})))
        return self.collected.get(name)

    def read_samples(self, images: int) -> Tensor:
        """Return the first samples [images, *shape]."""
        if len(self.collected.get("samples", ())) < images:
            self._collect(Wanted(images=images))
        samples: Tensor = self.collected["samples"][:images]
        return samples

    def _collect(self, wanted: Wanted) -> None:
        (again,) = collect(self.redraw(), self.count, wanted, self.reference, thorough=True)
        if not wanted.images:
            del again["samples"]
        if not wanted.answers:
            del again["finite_features"]
        self.collected |= again


def hold(samples: Tensor, reference: Extracts) -> Parts:
    """Return the parts of a model of which all samples [n, *shape] are at hand."""
    own = samples.detach().to("cpu", torch.float32)
    return Parts(len(own), reference, lambda: [own.unsqueeze(0)], {"samples": own})


def undefined(count: int, reference: Extracts) -> Parts:
    """Return the parts of a model that could not be judged: no metric is called for it."""
    return Parts(count, reference, collected={"finite": False, "finite_features": False})
