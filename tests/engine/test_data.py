"""Real data: bytes that are scaled after the gather, sets that are read step by step, and augmented real rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import ganbench
import pytest
import torch
from ganbench import Draw, GanbenchError, Offer, Source
from ganbench.engine import checkpoint
from ganbench.engine.data_digest import digest_data
from ganbench.engine.pixels import scale_bytes
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.step_inputs import StepInputs
from ganbench.engine.train import RECORD_FROM, Training
from torch import Tensor

from tests.support import device as test_device
from tests.support.small_games import ROWS, conditional, conv, labelled, make_training, ns_gan, wgan_gp
from tests.support.tiny_suite import suite

BYTES = torch.randint(256, (40, 1, 4, 4), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def pixels(rows: Tensor = BYTES, **fields: Any) -> Source:
    """Return a set of images: the first 30 rows, and the rest held out."""
    return Source(
        shape=(1, 4, 4), size=30, take=lambda i: rows[:30][i.cpu()], reference=lambda n: rows[30:][:n], **fields
    )


def flip(x: Tensor, draws: Any) -> Tensor:
    return torch.where(draws["flip"] > 0, x, x.flip(-1))


FLIPPED: dict[str, Any] = {"augment": flip, "draws": {"flip": Draw("sign")}}


def train(source: Source, program: Any = ns_gan, space: Any = conv, **settings: Any) -> Training:
    run = make_training(program(), space(), source, **{"steps": 12, "dtype": torch.float32, **settings})
    run.last = list(run.run())[-1]  # type: ignore[attr-defined]
    return run


def require_equal_bits(first: Training, second: Training) -> None:
    for player, weights in first.last.ensemble.detached.items():  # type: ignore[attr-defined]
        for name, stacked in weights.items():
            assert torch.equal(stacked, second.last.ensemble.detached[player][name]), (player, name)  # type: ignore[attr-defined]


def test_bytes_are_scaled_to_the_range_by_one_formula_with_exact_ends() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    for low, high in ((-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5), (0.0, 255.0)):
        scaled = scale_bytes(every, pixels(range=(low, high)), torch.float64)
        torch.testing.assert_close(scaled, low + (high - low) * every.double() / 255, rtol=0, atol=1e-13 * high)
        in_float = scale_bytes(every, pixels(range=(low, high)))
        assert in_float.dtype == torch.float32
        assert [float(end) for end in in_float.aminmax()] == [low, high]
    floats = torch.rand(3)
    assert scale_bytes(floats, pixels()) is floats


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_set_of_bytes_trains_to_the_bits_of_the_same_set_in_float32(mode: Any, stream: bool) -> None:
    scaled = train(pixels(BYTES.float().div(255).mul(2).sub(1)), mode=mode)
    resting = train(pixels(stream=stream, digest="d"), mode=mode)
    require_equal_bits(resting, scaled)
    stored = resting.data.stored_samples
    assert (stored is None) if stream else (stored is not None and stored.dtype == torch.uint8)


def test_a_streamed_set_is_read_by_cpu_indices_step_by_step_and_never_as_a_whole() -> None:
    asked: SimpleQueue[Tensor] = SimpleQueue()
    rows = torch.arange(5000, dtype=torch.float32).reshape(5000, 1)

    def take(indices: Tensor) -> Tensor:
        asked.put(indices)
        return rows[indices]

    source = Source(shape=(1,), size=5000, take=take, reference=lambda n: rows[:n], stream=True, digest="d")
    resident = replace(source, stream=False, take=lambda i: rows[i])
    device, members = torch.device(test_device.DEVICE), [Member("world", seed) for seed in (0, 1)]
    streamed, whole = (Data(each, members, ROWS, device, torch.float32) for each in (source, resident))
    assert asked.empty()
    streams = streamed.open("data.critic"), whole.open("data.critic")
    for _ in range(70):  # more than a block
        (ours, _), (theirs, _) = (data.take(s.next()) for data, s in zip((streamed, whole), streams, strict=True))
        assert torch.equal(ours, theirs)
        assert ours.device.type == device.type
        indices = asked.get_nowait()
        assert indices.shape == (2 * ROWS,)
        assert indices.device.type == "cpu"
    assert asked.empty()


def test_a_streamed_set_keeps_its_labels() -> None:
    streamed = train(replace(labelled(), stream=True, digest="d"), space=conditional, dtype=torch.float64)
    require_equal_bits(streamed, train(labelled(), space=conditional, dtype=torch.float64))


def test_a_streamed_set_without_a_digest_is_refused_when_planning() -> None:
    with pytest.raises(GanbenchError, match=r"streams its 30 samples.*digest=ganbench\.hash_files"):
        digest_data(pixels(stream=True))
    offer = Offer("streamed", lambda: replace(labelled(), stream=True), "Streamed.", metrics=("sliced-w1",))
    with pytest.raises(GanbenchError, match=r"dataset 'streamed': the dataset streams its 20 samples"):
        ganbench.plan.make(
            ganbench.suite.parse(suite(dataset=[{"name": "streamed"}], success=None)),
            ganbench.registry.load(plugins=[DatasetOffer(offer)]),
        )


class DatasetOffer:
    """A plugin of one dataset."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer

    @ganbench.hookimpl
    def ganbench_datasets(self) -> list[Offer]:
        return [self.offer]


def open_critic_inputs(source: Source, seeds: tuple[int, ...] = (0, 1, 2)) -> StepInputs:
    run = make_training(ns_gan(), conv(), source, seeds=seeds, steps=1)
    return run.open_inputs(run.ensembles[0].networks, 0)["critic"]


def test_each_real_row_is_augmented_by_numbers_of_its_own_stream() -> None:
    inputs = [open_critic_inputs(pixels(**fields)) for fields in ({}, FLIPPED)]
    alone, flips = open_critic_inputs(pixels(**FLIPPED), (1,)), []
    for _ in range(20):
        plain, changed = (each.next()["real"] for each in inputs)
        is_plain, is_flipped = ((changed == x).flatten(2).all(2) for x in (plain, plain.flip(-1)))
        assert (is_plain ^ is_flipped).all()
        assert torch.equal(alone.next()["real"][0], changed[1]), "a seed sees the same flips in every batch"
        flips.append(is_flipped)
    share = torch.stack(flips).double().mean()
    assert abs(float(share) - 0.5) < 0.1  # 960 coins: 0.016 is a standard deviation
    assert not torch.equal(flips[0], flips[1])


def test_other_streams_do_not_depend_on_the_augmentation() -> None:
    plain, changed = (open_critic_inputs(pixels(**fields)).next() for fields in ({}, FLIPPED))
    assert torch.equal(plain["latent"]["noise"], changed["latent"]["noise"])


def test_an_augmented_set_trains_alike_stacked_looped_and_alone() -> None:
    runs = [
        train(pixels(**FLIPPED), wgan_gp, mode=mode, seeds=seeds, dtype=torch.float64)
        for mode, seeds in (("stack", (0, 1, 2)), ("loop", (0, 1, 2)), ("loop", (1,)))
    ]
    plain = train(pixels(), wgan_gp, dtype=torch.float64)
    stacked, looped, alone, without = (run.last.generators for run in (*runs, plain))  # type: ignore[attr-defined]
    for name, weights in stacked.items():
        torch.testing.assert_close(weights, looped[name], rtol=0, atol=1e-9)
        torch.testing.assert_close(weights[1], alone[name][0], rtol=0, atol=1e-9)
    assert any(not torch.equal(weights, without[name]) for name, weights in stacked.items())


@pytest.mark.parametrize("stream", [False, True])
def test_recorded_steps_see_the_augmented_rows(stream: bool) -> None:
    source = pixels(**FLIPPED, stream=stream, digest="d")
    called = train(source, steps=RECORD_FROM)
    recorded = make_training(ns_gan(), conv(), source, steps=RECORD_FROM, dtype=torch.float32)
    recorded.recordable = True
    recorded.last = list(recorded.run())[-1]  # type: ignore[attr-defined]
    require_equal_bits(recorded, called)


@pytest.mark.parametrize("stream", [False, True])
def test_an_augmented_training_continues_from_a_checkpoint(stream: bool) -> None:
    def begin() -> Training:
        source = pixels(**FLIPPED, stream=stream, digest="d")
        run = make_training(ns_gan(), conv(), source, steps=20, dtype=torch.float32)
        run.budget = replace(run.budget, snapshots=(7, 20))
        return run

    whole, interrupted, continued = begin(), begin(), begin()
    whole.last = list(whole.run())[-1]  # type: ignore[attr-defined]
    snapshots = interrupted.run()
    next(snapshots)
    tensors, numbers = checkpoint.save_state(interrupted)
    snapshots.close()
    checkpoint.restore_state(
        continued, {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(numbers))
    )
    continued.last = list(continued.run())[-1]  # type: ignore[attr-defined]
    require_equal_bits(continued, whole)


def test_a_run_on_bytes_has_the_scores_and_baselines_of_the_run_on_floats(tmp_path: Path) -> None:
    def frames(source: Source, name: str) -> Any:
        offer = Offer("pixels", lambda: source, "Pixels.", metrics=("sliced-w1",))
        table = suite(dataset=[{"name": "pixels"}], success=None, methods=["ns-gan"], measurement={"samples": 10})
        return ganbench.run(table, offers=[DatasetOffer(offer)], results=tmp_path / name, jobs=0)

    floats = frames(pixels(BYTES.float().div(255).mul(2).sub(1)), "floats")
    for name, source in {"bytes": pixels(), "streamed": pixels(stream=True, digest="d")}.items():
        ours = frames(source, name)
        assert list(ours.scores["value"]) == list(floats.scores["value"])
        assert list(ours.calibration["value"]) == list(floats.calibration["value"])
    augmented = frames(pixels(**FLIPPED), "augmented")
    assert list(augmented.calibration["value"]) == list(floats.calibration["value"]), "baselines see no augmentation"
    assert list(augmented.scores["value"]) != list(floats.scores["value"])
