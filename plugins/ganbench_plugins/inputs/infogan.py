"""InfoGAN: codes in the generator's input that a head on the critic's trunk must recover from the sample.

Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel 2016, "InfoGAN: Interpretable Representation Learning by Information
Maximizing Generative Adversarial Nets", arXiv:1606.03657, equation 5, and the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Draw, GanbenchError, Input, Offer, Play, State, hookimpl
from torch import Tensor
from torch.nn.functional import log_softmax

LOG_2_PI = math.log(2 * math.pi)


def bound_categorical(logits: Tensor, code: Tensor) -> Tensor:
    """Return E log Q(c|x) + H(c) of a one-hot code [n, k], in nats: at most log k, 0 for a head that knows nothing."""
    return (code * log_softmax(logits, 1)).sum(1).mean() + math.log(code.shape[1])


def bound_continuous(answer: Tensor, code: Tensor, fixed_std: bool) -> Tensor:
    """Return E log Q(c|x) + H(c) of codes [n, k] uniform on [-1, 1], summed over them, for a Gaussian Q, in nats.

    `answer` [n, k] has the means, with a std of 1: the bound is then at most k (log 2 - log(2 pi) / 2). With a learned
    std it is [n, 2k], the means and the logarithms of the variances, and the bound has no upper limit.
    """
    count = code.shape[1]
    mean, log_variance = answer[:, :count], torch.zeros_like(code) if fixed_std else answer[:, count:]
    log_density = -((code - mean).square() * (-log_variance).exp() + log_variance + LOG_2_PI) / 2
    return log_density.sum(1).mean() + count * math.log(2)


def build(
    categories: Annotated[int, Ge(0)] = 10, continuous: Annotated[int, Ge(0)] = 2, fixed_std: bool = True
) -> Input:
    """Build one code of `categories` equal classes and `continuous` codes uniform on [-1, 1]; 0 leaves one out.

    Both players maximise the bound on the codes' mutual information with the sample, so the term is its negative, and
    its `weight` the paper's lambda; with weight 0 the codes are there and nothing binds them. The bounds of the two
    kinds are signals of their own, because only the first is limited in nats of meaning. The generator receives the
    continuous codes as (c + 1) / 2. The defaults are the authors' for MNIST.
    """
    if categories == 1 or not categories + continuous:
        raise GanbenchError(
            f"categories = {categories}, continuous = {continuous}: no code to learn. Give 2 categories or more, or a "
            "continuous code."
        )
    widths = {"categorical": categories, "continuous": continuous if fixed_std else 2 * continuous}
    draws = {"categorical": Draw("onehot", (categories,)), "continuous": Draw("uniform", (continuous,))}
    used = [name for name, width in widths.items() if width]

    def term(play: Play, state: State) -> tuple[Tensor, State]:
        answers, codes, bounds = play.answers_fake, play.codes, {}
        if categories:
            bounds["categorical"] = bound_categorical(answers["categorical"], codes["categorical"])
        if continuous:
            bounds["continuous"] = bound_continuous(answers["continuous"], 2 * codes["continuous"] - 1, fixed_std)
        return -sum(bounds.values(), torch.zeros_like(bounds[used[0]])), bounds

    return Input(
        latent={name: draws[name] for name in used},
        heads={name: widths[name] for name in used},
        critic=term,
        generator=term,
        init=lambda parameters, rng: {name: torch.zeros(()) for name in used},
    )


@hookimpl
def ganbench_inputs() -> Iterator[Offer]:
    yield Offer(
        "infogan",
        build,
        "Adds codes to the generator's input, which the critic must recover from the sample.",
        reference="Chen et al. 2016, arXiv:1606.03657, equation 5, and the authors' code",
        formula="L - lambda (E log Q(c|G(z, c)) + H(c)) for both players",
    )
