"""A metric only measures: what it changes in place, draws or remembers is refused, and no other metric sees it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
import pytest
import torch
from ganbench import Evidence, Extractor, GanbenchError, Metric, Offer, Source, hookimpl
from ganbench.api.trials import Part
from ganbench.evaluation.baselines import NO_NETWORKS
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_metric

from tests.support.tiny_suite import suite as small


def build_weights() -> dict[str, torch.Tensor]:
    """Draw from the global generator, as a network's first weights are drawn before the stored ones replace them."""
    torch.rand(3)
    return {}


def make_source() -> Source:
    def extract(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"features": x + 1, "logits": x + 2, **build_weights()}

    return Source(
        shape=(2,),
        reference=lambda n: torch.arange(2.0 * n).reshape(n, 2),
        facts={"centres": torch.ones(3, 2), "std": 0.5},
        extractor=Extractor(name="plus one", digest="d", extract=extract),
    )


def make_evidence(reference: Reference) -> ModelEvidence:
    return ModelEvidence(
        torch.arange(8.0).reshape(4, 2),
        reference,
        networks=NO_NETWORKS,
        generator_parameters={"theta": torch.ones(1)},
        critic_parameters={"psi": torch.ones(1)},
    )


READS: dict[str, Callable[[Evidence], torch.Tensor]] = {
    "samples": lambda e: e.samples,
    "reference": lambda e: e.reference,
    "features": lambda e: e.features,
    "reference_features": lambda e: e.reference_features,
    "logits": lambda e: e.logits,
    "generator_parameters['theta']": lambda e: e.generator_parameters["theta"],
    "critic_parameters['psi']": lambda e: e.critic_parameters["psi"],
    "source.facts['centres']": lambda e: e.source.facts["centres"],
}
WRITES: dict[str, Callable[[torch.Tensor], Any]] = {
    "a method in place": lambda x: x.mul_(0),
    "an alias in NumPy": lambda x: x.numpy().fill(7),
    "one bit": lambda x: x.view(-1)[-1].add_(1e-6),
    "another shape": lambda x: x.unsqueeze_(0),
    "NaN": lambda x: x.fill_(torch.nan),
}


def make_metric(measure: Callable[[Evidence], float], **options: Any) -> Metric:
    return Metric(measure=lambda evidence: {"m": float(measure(evidence))}, values={"m": "higher"}, **options)


def score(metric: Metric, evidence: ModelEvidence, **options: Any) -> float:
    (only,) = score_metric(Part("culprit"), metric, evidence, step=0, **options)
    return only.value


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("field", READS)
def test_a_metric_that_writes_into_its_evidence_is_refused_and_nobody_sees_the_write(
    field: str, write: Callable[[torch.Tensor], Any]
) -> None:
    reference = Reference(make_source(), 5)
    evidence, read = make_evidence(reference), READS[field]
    before = read(make_evidence(Reference(make_source(), 5)))

    def measure(evidence: Evidence) -> float:
        write(read(evidence))
        return 1.0

    with pytest.raises(GanbenchError) as refused:
        score(make_metric(measure), evidence)
    assert str(refused.value).startswith(f"metric 'culprit': it changes `{field}` in place: compute new tensors")
    for later in (evidence, make_evidence(reference)):
        assert torch.equal(read(later), before)
        assert score(make_metric(lambda e: read(e).sum()), later) == float(before.sum())


def test_a_metric_that_fails_after_a_write_leaves_nothing_behind() -> None:
    reference = Reference(make_source(), 5)

    def measure(evidence: Evidence) -> float:
        evidence.reference.zero_()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        score(make_metric(measure), make_evidence(reference))
    assert float(make_evidence(reference).reference.sum()) == 45


def test_the_reference_is_the_same_tensor_for_every_model_so_that_a_metric_may_remember_what_it_computed() -> None:
    reference = Reference(make_source(), 5)
    first, second = make_evidence(reference), make_evidence(reference)
    score(make_metric(lambda e: e.reference.sum()), first)
    assert first.reference is second.reference


def draw_from_torch(evidence: Evidence) -> float:
    return float(torch.rand(()))


SEEDS = count()
RANDOM: dict[str, tuple[Callable[[Evidence], float], str]] = {
    "torch": (draw_from_torch, "it draws random numbers from torch's global generator: use a generator of its own"),
    "NumPy": (lambda e: np.random.rand(), "it draws random numbers from NumPy's global generator"),
    "Python": (lambda e: random.random(), "it draws random numbers from Python's global generator"),
    "a seed of the clock": (
        lambda e: float(torch.rand((), generator=torch.Generator().manual_seed(next(SEEDS)))),
        "the second time, for the same model: draw random numbers from a generator with a fixed seed",
    ),
    "a state": (lambda e: next(SEEDS), "and keep no state"),
    "NaN now and then": (lambda e: float("nan") if next(SEEDS) % 2 else 0.0, "the second time"),
}


class Offers:
    """The metric 'culprit', with any measure."""

    def __init__(self, measure: Callable[[Evidence], float], **options: Any) -> None:
        self.metric = make_metric(measure, **options)

    @hookimpl
    def ganbench_metrics(self) -> Iterator[Offer]:
        yield Offer("culprit", lambda: self.metric, "Is tried.")


def run(folder: Path, offers: Offers, **changes: Any) -> Any:
    dataset = [{"name": "ring", "metrics": ["culprit", "sliced-w1"]}]
    declared = small(dataset=dataset, success=None, methods=["ns-gan"], **changes)
    return ganbench.run(declared, results=folder, jobs=0, offers=[offers])


@pytest.mark.parametrize(("measure", "message"), RANDOM.values(), ids=RANDOM)
def test_a_metric_whose_values_are_chance_is_refused_before_any_training(
    measure: Callable[[Evidence], float], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GanbenchError, match=r"suite: dataset\[0\]: metric 'culprit': ") as refused:
        run(tmp_path, Offers(measure))
    assert message in str(refused.value)
    assert ganbench.read(tmp_path).trials.empty


def test_a_metric_that_writes_is_refused_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match="metric 'culprit': it changes `reference` in place"):
        run(tmp_path, Offers(lambda evidence: float(evidence.reference.mul_(0.0).sum())))
    assert ganbench.read(tmp_path).trials.empty


@pytest.mark.parametrize(("measure", "message"), RANDOM.values(), ids=RANDOM)
def test_trials_fail_by_the_name_of_a_metric_on_networks_whose_values_are_chance(
    measure: Callable[[Evidence], float], message: str, tmp_path: Path
) -> None:
    trials = run(tmp_path, Offers(measure, needs="networks")).trials
    assert set(trials["status"]) == {"failed"}
    assert trials["error"].str.startswith("metric 'culprit': ").all()
    assert trials["error"].str.contains(message, regex=False).all()


def test_a_metric_that_writes_into_the_critic_fails_by_name(tmp_path: Path) -> None:
    def measure(evidence: Evidence) -> float:
        return sum(float(tensor.zero_().sum()) for tensor in evidence.critic_parameters.values())

    trials = run(tmp_path, Offers(measure, needs="networks")).trials
    assert trials["error"].str.startswith("metric 'culprit': it changes `critic_parameters[").all()


def test_a_metric_with_a_fixed_seed_or_without_a_value_is_no_chance() -> None:
    evidence = make_evidence(Reference(make_source(), 5))
    seeded = make_metric(lambda e: torch.rand((), generator=torch.Generator().manual_seed(3)))
    assert score(seeded, evidence, twice=True) == score(seeded, evidence)
    assert np.isnan(score(make_metric(lambda e: float("nan")), evidence, twice=True))


def test_an_extractor_that_draws_its_weights_when_first_used_is_not_blamed_on_the_metric() -> None:
    evidence = make_evidence(Reference(make_source(), 5))
    on_features = make_metric(lambda e: e.features.sum() - e.reference_features.sum(), needs="features")
    assert score(on_features, evidence, twice=True) == (28 + 8) - (45 + 10)


def test_a_metric_that_calls_the_networks_must_say_that_it_needs_them(tmp_path: Path) -> None:
    offers = Offers(lambda evidence: float(evidence.critic(evidence.samples).mean()))
    with pytest.raises(GanbenchError, match=r'calls `generator` or `critic` declares needs="networks"'):
        run(tmp_path, offers)


def test_a_metric_on_networks_calls_the_critic_that_was_trained(tmp_path: Path) -> None:
    """The critic's mean slope on the samples is finite and above zero, for every trial and snapshot.

    `requires_grad_` changes no number, and the next metric may still call `.numpy()`.
    """

    def slope(evidence: Evidence) -> float:
        x = evidence.samples.requires_grad_()
        (gradient,) = torch.autograd.grad(evidence.critic(x).sum(), x)
        return float(gradient.norm(dim=1).mean())

    frames = run(tmp_path, Offers(slope, needs="networks"), seeds=2)
    values = frames.scores.loc[frames.scores["name"] == "m", "value"]
    assert set(frames.trials["status"]) == {"completed"}
    assert np.isfinite(values).all()
    assert (values > 0).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(3), r"'m' is tensor\(\[1., 1., 1.\]\): return a float"),
        ("7", "'m' is '7': return a float"),
        (1j, "'m' is 1j"),
        (np.complex64(1j), "'m' is "),
        (None, "'m' is None"),
        (10**400, "'m' is 1000"),
    ],
)
def test_a_value_that_is_no_number_is_refused_by_the_names_of_metric_and_value(value: Any, message: str) -> None:
    metric = Metric(measure=lambda evidence: {"m": value}, values={"m": "higher"})
    with pytest.raises(GanbenchError, match=f"^metric 'culprit': {message}"):
        score(metric, make_evidence(Reference(make_source(), 5)))


@pytest.mark.parametrize("values", [None, 1.0, ["m"]])
def test_a_metric_that_returns_no_dictionary_is_refused(values: Any) -> None:
    metric = Metric(measure=lambda evidence: values, values={"m": "higher"})
    with pytest.raises(GanbenchError, match=r"^metric 'culprit': `measure` returns .*: return a dictionary"):
        score(metric, make_evidence(Reference(make_source(), 5)))


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), torch.tensor(2.0), torch.tensor([2.0]), True])
def test_every_form_of_one_number_is_a_float(value: Any) -> None:
    metric = Metric(measure=lambda evidence: {"m": value}, values={"m": "higher"})
    measured = score(metric, make_evidence(Reference(make_source(), 5)))
    assert type(measured) is float
    assert measured == float(value)


def test_a_metric_that_would_end_the_program_is_refused_by_name_and_line() -> None:
    metric = Metric(measure=lambda evidence: sys.exit(0), values={"m": "higher"})
    words = (
        r"^metric 'culprit': `measure`: it ends the program \(SystemExit: 0\) in test_measuring.py, line \d+\. Raise"
    )
    with pytest.raises(GanbenchError, match=words):
        score(metric, make_evidence(Reference(make_source(), 5)))
