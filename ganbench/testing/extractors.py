"""Contract rules for extractors: fixed networks, whose features of an image depend on that image alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ganbench.api.data import Extractor
from ganbench.errors import GanbenchError
from ganbench.evaluation.extraction import extract_in_chunks, prepare_images
from ganbench.testing.purity import equal_bits, require_no_global_random, require_unchanged
from ganbench.testing.rule import Subject, require, rule

SHAPES = ((3, 32, 32), (1, 28, 28), (3, 16, 16), (1, 8, 8), (2,))
"""Shapes of samples; an extractor is tried on the first that it can see."""
SAMPLES = 5
RANGE = (-1.0, 1.0)
CLOSE = 1e-4
"""Relative to the largest feature: in float32, batches of other sizes may be added up in another order."""
WAY_OUT = "an extractor must be a fixed network: call eval(), and use no batch statistics and no state"


@dataclass(frozen=True)
class ExtractorCase:
    """An extractor under test."""

    subject: Subject

    @cached_property
    def extractor(self) -> Extractor:
        """The extractor that the offer builds."""
        built: Extractor = self.subject.build()
        return built

    @cached_property
    def samples(self) -> Tensor:
        """Random images, a black and a white one among them, of the first shape that the extractor can see."""
        for shape in SHAPES:
            try:
                self.answer(make_samples(shape))
            except Exception:  # the rules report what is wrong if it can see none
                continue
            return make_samples(shape)
        return make_samples(SHAPES[0])

    def answer(self, samples: Tensor, chunk: int = SAMPLES) -> dict[str, Tensor]:
        """Return the answers to some samples, as evaluation gets them."""
        return extract_in_chunks(replace(self.extractor, chunk=chunk), samples, torch.device("cpu"), RANGE)

    @cached_property
    def answers(self) -> dict[str, Tensor]:
        """The answers to the samples."""
        return self.answer(self.samples)


def cases(subject: Subject) -> list[ExtractorCase]:
    """Return the one case of an extractor."""
    return [ExtractorCase(subject)]


def make_samples(shape: tuple[int, ...]) -> Tensor:
    """Return random samples in RANGE; the last two have only its lowest and only its highest number."""
    samples = torch.rand(SAMPLES, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    samples[-2], samples[-1] = RANGE
    return samples


@rule()
def is_known_by_its_weights(case: ExtractorCase) -> None:
    """Has a name and a digest, the same when it is built again."""
    extractor, again = case.extractor, case.subject.build()
    require(bool(extractor.name.strip()), "it has no name: tables name the extractor that scores come from.")
    require(
        bool(extractor.digest.strip()),
        "it has no digest: set the hash of its weights, so that scores of two extractors never mix.",
    )
    require(
        (extractor.name, extractor.digest) == (again.name, again.digest),
        f"it is {extractor.name!r} {extractor.digest[:12]} at first and {again.name!r} {again.digest[:12]} when it is "
        "built again: its weights must be the same in every worker.",
    )


@rule()
def answers_every_image(case: ExtractorCase) -> None:
    """Returns finite "features" [n, d], one row for each image, also for a black and a white one."""
    try:
        answers = case.answers
    except GanbenchError as error:
        require(False, f"it sees none of the samples of shape {', '.join(map(str, SHAPES))}: {error}")
    for name, values in answers.items():
        require(
            values.is_floating_point() and values.shape[1] > 0,
            f"its {name!r} are {values.dtype} {list(values.shape)}: return floating-point numbers, [n, d].",
        )
        require(bool(values.isfinite().all()), f"its {name!r} of an image are not finite: FID would be undefined.")
    features = answers["features"]
    require(
        not equal_bits(features[0], features[-1]), "its features of two unlike images are equal: it sees no difference."
    )


@rule()
def repeats_its_answers(case: ExtractorCase) -> None:
    """Returns the same twice, and draws from no global generator."""
    images = prepare_images(case.samples, case.extractor, RANGE)
    with require_no_global_random(WAY_OUT), torch.no_grad():
        first, again = (case.extractor.extract(images) for _ in range(2))
    require_same(first, again)


def require_same(first: Mapping[str, Tensor], again: Mapping[str, Tensor]) -> None:
    """Raise ContractError unless two answers to the same images are equal bit by bit."""
    for name, values in first.items():
        require(
            name in again and equal_bits(values, again[name]),
            f"it returns other {name!r} the second time, for the same images: {WAY_OUT}.",
        )


@rule()
def changes_no_image(case: ExtractorCase) -> None:
    """Does not change the images that it is shown."""
    images = prepare_images(case.samples, case.extractor, RANGE).clone()
    with require_unchanged("the images", images), torch.no_grad():
        case.extractor.extract(images)


@rule()
def sees_each_image_alone(case: ExtractorCase) -> None:
    """Returns the same for an image whatever images are beside it, in chunks of any size."""
    reversed_order = {name: values.flip(0) for name, values in case.answer(case.samples.flip(0)).items()}
    require_close(case.answers, reversed_order, "the order of the images beside it")
    require_close(case.answers, case.answer(case.samples, chunk=1), "the images beside it")
    require_close(case.answers, case.answer(case.samples, chunk=SAMPLES - 1), "the size of the chunk")


def require_close(answers: Mapping[str, Tensor], others: Mapping[str, Tensor], cause: str) -> None:
    """Raise ContractError unless answers in other company are equal, up to the order of additions in float32."""
    for name, values in answers.items():
        gap = float((values - others[name]).abs().max() / values.abs().max().clamp(min=1e-12))
        require(gap <= CLOSE, f"the {name!r} of an image depend on {cause} (by {gap:.2g} of the largest): {WAY_OUT}.")


RULES = (is_known_by_its_weights, answers_every_image, repeats_its_answers, changes_no_image, sees_each_image_alone)
