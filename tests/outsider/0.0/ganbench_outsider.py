"""A third party's plugin: the loss of boosting, a penalty on the scores, and a simple pair of networks."""

import math

from ganbench import Constraint, Example, GanbenchError, Networks, Objective, Offer, Space, hookimpl
from torch import nn


def boosting():
    """Return the exponential loss of AdaBoost, for both players."""
    return Objective(lambda r, f: (-r).exp().mean() + f.exp().mean(), lambda r, f: (-f).exp().mean())


def leash(target: float = 0.0):
    """Return the penalty E (r - target)^2, which keeps the scores of real samples near a target."""
    return Constraint(critic=lambda play: (play.scores_real - target).square().mean())


class Form(nn.Module):
    """A critic of degree two: score |A x|^2 - |B x|^2 of each sample, with affine maps A and B."""

    def __init__(self, size):
        super().__init__()
        self.plus, self.minus = nn.Linear(size, 4), nn.Linear(size, 4)

    def forward(self, x):
        return self.plus(x.flatten(1)).square().sum(1) - self.minus(x.flatten(1)).square().sum(1)


def quadratic(latent: int = 4):
    """Return an affine generator and a critic of degree two, as an architecture space."""

    def networks(spec, ask):
        if ask.heads:
            raise GanbenchError(f"architecture 'quadratic' has a score alone, not {', '.join(ask.heads)}. Use 'mlp'.")
        size = math.prod(ask.shape)
        generator = nn.Sequential(nn.Linear(latent + ask.latent, size), nn.Unflatten(1, ask.shape))
        return Networks(generator=generator, critic=Form(ask.pack * size), latent=latent, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


@hookimpl
def ganbench_losses():
    """Offer the loss `boosting` with an example from hand calculation."""
    known = Example({"real": [0.0], "fake": [0.0]}, {"critic": 2.0, "generator": 1.0}, "e^0 + e^0")
    yield Offer("boosting", boosting, "The exponential loss of AdaBoost.", examples=(known,))


@hookimpl
def ganbench_constraints():
    """Offer the constraint `leash`, without an example."""
    yield Offer("leash", leash, "Pulls the scores of real samples towards a number.")


@hookimpl
def ganbench_architectures():
    """Offer the architecture `quadratic`, whose space has one spec."""
    yield Offer("quadratic", quadratic, "An affine generator against a critic of degree two.")
