"""An architecture space: an affine generator against a critic of degree two."""

import math

from ganbench import GanbenchError, Networks, Offer, Space, hookimpl
from torch import nn

ganbench_api = 1


class Form(nn.Module):
    """A critic of degree two: score |A x|^2 - |B x|^2 of each sample, with affine maps A and B."""

    def __init__(self, size, width):
        super().__init__()
        self.plus, self.minus = nn.Linear(size, width), nn.Linear(size, width)

    def forward(self, x):
        """Return the score of each sample, [n]."""
        return self.plus(x.flatten(1)).square().sum(1) - self.minus(x.flatten(1)).square().sum(1)


def quadratic(latent: int = 4):
    """Return a space of two critics, which differ in their width."""

    def networks(spec, ask):
        if ask.heads:
            raise GanbenchError(f"'outsider-quadratic' has a score alone, not {', '.join(ask.heads)}. Use 'mlp'.")
        size = math.prod(ask.shape)
        generator = nn.Sequential(nn.Linear(latent + ask.latent, size), nn.Unflatten(1, ask.shape))
        critic = Form(ask.pack * size, spec["width"])
        return Networks(generator=generator, critic=critic, latent=latent, rowwise=True)

    return Space(sample=lambda rng: {"width": rng.choice([2, 4])}, networks=networks, size=2)


@hookimpl
def ganbench_architectures():
    """Offer the space."""
    yield Offer("outsider-quadratic", quadratic, "An affine generator against a critic of degree two.")
