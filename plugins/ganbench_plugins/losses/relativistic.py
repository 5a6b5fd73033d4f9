"""Relativistic losses: a sample's score counts only against those of the other side.

Jolicoeur-Martineau 2018, "The relativistic discriminator: a key element missing from standard GAN", arXiv:1807.00734;
Jolicoeur-Martineau 2019, "On Relativistic f-Divergences", arXiv:1901.02474. The generator's loss reads the real scores
too. The means are differentiated, as in the author's code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ganbench import Example, Objective, Offer, hookimpl
from torch import Tensor
from torch.nn.functional import relu, softplus

Loss = Callable[[Tensor], Tensor]


def build_paired() -> Objective:
    """Build the relativistic GAN on pairs, the i-th real with the i-th generated sample, sp(-(r_i - f_i))."""
    return Objective(
        lambda real, fake: softplus(fake - real).mean(), lambda real, fake: softplus(real - fake).mean(), paired=True
    )


def build_average(above: Loss, below: Loss) -> Objective:
    """Build E above(r - mean f) / 2 + E below(f - mean r) / 2 for the critic, and for the generator the sides swapped.

    `above(t)` is small where t is high, and `below(t)` where t is low.
    """

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        return (above(real - fake.mean()).mean() + below(fake - real.mean()).mean()) / 2

    return Objective(critic, lambda real, fake: critic(fake, real), paired=True)


def build_average_gan() -> Objective:
    """Build the average form with the cross-entropy, sp(-t) and sp(t)."""
    return build_average(lambda t: softplus(-t), softplus)


def build_average_least_squares() -> Objective:
    """Build the average form with the squares, (t - 1)^2 and (t + 1)^2."""
    return build_average(lambda t: (t - 1).square(), lambda t: (t + 1).square())


def build_average_hinge() -> Objective:
    """Build the average form with the hinge, relu(1 - t) and relu(1 + t)."""
    return build_average(lambda t: relu(1 - t), lambda t: relu(1 + t))


EQUAL = {"real": [0.5, 0.5], "fake": [0.5, 0.5]}
# means 2 and 0: the real samples are 1 and 3 above the mean fake, the fakes 1 and 3 below the mean real
SIDES = {"real": [1.0, 3.0], "fake": [1.0, -1.0]}
SP = {t: math.log1p(math.exp(t)) for t in (-4, -3, -1, 0, 1, 3, 4)}
PAPER = "Jolicoeur-Martineau 2018, arXiv:1807.00734"


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "rpgan",
        build_paired,
        "Cross-entropy of the differences between paired real and fake scores.",
        reference=f"{PAPER} (RSGAN); Huang et al. 2024, arXiv:2501.05441, section 2",
        formula="critic E sp(-(r_i - f_i)); generator E sp(-(f_i - r_i))",
        examples=(
            Example(EQUAL, {"critic": math.log(2), "generator": math.log(2)}, "sp(0) = log 2"),
            Example(
                SIDES,
                {"critic": (SP[0] + SP[-4]) / 2, "generator": (SP[0] + SP[4]) / 2},
                "the pairs differ by 0 and 4",
            ),
        ),
    )
    yield Offer(
        "rasgan",
        build_average_gan,
        "Cross-entropy of each score less the other side's mean.",
        reference=f"{PAPER} (RaSGAN)",
        formula="critic [E sp(-(r - mean f)) + E sp(f - mean r)] / 2; generator the same with r and f swapped",
        examples=(
            Example(EQUAL, {"critic": math.log(2), "generator": math.log(2)}, "sp(0) = log 2"),
            Example(
                SIDES,
                {"critic": (SP[-1] + SP[-3]) / 2, "generator": (SP[1] + SP[3]) / 2},
                "1 and 3 above, 1 and 3 below",
            ),
        ),
    )
    yield Offer(
        "ralsgan",
        build_average_least_squares,
        "Each score less the other side's mean, regressed on 1 for real and -1 for fake.",
        reference=f"{PAPER}, appendix (RaLSGAN)",
        formula=(
            "critic [E (r - mean f - 1)^2 + E (f - mean r + 1)^2] / 2; "
            "generator [E (f - mean r - 1)^2 + E (r - mean f + 1)^2] / 2"
        ),
        safe_range=1e4,
        examples=(
            Example(EQUAL, {"critic": 1.0, "generator": 1.0}, "(0 - 1)^2"),
            Example(SIDES, {"critic": 2.0, "generator": 10.0}, "(0 + 4)/2 and (4 + 16)/2"),
        ),
    )
    yield Offer(
        "rahinge",
        build_average_hinge,
        "Each score less the other side's mean, with a margin of one.",
        reference=f"{PAPER}, appendix (RaHingeGAN)",
        formula=(
            "critic [E relu(1 - (r - mean f)) + E relu(1 + (f - mean r))] / 2; generator the same with r and f swapped"
        ),
        safe_range=1e6,
        examples=(
            Example(EQUAL, {"critic": 1.0, "generator": 1.0}, "relu(1 - 0)"),
            Example(SIDES, {"critic": 0.0, "generator": 3.0}, "beyond the margin; (2 + 4)/2"),
        ),
    )
