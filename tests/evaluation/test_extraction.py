"""How an extractor is called: images as bytes, grey repeated, in chunks, without gradients or global chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench.api.data import Extractor
from ganbench.errors import GanbenchError
from ganbench.evaluation.extraction import extract_in_chunks, identify, prepare_images
from torch import Tensor, nn

from tests.support import device

SIGNED = (-1.0, 1.0)


def make_extractor(**changes: Any) -> Extractor:
    """Return an extractor whose features are the pixels that it sees."""
    fields = {"name": "pixels", "digest": "d", "extract": lambda x: {"features": x.flatten(1).float()}}
    return Extractor(**{**fields, **changes})


def grey(*values: float) -> Tensor:
    """Return one image of 1 x 1 x n with these values."""
    return torch.tensor(values).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("limits", [(-1.0, 1.0), (0.0, 1.0), (-0.5, 2.5)])
def test_every_byte_comes_back_from_its_float(limits: tuple[float, float]) -> None:
    low, high = limits
    samples = torch.arange(256).float().div(255).mul(high - low).add(low).reshape(1, 1, 16, 16)
    seen = prepare_images(samples, make_extractor(sees="bytes"), limits)
    assert seen.dtype == torch.uint8
    assert seen.flatten().tolist() == list(range(256))


def test_floats_are_clamped_and_rounded_to_the_nearest_byte() -> None:
    step = 2 / 255
    samples = grey(-7.0, 7.0, -1 + 0.4 * step, -1 + 0.6 * step, -1 + 254.6 * step)
    assert prepare_images(samples, make_extractor(sees="bytes"), SIGNED).flatten().tolist() == [0, 255, 0, 1, 255]


def test_bytes_stay_bytes_or_are_scaled_to_the_range() -> None:
    samples = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    assert prepare_images(samples, make_extractor(sees="bytes"), SIGNED).equal(samples)
    floats = prepare_images(samples, make_extractor(), SIGNED)
    torch.testing.assert_close(floats, grey(-1.0, -0.6, 1.0))


def test_grey_is_repeated_where_three_channels_are_wanted() -> None:
    seen = prepare_images(grey(0.0, 1.0), make_extractor(channels=3), SIGNED)
    assert seen.tolist() == [[[[0.0, 1.0]]] * 3]
    colours = torch.rand(2, 3, 4, 4)
    assert prepare_images(colours, make_extractor(channels=3), SIGNED) is colours


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((2, 4, 5, 5), {"channels": 3}, "sees images of 3 channels, and the samples have 4"),
        ((2, 7), {"sees": "bytes"}, "sees images .*, and the samples have the shape .7."),
    ],
)
def test_samples_that_it_cannot_see_are_refused(shape: tuple[int, ...], fields: Any, message: str) -> None:
    with pytest.raises(GanbenchError, match=f"extractor 'pixels' {message}"):
        prepare_images(torch.zeros(shape), make_extractor(**fields), SIGNED)


def test_samples_pass_in_chunks_of_the_asked_size() -> None:
    sizes = []

    def extract(x: Tensor) -> dict[str, Tensor]:
        sizes.append(len(x))
        assert x.dtype == torch.float32
        assert torch.is_inference_mode_enabled()
        return {"features": x.flatten(1), "logits": x.flatten(1)[:, :1]}

    samples = torch.randn(7, 1, 2, 2)
    answers = extract_in_chunks(
        make_extractor(extract=extract, chunk=3), samples.double(), torch.device(device.DEVICE), SIGNED
    )
    assert sizes == [3, 3, 1]
    assert answers["features"].equal(samples.flatten(1))
    assert answers["logits"].shape == (7, 1)
    assert not answers["features"].is_inference()


def test_a_module_is_moved_to_the_device_and_nothing_else_is() -> None:
    net = nn.Linear(4, 2)
    own = make_extractor(extract=lambda x: {"features": net(x.flatten(1))}, module=net)
    extract_in_chunks(own, torch.randn(3, 1, 2, 2), torch.device(device.DEVICE), SIGNED)
    assert net.weight.device.type == device.DEVICE
    meta = torch.device("meta")  # any other device than the CPU shows that it is not used
    answers = extract_in_chunks(make_extractor(), torch.zeros(3, 1, 2, 2), meta, SIGNED)
    assert answers["features"].device.type == "cpu"


def test_a_network_built_at_the_first_call_takes_nothing_from_the_global_chance() -> None:
    def extract(x: Tensor) -> dict[str, Tensor]:
        return {"features": nn.Linear(4, 2)(x.flatten(1))}

    torch.manual_seed(3)
    extract_in_chunks(make_extractor(extract=extract), torch.zeros(2, 1, 2, 2), torch.device(device.DEVICE), SIGNED)
    after = torch.rand(3)
    torch.manual_seed(3)
    assert after.equal(torch.rand(3))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (None, "returns None. It must return a dictionary with 'features'"),
        ({"logits": torch.zeros(2, 3)}, "It must return a dictionary with 'features'"),
        ({"features": torch.zeros(3, 3)}, r"returns 'features' \[3, 3\] for 2 samples"),
        ({"features": torch.zeros(2)}, r"returns 'features' \[2\] for 2 samples"),
        ({"features": torch.zeros(2, 1), "logits": [1.0]}, r"returns 'logits' \[1.0\] for 2 samples"),
    ],
)
def test_answers_that_are_no_rows_are_refused(answers: Any, message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        extract_in_chunks(
            make_extractor(extract=lambda x: answers), torch.zeros(2, 1, 2, 2), torch.device(device.DEVICE), SIGNED
        )


def test_what_an_extractor_sees_is_part_of_its_identity_and_a_plain_one_is_its_digest() -> None:
    plain = make_extractor()
    assert identify(plain, SIGNED) == "d"
    others = [replace(plain, sees="bytes"), replace(plain, channels=3), replace(plain, sees="bytes", channels=3)]
    identities = {identify(each, SIGNED) for each in (plain, *others)}
    assert len(identities) == 4
    assert identify(others[0], SIGNED) != identify(others[0], (0.0, 1.0))
    assert identify(plain, (0.0, 1.0)) == "d"  # whoever sees floats sees them as they are
