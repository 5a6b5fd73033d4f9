"""Before anything trains a run refuses data that breaks its contract, and says what is odd about data that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, Metric, Networks, Offer, Source, Space, hookimpl
from ganbench.api.events import Calibrating
from ganbench.registry.registry import Registry
from ganbench.results.files import database_path
from torch import Tensor, nn

from tests.support.tiny_suite import suite as tiny_suite

ROWS = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand(400, 1, 2, 2, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(400) % 3


def make_set(rows: Tensor, held_out: Tensor | None = None, **fields: Any) -> Source:
    """Return the set of the first half of these rows, whose reference is the second half."""
    half = len(rows) // 2
    reference = rows[half:] if held_out is None else held_out
    defaults = {"shape": tuple(rows.shape[1:]), "size": half, "take": lambda i: rows[:half][i]}
    return Source(**{**defaults, "reference": lambda n: reference[:n], **fields})


def make_distribution(**fields: Any) -> Source:
    """Return a normal distribution with some fields replaced."""
    draw = lambda generator, n: torch.randn(n, 2, generator=generator)  # noqa: E731
    return Source(**{"shape": (2,), "draw": draw, "reference": lambda n: ROWS[:n], **fields})


def with_nan(rows: Tensor, row: int) -> Tensor:
    """Return these rows with a NaN in one."""
    changed = rows.clone()
    changed[row, 0] = torch.nan
    return changed


def scale_each_image() -> Source:
    """Scale images one by one to [-1, 1], as people do: a blank one divides zero by zero."""
    images = IMAGES.clone()
    images[7] = 0.25
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return make_set((images - low) / (high - low) * 2 - 1)


def build_from_global_chance() -> Source:
    return make_set(torch.randn(40, 2) + 10 * torch.randn(2))


def build_from_time() -> Source:
    """Build from a generator that nobody seeded: no global one is used."""
    generator = torch.Generator()
    generator.seed()
    return make_set(torch.randn(40, 2, generator=generator))


def take_with_noise(indices: Tensor) -> Tensor:
    """Take the rows with new noise each time, from a generator of its own."""
    generator = torch.Generator()
    generator.seed()
    return ROWS[indices] + torch.randn(len(indices), 2, generator=generator)


def moving_reference() -> Callable[[int], Tensor]:
    generator = torch.Generator().manual_seed(0)
    return lambda n: torch.randn(n, 2, generator=generator)


FORBIDDEN: dict[str, tuple[Callable[[], Any], str]] = {
    "integers": (lambda: make_set((IMAGES * 255).long()), r"`take` returns torch.int64: .*x.to\(torch.uint8\)"),
    "half": (lambda: make_set(ROWS.half()), "`take` returns torch.float16: samples must be float32"),
    "double reference": (lambda: make_set(ROWS, ROWS.double()), "`reference` returns torch.float64"),
    "array": (lambda: make_set(ROWS, take=lambda i: ROWS.numpy()[i]), "`take` returns ndarray: return a torch.Tensor"),
    "one NaN row": (lambda: make_set(with_nan(ROWS, 7)), r"nan in sample 7 \(1 of 200 samples have one\)"),
    "the last row": (
        lambda: make_set(with_nan(ROWS, 199)),
        "`take` returns numbers that are not finite: nan in sample",
    ),
    "NaN reference": (lambda: make_set(with_nan(ROWS, 220)), "`reference` returns .* not finite: nan in sample 20"),
    "blank image": (scale_each_image, "nan in sample 7"),
    "infinite draws": (lambda: make_distribution(draw=lambda g, n: torch.ones(n, 2) / 0), "`draw` returns .* inf in"),
    "number": (lambda: make_set(ROWS[:, 0]), r"`shape` is \(\): .*Use shape=\(1,\), and x.reshape\(-1, 1\)"),
    "no numbers": (lambda: make_set(ROWS, shape=(0,)), r"`shape` is \(0,\): use whole numbers above 0"),
    "other shape": (lambda: make_distribution(shape=(3,)), r"returns samples of \[2\], and `shape` is \(3,\)"),
    "too few draws": (lambda: make_distribution(draw=lambda g, n: ROWS[: n - 1]), "15 samples for n = 16"),
    "empty reference": (lambda: make_set(ROWS, ROWS[:0]), "`reference` returns 0 samples for n = 50"),
    "long reference": (lambda: make_set(ROWS, reference=lambda n: ROWS), "`reference` returns 400 samples for n = 50"),
    "gradients": (lambda: make_set(ROWS, ROWS.clone().requires_grad_()), r"return x.detach\(\)"),
    "global dice in build": (
        build_from_global_chance,
        "it draws random numbers from torch's global generator: `build`",
    ),
    "dice of its own in build": (build_from_time, "a second build has other samples"),
    "dice in take": (lambda: make_set(ROWS, take=take_with_noise), "`take` returns other samples the second time"),
    "dice in draw": (
        lambda: make_distribution(draw=lambda g, n: torch.randn(n, 2)),
        "global generator: draw every number from the argument `generator`",
    ),
    "dice in reference": (
        lambda: make_set(ROWS, reference=lambda n: torch.randn(n, 2)),
        "global generator: use a generator of its own with a fixed seed",
    ),
    "moving reference": (lambda: make_set(ROWS, reference=moving_reference()), "other samples the second time"),
    "labels": (lambda: make_set(ROWS, classes=2, labels=lambda i: LABELS[i]), "labels run from 0 to 2 of 2 classes"),
    "float labels": (
        lambda: make_set(ROWS, classes=3, labels=lambda i: LABELS[i] / 1),
        "`labels` returns torch.float32",
    ),
    "nothing": (lambda: None, "build returns None. It must return a Source"),
}


def offer_data(**built: Callable[[], Any]) -> Any:
    """Return a plugin that offers these datasets."""

    @hookimpl
    def ganbench_datasets() -> Iterator[Offer]:
        for name, build in built.items():
            yield Offer(name, build, "Data.", metrics=("sliced-w1",))

    return ganbench_datasets


def run(folder: Path, *offers: Any, **changes: Any) -> tuple[list[str], list[Calibrating]]:
    """Run a suite on the dataset "data"; return the statuses of its trials, and the events before training."""
    declared = {"dataset": [{"name": "data"}], "methods": ["ns-gan"], "seeds": 1, "success": None, **changes}
    events: list[Any] = []
    frames = ganbench.run(
        tiny_suite(**declared), results=folder, offers=offers, watch=lambda session, event: events.append(event)
    )
    return list(frames.trials["status"]), [event for event in events if isinstance(event, Calibrating)]


@pytest.mark.parametrize("mistake", FORBIDDEN)
def test_data_that_breaks_its_contract_is_refused_in_the_words_of_check_with_its_place(
    mistake: str, tmp_path: Path
) -> None:
    build, message = FORBIDDEN[mistake]
    with pytest.raises(GanbenchError, match=message) as refused:
        run(tmp_path, offer_data(data=build))
    assert str(refused.value).startswith("suite: dataset[0]: dataset 'data': ")
    assert not database_path(tmp_path).exists() or ganbench.read(tmp_path).trials.empty, "nothing has trained"


def test_data_that_is_right_trains_without_a_word(tmp_path: Path) -> None:
    def seeded() -> Source:
        torch.manual_seed(0)
        return make_set(torch.randn(40, 2), classes=3, labels=lambda i: LABELS[i])

    status, events = run(tmp_path, offer_data(data=seeded))
    assert status == ["completed"]
    assert not [event for event in events if event.caution or event.error]


def test_data_is_checked_whenever_something_trains_on_it_and_never_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores of the baselines are stored already; then the file behind the data changes."""
    rows, builds = ROWS.clone(), []
    build = Registry.build

    def count_builds(plugins: Registry, kind: str, *rest: Any, **options: Any) -> Any:
        builds.append(kind)
        return build(plugins, kind, *rest, **options)

    monkeypatch.setattr(Registry, "build", count_builds)
    plugin = offer_data(data=lambda: make_set(rows))
    assert run(tmp_path, plugin)[0] == ["completed"]
    assert builds.count("datasets") > 2
    builds.clear()
    assert run(tmp_path, plugin)[0] == ["completed"], "nothing is left to train"
    assert builds.count("datasets") == 1, "planning builds the data, for the digest of its content"
    rows[3] = torch.nan
    with pytest.raises(GanbenchError, match="nan in sample 3"):
        run(tmp_path, plugin)


class Net(nn.Module):
    """A generator of 2x2 images whose output goes through a function."""

    def __init__(self, bound: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.hidden, self.norm, self.out, self.bound = nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 4), bound

    def forward(self, z: Tensor) -> Tensor:
        return self.bound(self.out(self.norm(self.hidden(z)).relu())).reshape(-1, 1, 2, 2)


def offer_network(bound: Callable[[Tensor], Tensor]) -> Any:
    """Return a plugin that offers the architecture "net"."""

    def networks(spec: Any, ask: Any) -> Networks:
        critic = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0))
        return Networks(generator=Net(bound), critic=critic, latent=3)

    @hookimpl
    def ganbench_architectures() -> Iterator[Offer]:
        yield Offer("net", lambda: Space(sample=lambda rng: {}, networks=networks, size=1), "A small network.")

    return ganbench_architectures


@pytest.mark.parametrize(
    ("images", "bound", "caution"),
    [
        (IMAGES * 255, torch.tanh, "and the generator makes numbers from -1 to 1 only"),
        (IMAGES * 255, lambda x: x.clamp(-1, 1), "makes numbers from -1 to 1 only"),
        (IMAGES * 2 - 1, torch.sigmoid, "% of its numbers are out of reach"),
        (IMAGES * 2 - 1, torch.tanh, ""),
        (IMAGES, torch.sigmoid, ""),
        (IMAGES * 255, lambda x: x, ""),
        (IMAGES * 255, torch.relu, ""),
    ],
    ids="bytes tanh, bytes clamp, signed sigmoid, signed tanh, unsigned sigmoid, bytes linear, bytes relu".split(", "),
)
def test_images_out_of_the_generators_reach_are_a_caution(
    images: Tensor, bound: Callable[[Tensor], Tensor], caution: str, tmp_path: Path
) -> None:
    data, network = offer_data(data=lambda: make_set(images)), offer_network(bound)
    status, events = run(tmp_path, data, network, architectures={"space": "net"})
    assert status == ["completed"]
    cautions = [event.caution for event in events if event.caution]
    assert [caution in sentence for sentence in cautions] == ([True] if caution else [])


@pytest.mark.parametrize(
    ("build", "caution"),
    [
        (lambda: make_set(torch.ones(40, 2)), "all its samples are equal"),
        (lambda: make_set(ROWS, ROWS[:1]), "its reference is a single sample"),
        (lambda: make_set(IMAGES[:120]), "it has only 60 training images"),
        (lambda: make_set(IMAGES[torch.arange(400) % 70]), "130 of 200 images that were looked at are copies"),
    ],
    ids=["constant", "one row", "few images", "copies"],
)
def test_a_degenerate_dataset_is_a_caution(build: Callable[[], Source], caution: str, tmp_path: Path) -> None:
    _, events = run(tmp_path, offer_data(data=build))
    assert caution in " ".join(event.caution for event in events)


class Undefined:
    """Metrics that the real data has no value of: one is NaN, one is infinite, one raises, one needs two samples."""

    @hookimpl
    def ganbench_metrics(self) -> Iterator[Offer]:
        def fail(evidence: Any) -> Any:
            raise ZeroDivisionError("no variance here")

        def of_two(evidence: Any) -> Any:
            return {"two": float(evidence.reference.std(0).mean())}

        yield Offer("nan", lambda: Metric(measure=lambda e: {"nan": float("nan")}, values={"nan": "lower"}), "NaN.")
        yield Offer("inf", lambda: Metric(measure=lambda e: {"inf": float("inf")}, values={"inf": "lower"}), "Inf.")
        yield Offer("raises", lambda: Metric(measure=fail, values={"raised": "higher"}), "Raises.")
        yield Offer("two", lambda: Metric(measure=of_two, values={"two": "neutral"}), "Needs two samples.")


def rule(**keys: Any) -> list[dict[str, Any]]:
    return [{"dataset": "data", "allow_trivial": True, **keys}]


def test_a_value_that_the_data_itself_does_not_have_is_a_caution_with_its_reason_also_when_it_is_stored(
    tmp_path: Path,
) -> None:
    data, dataset = (
        offer_data(data=lambda: make_set(ROWS)),
        [{"name": "data", "metrics": ["nan", "inf", "raises", "two"]}],
    )
    _, events = run(tmp_path, data, Undefined(), dataset=dataset)
    cautions = [event.caution for event in events if event.caution]
    assert [sentence.partition(". ")[0] for sentence in cautions] == [
        "the real data itself has no 'nan': it is nan for 50 of its samples",
        "the real data itself has no 'inf': it is inf for 50 of its samples",
        "the real data itself has no 'raised': it is nan for 50 of its samples (ZeroDivisionError: no variance here)",
    ]
    _, events = run(tmp_path, data, Undefined(), dataset=dataset, seeds=2)
    assert len([event for event in events if "the real data itself has no" in event.caution]) == 3
    assert run(tmp_path, data, Undefined(), dataset=dataset, seeds=2)[1] == [], "nothing is left to train"


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"metric": "nan", "thresholds": [1.0]}, "nan"),
        ({"metric": "raised", "thresholds": [1.0]}, "raised"),
        ({"condition": "two > 0 and inf < 9"}, "inf"),
    ],
)
def test_a_success_rule_on_such_a_value_is_refused(keys: dict[str, Any], name: str, tmp_path: Path) -> None:
    data, metrics = offer_data(data=lambda: make_set(ROWS)), ["nan", "inf", "raises", "two"]
    with pytest.raises(GanbenchError, match=rf"for 'data': the real data itself has no '{name}': .* use another value"):
        run(tmp_path, data, Undefined(), dataset=[{"name": "data", "metrics": metrics}], success=rule(**keys))
    assert ganbench.read(tmp_path).trials.empty


def test_a_success_rule_on_another_value_than_the_undefined_one_is_answered(tmp_path: Path) -> None:
    data, defined = [{"name": "data", "metrics": ["nan", "two"]}], rule(condition="two > 0")
    status, _ = run(tmp_path, offer_data(data=lambda: make_set(ROWS)), Undefined(), dataset=data, success=defined)
    assert status == ["completed"]


def test_a_reference_of_one_sample_is_refused_for_a_metric_that_needs_two(tmp_path: Path) -> None:
    one = offer_data(data=lambda: make_set(ROWS, ROWS[:1]))
    message = r"suite: dataset\[0\]: the real data itself has no 'two': .*Its `reference` is a single sample"
    with pytest.raises(GanbenchError, match=message):
        run(tmp_path, one, Undefined(), dataset=[{"name": "data", "metrics": ["two"]}])
