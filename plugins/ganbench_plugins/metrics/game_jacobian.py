"""The eigenvalues of the game's gradient field at the trained weights: does it pull, push or turn?

Mescheder, Geiger, Nowozin 2018, arXiv:1801.04406, section 2; Berard et al. 2020, "A Closer Look at the Optimization
Landscapes of Generative Adversarial Networks", arXiv:1906.04848, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, Profile, hookimpl
from torch import Tensor
from torch.func import jacrev, vjp

from ganbench_plugins.game_field import Field, open_field

DENSE = 64
"""Up to so many parameters the whole Jacobian is computed."""


def find_eigenvalues(field: Field, point: Tensor, count: int) -> Tensor:
    """Return the eigenvalues of largest modulus of a field's Jacobian at a point, complex, at most `count`."""
    if len(point) <= DENSE:
        values = torch.linalg.eigvals(jacrev(field)(point).double())
    else:
        values = find_sparse_eigenvalues(field, point, count)
    order = values.abs().argsort(descending=True)
    return values[order][:count]


def find_sparse_eigenvalues(field: Field, point: Tensor, count: int) -> Tensor:
    """Return these eigenvalues from products with vectors alone (ARPACK, from a fixed first vector).

    The products are those of the transposed Jacobian, which has the same eigenvalues and needs no forward mode.
    """
    import numpy as np
    from scipy.sparse.linalg import LinearOperator, eigs

    pull = vjp(field, point)[1]

    def multiply(vector: Any) -> Any:
        cotangent = torch.from_numpy(np.asarray(vector, np.float32).reshape(-1))
        return pull(cotangent)[0].double().numpy()

    size = len(point)
    operator = LinearOperator((size, size), matvec=multiply, dtype=np.float64)
    first = np.random.default_rng(0).standard_normal(size)
    values = eigs(operator, k=count, which="LM", v0=first, tol=1e-3, maxiter=50 * count, return_eigenvectors=False)
    return torch.from_numpy(np.asarray(values))


def measure(evidence: Evidence, eigenvalues: int, number: int) -> Mapping[str, Any]:
    """Return the largest real and imaginary part of the leading eigenvalues, and how much the largest one turns."""
    values = find_eigenvalues(*open_field(evidence, number), eigenvalues)
    first = values[0]
    turning = float(first.imag.abs() / first.abs()) if float(first.abs()) > 0 else 0.0
    return {
        "largest-real-part": float(values.real.max()),
        "largest-imaginary-part": float(values.imag.abs().max()),
        "rotation": turning,
        "game-eigenvalues": Profile(values.imag.tolist(), x=values.real.tolist()),
    }


def build(eigenvalues: Annotated[int, Ge(1)] = 6, batch: Annotated[int, Ge(0)] = 0) -> Metric:
    """Build the leading eigenvalues of the Jacobian of v = (-grad_g L_G, -grad_d L_D), on batch number `batch`.

    Those of largest modulus, at most `eigenvalues`. Real parts below 0 pull towards a stationary point, above 0 push
    away; imaginary parts turn. `rotation` is |Im| / modulus of the first: 1 for pure rotation, 0 for none. The profile
    `game-eigenvalues` has the imaginary parts at the real parts. Products with vectors, not the matrix, above 64
    parameters; these need losses that are differentiable twice.
    """
    names = ("largest-real-part", "largest-imaginary-part", "rotation")
    return Metric(
        measure=partial(measure, eigenvalues=eigenvalues, number=batch),
        values=dict.fromkeys(names, "neutral"),
        profiles={"game-eigenvalues": "real part"},
        needs="networks",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "game-jacobian",
        build,
        "The leading eigenvalues of the Jacobian of the game's gradient field.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, section 2; Berard et al. 2020, arXiv:1906.04848, section 4",
        formula="eig of the Jacobian of (-grad_g L_G, -grad_d L_D)",
    )
