"""The Frechet inception distance, on the features of the dataset's extractor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version

from ganbench import Evidence, Metric, Offer, hookimpl


def measure(evidence: Evidence) -> Mapping[str, float]:
    """Return the Frechet distance between the Gaussians fitted to both sets of features.

    Undefined (NaN) if a set has fewer than two rows. Computed in double precision, because the mean of float32 features
    loses digits when a generator diverges.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    if min(len(evidence.features), len(evidence.reference_features)) < 2:
        return {"fid": float("nan")}
    fake, real = (fid_features_to_statistics(x.double()) for x in (evidence.features, evidence.reference_features))
    return {"fid": fid_statistics_to_metric(fake, real, verbose=False)[KEY_METRIC_FID]}


def fid() -> Metric:
    """Build the metric; its value depends on the numbers of samples, which are stored with every score."""
    return Metric(
        measure=measure,
        values={"fid": "lower"},
        needs="features",
        software=f"torch-fidelity {version('torch-fidelity')}",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "fid",
        fid,
        "The distance between Gaussians fitted to the features of generated and of real samples.",
        reference="Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, arXiv:1706.08500; "
        "computed by torch-fidelity",
        formula="|m - m_r|^2 + tr(S + S_r - 2 (S S_r)^(1/2))",
    )
