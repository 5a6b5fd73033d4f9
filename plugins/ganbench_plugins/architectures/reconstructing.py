"""The critic that reconstructs its input, which several spaces build from layers of their own."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class AutoencoderCritic(nn.Module):
    """An encoder [n, *data] -> [n, code] and a decoder back.

    Its answers: "reconstruction" [n, *data], "features" [n, code] (what EBGAN's pulling-away term reads), "score" [n],
    which is minus the mean squared error, so high on real data, and the heads [n, k], layers on the code.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder, self.decoder, self.heads = encoder, decoder, nn.ModuleDict(heads)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return all answers by name."""
        code = self.encoder(x)
        reconstruction = self.decoder(code)
        score = -(x - reconstruction).flatten(1).square().mean(1)
        answers = {"reconstruction": reconstruction, "features": code, "score": score}
        return answers | {name: head(code) for name, head in self.heads.items()}
