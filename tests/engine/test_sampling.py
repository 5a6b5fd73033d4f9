"""Samples come in batches of the training's size, as `draw_samples` returns them whole."""

from __future__ import annotations

import pytest
import torch

from tests.support.small_games import ROWS, conditional, conv, images, labelled, make_training, ns_gan


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize(("space", "source"), [(conv, images), (conditional, labelled)])
def test_batches_are_the_samples_in_order_and_one_member_has_its_own(mode, space, source):
    run = make_training(ns_gan(), space(), source(), mode=mode, steps=2)
    *_, last = run.run()
    whole = run.draw_samples(last, 40)
    batches = list(run.drawing.iterate(last, 40, "evaluation"))
    assert [batch.shape[1] for batch in batches] == [ROWS, ROWS, 40 - 2 * ROWS]
    assert torch.equal(torch.cat(batches, 1).cpu(), whole)
    second = torch.cat(list(run.drawing.iterate(last, 40, "evaluation", at=[1])), 1).cpu()
    assert torch.allclose(second, whole[1:2], atol=1e-6)
    alone = torch.cat(list(run.drawing.iterate(last.select([1]), 40, "evaluation", at=[0])), 1).cpu()
    assert torch.allclose(alone, whole[1:2], atol=1e-6)
