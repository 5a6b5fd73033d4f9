"""Mean and covariance of features that come in pieces, in float64.

Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance", The American Statistician 37, section 2:
each piece is centred by its own mean, so no large squares are subtracted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.api.metrics import Moments


class RunningMoments:
    """The moments of the features [n, d] that were added so far, on the device of the features."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.scatter = torch.empty(0)

    def add(self, features: Tensor) -> None:
        """Add features [n, d], n > 0."""
        x, new = features.double(), len(features)
        mean = x.mean(0)
        centred = x - mean
        if self.count == 0:
            self.count, self.mean, self.scatter = new, mean, centred.T @ centred
            return
        total, shift = self.count + new, mean - self.mean
        self.scatter.addmm_(centred.T, centred).addr_(shift, shift, alpha=self.count * new / total)
        self.mean += shift * (new / total)
        self.count = total

    def finish(self) -> Moments:
        """Return the moments on the CPU; nothing may be added afterwards."""
        divisor = self.count - 1 or float("nan")
        return Moments(self.count, self.mean.cpu(), self.scatter.div_(divisor).cpu())
