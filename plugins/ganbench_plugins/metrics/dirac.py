"""The state of the Dirac-GAN: its only two parameters, and their distance from the equilibrium.

Mescheder, Geiger, Nowozin 2018, "Which Training Methods for GANs do actually Converge?", arXiv:1801.04406, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl


def measure(evidence: Evidence) -> Mapping[str, float]:
    """Return theta, psi and their distance sqrt(theta^2 + psi^2) from the equilibrium (0, 0), in double precision.

    Raises GanbenchError for networks with other parameters.
    """
    parameters = {**evidence.generator_parameters, **evidence.critic_parameters}
    if sorted((name, weights.numel()) for name, weights in parameters.items()) != [("psi", 1), ("theta", 1)]:
        raise GanbenchError(
            f"the networks' parameters are {', '.join(sorted(parameters))}, not one theta and one psi. "
            "Use the architecture 'linear' on the dataset 'dirac', or choose another metric."
        )
    theta, psi = float(parameters["theta"]), float(parameters["psi"])
    return {"distance": math.hypot(theta, psi), "theta": theta, "psi": psi}


def build() -> Metric:
    return Metric(measure=measure, values={"distance": "lower", "theta": "neutral", "psi": "neutral"}, needs="networks")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "dirac",
        build,
        "The Dirac-GAN's two parameters, and their distance from the equilibrium.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, section 2",
        formula="sqrt(theta^2 + psi^2)",
    )
