"""A space that refuses the data is an error of the plan; the layers of an architecture, as `show` draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, Source, Space
from ganbench.plan.network_layers import Layer, list_layers
from ganbench.plan.network_size import check_networks
from torch import nn

from ganbench_plugins.architectures import dcgan, progressive
from tests.support.answering_networks import make_critic_free_space
from tests.support.image_networks import RANDOM, random_spec
from tests.support.small_games import conditional
from tests.support.terminal import ganbench
from tests.support.tiny_suite import plan_small


def test_a_space_that_refuses_the_data_is_an_error_of_the_plan(plugins) -> None:
    refusal = r"^s.toml: architectures: architecture 'dcgan' needs images .* this dataset has shape \(2,\): use 'mlp'"
    with pytest.raises(GanbenchError, match=refusal):
        plan_small(plugins, architectures={"space": "dcgan"})


def test_the_smallest_architecture_of_a_sample_is_asked_too() -> None:
    space, source = (
        RANDOM.build(),
        Source(
            shape=(3, 32, 32),
            draw=lambda rng, n: torch.zeros(n, 3, 32, 32),
            reference=lambda n: torch.zeros(n, 3, 32, 32),
        ),
    )
    check_networks(space, [random_spec(depth) for depth in (8, 3 + 1, 12, 20)], source, "s.toml")
    with pytest.raises(GanbenchError, match=r"^s.toml: architecture 'random-dcgan': 2 convolutions cannot make 32"):
        check_networks(space, [random_spec(depth) for depth in (8, 2, 12, 20)], source, "s.toml")


def test_layers_are_listed_in_the_order_of_their_calls_with_shapes_and_weights() -> None:
    class Twice(nn.Module):
        """A layer that is called twice, and a weight of the network's own."""

        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(3))
            self.first, self.again = nn.Linear(4, 3), nn.Linear(3, 3)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.gain * self.again(self.again(self.first(z)))

    def networks(spec: Any, ask: Ask) -> Networks:
        return Networks(generator=Twice(), critic=nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)), latent=4)

    before = torch.random.get_rng_state()
    layers = list_layers(Space(sample=lambda rng: {}, networks=networks), {}, Ask(shape=(3,)))
    assert layers["generator"] == [
        Layer("first", "Linear", (3,), 15),
        Layer("again", "Linear", (3,), 12),
        Layer("again", "Linear", (3,), 0),
        Layer("", "Twice", (3,), 3),
    ]
    assert layers["critic"] == [Layer("0", "Linear", (1,), 4), Layer("1", "Flatten", (), 0)]
    assert torch.equal(before, torch.random.get_rng_state())


def test_kinds_name_kernels_and_strides() -> None:
    space = dcgan.build_random_dcgan(depths=(4,), filters=(2,), activations=("relu",), normalised=(False,))
    layers = list_layers(space, random_spec(4, filters=2), Ask(shape=(3, 32, 32), pack=2))
    assert layers["generator"][3] == Layer("conv1", "ConvTranspose2d 4x4 stride 2", (4, 8, 8), 8 * 4 * 16 + 4)
    assert layers["generator"][5] == Layer("conv2", "Conv2d 3x3", (4, 8, 8), 4 * 4 * 9 + 4)
    assert layers["critic"][0] == Layer("trunk.conv1", "Conv2d 4x4 stride 2", (2, 16, 16), 6 * 2 * 16 + 2)


@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 512, 512)])
def test_no_weight_takes_memory(shape: tuple[int, ...], plugins) -> None:
    """A perceptron of 20,000 units has weights of 63 and of 16 gigabytes."""
    space = plugins.build("architectures", "mlp", {"generator_width": 20_000})
    layers = list_layers(space, space.sample(None), Ask(shape=shape))
    assert max(layer.weights for layer in layers["generator"]) >= 4e8 - 1e6


def test_stages_networks_with_labels_and_networks_without_a_critic_are_listed() -> None:
    growing = list_layers(progressive.build(filters=2), {"grow": True}, Ask(shape=(1, 8, 8)))
    assert list(growing) == [f"{player}, stage {k} of 2" for k in (1, 2) for player in ("generator", "critic")]
    assert list(list_layers(make_critic_free_space(), {}, Ask(shape=(2,)))) == ["generator"]
    assert list(list_layers(conditional(), {}, Ask(shape=(2,), classes=3))) == ["generator", "critic"]


def test_show_draws_how_depth_becomes_layers(tmp_path: Path) -> None:
    words = ["random-dcgan", "--option", "depths=[20]", "--option", "filters=[32]", "--option", "normalised=[false]"]
    shown = ganbench("show", *words, "--shape", "1,16,16", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "layers for samples of 1,16,16, one of 16 (generator_activation" in shown.stdout
    generator, critic = shown.stdout.split("\n\n")[2:]
    kinds = [line.split()[1] for line in generator.splitlines() if "Conv" in line]
    assert kinds == ["ConvTranspose2d", *9 * ["Conv2d"]] * 2
    for table in (generator, critic):
        assert sum("Conv" in line for line in table.splitlines()) == 20
        *rows, total = [int(line.split()[-1].replace(",", "")) for line in table.splitlines()[1:] if line.strip()]
        assert sum(rows) == total


def test_show_draws_the_layers_of_a_third_partys_architecture(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from ganbench import GanbenchError, Networks, Offer, Space, hookimpl\n"
        "from torch import nn\n\n\n"
        "def build(width: int) -> Space:\n"
        "    def networks(spec, ask):\n"
        "        if len(ask.shape) > 1:\n"
        "            raise GanbenchError('points only')\n"
        "        return Networks(generator=nn.Linear(width, *ask.shape), critic=None, latent=width)\n\n"
        "    return Space(sample=lambda rng: {}, networks=networks, size=1)\n\n\n"
        "@hookimpl\n"
        "def ganbench_architectures():\n"
        "    yield Offer('mine', build, 'One layer.')\n"
    )
    show = ["show", "mine", "--plugin", "mine.py"]
    lacking = ganbench(*show, cwd=tmp_path)
    assert "layers: not drawn, an option has no default; --option width=..." in lacking.stdout
    refused = ganbench(*show, "--option", "width=5", cwd=tmp_path)
    assert "not drawn for samples of 3,32,32, give another --shape: show: points only" in refused.stdout
    drawn = ganbench(*show, "--option", "width=5", "--shape", "7", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert "Linear  7            42" in drawn.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dcgan", "--shape", "3,28,28"], "needs square images of 8, 16, 32, 64 pixels, not of 28 x 28"),
        (["dcgan", "--shape", "a"], "--shape a: write the shape of one sample, such as 3,32,32"),
        (["dcgan", "--shape", "3,-1,5"], "--shape 3,-1,5: write the shape"),
        (["dcgan", "--option", "width=3"], "no option 'width'"),
        (["adam", "--shape", "3"], "--shape and --option are for architectures, and optimizer 'adam' is none"),
    ],
)
def test_wrong_words_of_show_are_errors_with_a_way_out(words: list[str], message: str, tmp_path: Path) -> None:
    shown = ganbench("show", *words, cwd=tmp_path)
    assert shown.returncode != 0
    assert message in shown.stderr
    assert "Traceback" not in shown.stderr
