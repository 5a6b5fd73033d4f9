"""How well a categorical code predicts the class of a sample, under the best assignment of codes to classes.

Chen et al. 2016, InfoGAN, arXiv:1606.03657, section 7.2, which reports an error of 5% on MNIST.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor


def match(code: Tensor, classes: Tensor, codes: int, count: int) -> float:
    """Return the share of samples whose class [n] is the one that is assigned to their code [n].

    Each of the `codes` is assigned at most one of `count` classes, and each class to at most one code, so that the
    share is as large as it can be.
    """
    from scipy.optimize import linear_sum_assignment

    pairs = torch.bincount(code * count + classes, minlength=codes * count).reshape(codes, count)
    rows, columns = linear_sum_assignment(pairs.numpy(), maximize=True)
    return float(pairs[rows, columns].sum()) / len(code)


def measure(evidence: Evidence, code: str) -> Mapping[str, float]:
    """Return the accuracy of this code, and that of the next sample's code, which knows nothing of the sample.

    A sample's class is its largest logit. NaN for a model without codes, such as another method's; raise GanbenchError
    if it has codes, but none of this name that is one-hot.
    """
    codes = evidence.codes
    if not codes:
        return {"code-accuracy": float("nan"), "code-accuracy-floor": float("nan")}
    if code not in codes or codes[code].ndim != 2 or codes[code].shape[1] < 2:
        raise GanbenchError(f"code = {code!r}: no one-hot code of this name. The model has {', '.join(sorted(codes))}.")
    chosen, logits = codes[code].argmax(1), evidence.logits
    share = partial(match, classes=logits.argmax(1), codes=codes[code].shape[1], count=logits.shape[1])
    return {"code-accuracy": share(chosen), "code-accuracy-floor": share(chosen.roll(1))}


def build(code: str = "categorical") -> Metric:
    """Build the metric for the code of this name; the default is that of the input 'infogan'.

    The control is the same method with `weight = 0`: its codes mean nothing, so its accuracy is near the floor, which
    is a little above one over the number of classes, because the best assignment is chosen after the fact.
    """
    return Metric(
        measure=partial(measure, code=code),
        values={"code-accuracy": "higher", "code-accuracy-floor": "neutral"},
        needs="logits",
        least_samples=2,
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "code-accuracy",
        build,
        "How well a categorical code of the generator predicts the class that the extractor sees.",
        reference="Chen et al. 2016, arXiv:1606.03657, section 7.2; assignment: Kuhn 1955, doi:10.1002/nav.3800020109",
        formula="max over assignments pi of P(class(G(z, c)) = pi(c)); floor: c of another sample",
    )
