"""The kernel inception distance, on the features of the dataset's extractor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from threading import RLock
from typing import Annotated

from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, hookimpl


def kid(subsets: Annotated[int, Ge(1)] = 20, subset_size: Annotated[int, Ge(2)] = 1000) -> Metric:
    """Build the metric, averaged over `subsets` random pairs of subsets of the features.

    A subset has `subset_size` rows, or all rows of the smaller set if that has fewer. The value is undefined (NaN) for
    fewer than two rows. The estimate is unbiased, so near zero it is negative about half the time.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
        from tqdm import tqdm

        # torch-fidelity counts subsets with tqdm, whose default lock is a semaphore that a stopped worker leaks
        tqdm.set_lock(RLock())
        fake, real = evidence.features.double(), evidence.reference_features.double()
        size = min(subset_size, len(fake), len(real))
        if size < 2:
            return {"kid": float("nan")}
        values = kid_features_to_metric(fake, real, kid_subsets=subsets, kid_subset_size=size, verbose=False)
        return {"kid": values[KEY_METRIC_KID_MEAN]}

    return Metric(
        measure=measure,
        values={"kid": "lower"},
        needs="features",
        final=True,
        software=f"torch-fidelity {version('torch-fidelity')}",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "kid",
        kid,
        "The unbiased squared MMD between features, with a cubic kernel.",
        reference="Binkowski et al. 2018, Demystifying MMD GANs, arXiv:1801.01401; computed by torch-fidelity",
        formula="unbiased MMD^2 with k(x, y) = (x.y / d + 1)^3",
    )
