"""Untrained samplers are what they are called, score what independent computations say, and guard thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, Metric, Offer, Source, hookimpl, plan, registry, suite
from ganbench.api.events import Calibrating
from ganbench.api.records import Calibration
from ganbench.api.trials import Measurement, Part
from ganbench.evaluation.baselines import (
    alternate_classes,
    baseline_samplers,
    draw_gaussian,
    rows_of_one_mode,
    sampler_generator,
)
from ganbench.evaluation.calibration import BaselineScorer, MeasurementProtocol, collect_protocols
from ganbench.registry.registry import Registry
from ganbench.report import make_tables, render
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read
from torch import Generator, Tensor

from ganbench_plugins.datasets import digits, mixtures
from tests.support.metric_checks import METRICS, seen
from tests.support.tiny_suite import suite as small


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


def scores_of(plugins: Registry, dataset: str, metrics: tuple[str, ...], samples: int) -> dict[str, dict[str, float]]:
    protocol = MeasurementProtocol(
        dataset=Part(dataset), measurement=Measurement(metrics=tuple(map(Part, metrics)), samples=samples), key="k"
    )
    bench = BaselineScorer(protocol, plugins)
    return {each.name: {row.name: row.value for row in bench.score(each)} for each in bench.samplers}


def drawn_from(source: Source, n: int) -> dict[str, Tensor]:
    return {each.name: each.sample(n, sampler_generator(each.name)) for each in baseline_samplers(source, n)}


def images(seed: int, n: int = 40) -> Source:
    """A set of random RGB images, of two classes: the first half 0, the rest 1."""
    rows = torch.rand(n, 3, 4, 4, generator=Generator().manual_seed(seed))
    return Source(
        shape=(3, 4, 4),
        size=n,
        take=lambda indices: rows[indices],
        labels=lambda indices: (indices >= n // 2).long(),
        reference=lambda m: rows[:m],
    )


# samplers


def test_the_ceiling_comes_first_and_is_alone_in_not_being_trivial() -> None:
    for source, ceiling in ((images(0), "real data"), (mixtures.ring(), "perfect sampler")):
        found = baseline_samplers(source, 30)
        assert [each.name for each in found if not each.trivial] == [found[0].name] == [ceiling]


def test_every_sampler_gives_as_many_samples_of_the_datas_shape_as_asked_and_the_same_again() -> None:
    for source in (images(0), mixtures.ring(), Source(shape=(1,), draw=lambda g, n: torch.zeros(n, 1), reference=len)):
        for first, again in zip(baseline_samplers(source, 70), baseline_samplers(source, 70), strict=True):
            found = first.sample(70, sampler_generator(first.name))
            assert found.shape == (70, *source.shape)
            assert torch.equal(found, again.sample(70, sampler_generator(again.name)))


def test_real_data_takes_every_row_as_often_as_any_other() -> None:
    rows = images(1).reference(40)
    same = (drawn_from(images(1), 100)["real data"].flatten(1)[:, None] == rows.flatten(1)).all(2)
    assert sorted(same.sum(0).tolist()) == [2] * 20 + [3] * 20


def test_shuffled_images_keep_their_pixels_with_their_channels_and_lose_their_places() -> None:
    rows = images(2).reference(40)
    for image in drawn_from(images(2), 20)["pixel-shuffled"]:
        pixels = sorted(image.flatten(1).T.tolist())
        (original,) = [row for row in rows if sorted(row.flatten(1).T.tolist()) == pixels]
        assert not torch.equal(image, original)


def test_noise_fills_the_datas_range_and_uniform_its_bounding_box() -> None:
    noise, rows = drawn_from(images(3), 2000)["noise"], images(3).reference(40)
    low, high = rows.min().item(), rows.max().item()
    assert low <= noise.min().item() < low + 0.01 < high - 0.01 < noise.max().item() <= high
    wide = Source(shape=(2,), draw=lambda g, n: torch.rand(n, 2, generator=g) * torch.tensor([1.0, 9.0]), reference=len)
    box = drawn_from(wide, 20_000)["uniform"]
    assert box.mean(0).tolist() == pytest.approx([0.5, 4.5], abs=0.1)
    assert box.std(0).tolist() == pytest.approx([1 / math.sqrt(12), 9 / math.sqrt(12)], rel=0.03)


def test_the_gaussian_has_the_rows_mean_and_covariance_even_where_that_is_singular() -> None:
    rows = torch.randn(300, 2, generator=Generator().manual_seed(4)) @ torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    found = draw_gaussian(rows + 5, 200_000, Generator().manual_seed(5))
    assert torch.allclose(found.mean(0), rows.mean(0) + 5, atol=0.03)
    assert torch.allclose(found.T.cov(correction=0), rows.T.cov(correction=0), atol=0.06)
    assert found[:, 2].tolist() == pytest.approx([5.0] * len(found))


def test_the_gaussian_is_no_resampling_of_the_rows() -> None:
    """Of two values, -1 and 1, the Gaussian has kurtosis 3; the values themselves have 1."""
    found = draw_gaussian(torch.tensor([[-1.0], [1.0]]), 100_000, Generator().manual_seed(6)).flatten().double()
    assert (found**4).mean().item() / (found**2).mean().item() ** 2 == pytest.approx(3, abs=0.1)


def test_the_clamped_gaussian_stays_in_the_datas_range_and_the_mean_image_is_one() -> None:
    found, rows = drawn_from(images(7), 200), images(7).reference(40)
    assert found["Gaussian fit"].max() > rows.max()
    assert found["Gaussian fit, clamped"].max() <= rows.max()
    assert torch.allclose(found["mean image"], rows.mean(0).expand(200, 3, 4, 4), atol=1e-6)


def test_ten_rows_are_memorised_equally_often_and_of_as_many_classes_as_there_are() -> None:
    found = drawn_from(images(8), 100)["ten memorised"]
    kinds, counts = found.flatten(1).unique(dim=0, return_counts=True)
    assert counts.tolist() == [10] * 10
    rows = images(8).reference(40).flatten(1)
    classes = [int(torch.cdist(kind[None], rows).argmin() >= 20) for kind in kinds]
    assert sorted(classes) == [0] * 5 + [1] * 5
    assert alternate_classes(torch.arange(6), torch.tensor([7, 7, 7, 1, 7, 1])).tolist() == [0, 3, 1, 5, 2, 4]


def test_without_known_centres_one_mode_is_one_point_and_with_them_a_mode_with_its_spread() -> None:
    rows = torch.tensor([[0.0, 0.1], [9.0, 9.0], [0.0, -0.1]])
    known = Source(shape=(2,), reference=len, facts={"centres": torch.tensor([[9.0, 9.1], [0.0, 0.0]])})
    strange = Source(shape=(2,), reference=len, facts={"centres": [[0.0, 0.0]]})
    assert rows_of_one_mode(known, rows).tolist() == [rows[0].tolist(), rows[2].tolist()]
    assert rows_of_one_mode(strange, rows).tolist() == [rows[0].tolist()]


# what they score


def test_on_digits_the_inception_score_alone_is_fooled_and_fid_is_not(plugins: Registry) -> None:
    """tests/plugins/test_digits.py computes the FIDs 2.5, 58 and 30 of real data and Gaussians by other means."""
    found = scores_of(plugins, "digits", ("fid", "inception-score"), 2000)
    fid = {name: values["fid"] for name, values in found.items()}
    inception = {name: values["is"] for name, values in found.items()}
    assert fid["real data"] == pytest.approx(2.5, abs=0.5)
    assert fid["Gaussian fit"] == pytest.approx(30, abs=4)
    assert fid["Gaussian fit, clamped"] == pytest.approx(58, abs=4)
    held_out = digits.digits().extractor.extract(digits.split()[1].images)["logits"]
    assert inception["ten memorised"] > seen(METRICS["inception-score"], logits=held_out)["is"] > 9
    assert inception["real data"] == pytest.approx(inception["ten memorised"], abs=0.3)
    assert min(fid[name] for name in ("noise", "pixel-shuffled", "mean image", "ten memorised")) > 200
    assert inception["mean image"] == pytest.approx(1, abs=1e-4)
    assert inception["noise"] < 4 < inception["Gaussian fit"] < 7


def test_on_the_ring_the_perfect_sampler_covers_all_and_one_mode_one(plugins: Registry) -> None:
    """Within three standard deviations lies 1 - exp(-9/2) of a plane Gaussian."""
    found = scores_of(plugins, "ring", ("modes",), 2500)
    within = 1 - math.exp(-4.5)
    error = math.sqrt(within * (1 - within) / 2500)
    assert (found["perfect sampler"]["modes"], found["one mode"]["modes"]) == (8, 1)
    assert found["perfect sampler"]["high-quality"] == pytest.approx(within, abs=4 * error)
    assert found["one mode"]["high-quality"] == pytest.approx(within, abs=6 * error)  # its rows are half as many
    assert found["one mode"]["reverse-kl"] == pytest.approx(math.log(8))
    assert found["perfect sampler"]["spread"] == pytest.approx(1, abs=0.1)
    assert max(found[name]["high-quality"] for name in ("uniform", "Gaussian fit")) < 0.03


def failing(evidence: Any) -> dict[str, float]:
    raise ValueError("only trained models, please")


def test_metrics_that_fail_give_nan_and_those_on_networks_or_without_an_extractor_are_left_out() -> None:
    @hookimpl
    def ganbench_metrics() -> Iterator[Offer]:
        yield Offer("fails", lambda: Metric(measure=failing, values={"f": "lower"}), "Fails.")
        for needs in ("networks", "features"):
            yield Offer(needs, lambda n=needs: Metric(measure=failing, values={n: "lower"}, needs=n), "Other needs.")

    several = registry.load(plugins=[ganbench_metrics])
    found = scores_of(several, "ring", ("fails", "networks", "features", "modes"), 20)
    assert list(found) == ["perfect sampler", "uniform", "Gaussian fit", "one mode"]
    assert all(list(values) == ["f", "modes", "high-quality", "reverse-kl", "spread"] for values in found.values())
    assert all(math.isnan(values["f"]) for values in found.values())
    assert scores_of(several, "ring", ("networks",), 20) == {}


# in a run


def run(folder: Path, question: dict[str, Any], **more: Any) -> tuple[Frames, list[Calibrating]]:
    told: list[Any] = []
    frames = ganbench.run(question, out=folder, jobs=0, watch=lambda session, event: told.append(event), **more)
    return frames, [event for event in told if isinstance(event, Calibrating)]


def test_samplers_are_scored_once_for_a_protocol_and_anew_for_another(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    first, told = run(tmp_path, small())
    assert [event.sampler for event in told] == ["perfect sampler", "uniform", "Gaussian fit", "one mode"]
    again, quiet = run(tmp_path, small(seeds=4))
    assert quiet == []
    assert again.calibration.equals(first.calibration)
    other, told = run(tmp_path, small(measurement={"samples": 60}))
    assert len(told) == 4
    assert set(first.calibration["samples"]) == {50}
    assert set(other.calibration["samples"]) == {60}
    assert set(read(tmp_path, everything=True).calibration["samples"]) == {50, 60}
    assert torch.get_num_threads() == threads


def test_a_protocol_knows_the_datas_code_and_how_it_is_measured(plugins: Registry) -> None:
    def keys(**changes: Any) -> set[str]:
        made = plan.make(suite.parse(small(**changes)), plugins)
        return {protocol.key for protocol in collect_protocols(made.batches, plugins).values()}

    two = [{"name": "ring", "label": "a"}, {"name": "ring", "label": "b"}]
    assert keys() == keys(seeds=5) == keys(methods=["ns-gan"], dataset=two, success=None)
    different = [{"dataset": [{"name": "ring", "modes": 5}]}, {"measurement": {"samples": 51}}]
    assert len(keys().union(*(keys(**change) for change in different))) == 3


def test_the_scores_open_with_the_ceiling_and_the_untrained(tmp_path: Path) -> None:
    frames, _ = run(tmp_path, small())
    (table,) = (each for each in make_tables(frames) if each.title == "Scores on ring")
    rows = table.frame[table.frame["metric"] == "modes"]
    assert rows["method"].tolist() == [
        *("ceiling: perfect sampler", "untrained: uniform", "untrained: Gaussian fit", "untrained: one mode"),
        *("ns-gan", "wgan-gp"),
    ]
    assert rows["final"].tolist()[0] == 8
    assert rows["measurement"].nunique() == rows["samples_measured"].nunique() == 1
    for format in ("md", "csv", "json"):
        assert "ceiling: perfect sampler" in render([table], format)
    assert '"n": 3,' in render([table], "json")


class Stripes:
    """A stranger's set of images, given in Python."""

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        rows = torch.linspace(-1, 1, 12).reshape(12, 1, 1, 1).expand(12, 1, 2, 2)
        yield Offer(
            "stripes",
            lambda: Source(shape=(1, 2, 2), size=12, take=lambda i: rows[i], reference=lambda n: rows[:n]),
            "Flat grey images.",
            metrics=("sliced-w1",),
        )


def test_a_strangers_dataset_is_calibrated_without_doing_anything(tmp_path: Path) -> None:
    asked = small(dataset=[{"name": "stripes"}], success=None, methods=["ns-gan"])
    frames = ganbench.run(asked, out=tmp_path, offers=[Stripes()])
    found = frames.calibration[frames.calibration["name"] == "sliced-w1"].set_index("sampler")
    assert list(found.index) == [
        *("real data", "noise", "pixel-shuffled", "Gaussian fit", "Gaussian fit, clamped", "mean image"),
        "ten memorised",
    ]
    assert found["trivial"].tolist() == [False] + [True] * 6
    assert found["value"]["real data"] < found["value"]["mean image"]
    assert set(found["dataset"]) == {"stripes"}


class Broken:
    """A dataset and a metric that fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        yield Offer("broken", lambda: self.fail(), "Fails when it is built.", metrics=("sliced-w1",))
        undrawn = Source(shape=(2,), draw=self.fail, reference=self.fail)
        yield Offer("undrawn", lambda: undrawn, "Fails when it is drawn from.", metrics=("sliced-w1",))

    @hookimpl
    def ganbench_metrics(self) -> Iterator[Offer]:
        yield Offer("unmeasured", lambda: Metric(measure=self.fail, values={"f": "lower"}), "Fails when it measures.")

    def fail(self, *_: Any) -> Any:
        raise self.error


def test_a_dataset_or_metric_that_the_user_can_mend_ends_a_run_before_any_training(tmp_path: Path) -> None:
    broken = Broken(GanbenchError("no data on this disk"))
    for dataset in ({"name": "broken"}, {"name": "undrawn"}, {"name": "ring", "metrics": ["unmeasured"]}):
        asked = small(dataset=[{"name": "grid"}, dataset], success=None)
        with pytest.raises(GanbenchError, match=r"suite: dataset\[1\]: .*no data on this disk"):
            run(tmp_path, asked, offers=[broken])
    frames = ganbench.read(tmp_path)
    assert frames.trials.empty
    _, told = run(tmp_path, small(dataset=[{"name": "grid"}], success=None))
    assert told == []


def test_a_dataset_with_a_bug_is_told_and_its_trials_fail(tmp_path: Path) -> None:
    asked = small(dataset=[{"name": "undrawn"}], success=None, methods=["ns-gan"])
    frames, told = run(tmp_path, asked, offers=[Broken(ZeroDivisionError("no such luck"))])
    assert [event.dataset for event in told] == ["undrawn"]
    assert "no such luck" in told[0].error
    assert set(frames.trials["status"]) == {"failed"}
    assert frames.calibration.empty


def test_what_is_stored_comes_back_with_its_nans_and_infinities(tmp_path: Path) -> None:
    rows = [Calibration("s", True, "x", value, "lower", "m", 5) for value in (1.5, math.inf, -math.inf, math.nan)]
    with Store(tmp_path) as store:
        store.calibrate("p", [rows[0]])
        store.calibrate("p", rows)
        back = store.calibrations("p")
        assert store.calibrations("q") == []
    assert back[:3] == rows[:3]
    assert math.isnan(back[3].value)
