"""Where the Dirac-GAN stands: the only two numbers it has, and how far they are from its equilibrium.

Mescheder, Geiger, Nowozin 2018, "Which Training Methods for GANs do actually Converge?", arXiv:1801.04406, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl


def measure(evidence: Evidence) -> Mapping[str, float]:
    """Give theta, psi and sqrt(theta^2 + psi^2), in double precision; the equilibrium is (0, 0).

    Raises GanbenchError for networks that have other parameters.
    """
    held = {**evidence.generator_parameters, **evidence.critic_parameters}
    if sorted((name, weights.numel()) for name, weights in held.items()) != [("psi", 1), ("theta", 1)]:
        raise GanbenchError(
            f"the networks' parameters are {', '.join(sorted(held))}, not one theta and one psi. "
            "Use the architecture 'linear' on the dataset 'dirac', or choose another metric."
        )
    theta, psi = float(held["theta"]), float(held["psi"])
    return {"distance": math.hypot(theta, psi), "theta": theta, "psi": psi}


def build() -> Metric:
    """Make the metric."""
    return Metric(measure=measure, values={"distance": "lower", "theta": "neutral", "psi": "neutral"}, needs="networks")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Offer `dirac`."""
    yield Offer(
        "dirac",
        build,
        "The Dirac-GAN's two parameters, and their distance from the equilibrium.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, section 2",
        formula="sqrt(theta^2 + psi^2)",
    )
