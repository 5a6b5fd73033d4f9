"""Lines of characters, the networks that make them, and the divergence of their n-grams."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ganbench import Ask, GanbenchError, Source
from ganbench.evaluation.baselines import baseline_samplers, make_generator
from ganbench.evaluation.data_cautions import find_oddities
from torch import Tensor, nn

from ganbench_plugins.architectures import char_resnet
from ganbench_plugins.datasets.char_lines import UNKNOWN, char_lines
from ganbench_plugins.metrics.ngram_js import ngram_js
from tests.support.metric_checks import measure

SENTENCES = ["the quick brown fox", "jumps over the lazy dog", "  pack my box with jugs  ", "how vexingly quick"] * 3


@pytest.fixture
def lines(tmp_path: Path) -> Source:
    file = tmp_path / "text.txt"
    file.write_text("\n".join([*SENTENCES, "short"]))
    return char_lines(str(file), length=12)


def take_all(source: Source) -> Tensor:
    assert source.take is not None
    return source.take(torch.arange(source.size))


def read(source: Source, samples: Tensor) -> list[str]:
    assert source.text is not None
    return source.text(samples)


def one_hot(text: str, alphabet: str = "abcdefgh") -> Tensor:
    """A sample [1, 8, length] of this text."""
    return torch.eye(len(alphabet))[[alphabet.index(letter) for letter in text]].T[None]


def score(samples: Tensor, reference: Tensor) -> dict[str, float]:
    return measure(ngram_js(), samples=samples, reference=reference)


def test_lines_are_one_hot_and_read_as_the_text_of_the_file(lines: Source) -> None:
    trained, held_out = take_all(lines), lines.reference(100)
    assert lines.size == 6
    assert len(held_out) == 6
    assert (trained.sum(1) == 1).all()
    assert set(trained.unique().tolist()) == {0.0, 1.0}
    expected = sorted(line.strip()[:12] for line in SENTENCES)
    assert sorted(read(lines, trained) + read(lines, held_out)) == expected
    assert lines.facts["characters"] == "".join(sorted(set("".join(expected))))


def test_a_small_vocabulary_has_one_character_for_all_rare_ones(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("\n".join(["aaabbc", "aaabbd"] * 3))
    source = char_lines(str(file), length=6, vocabulary=3)
    assert source.facts["characters"] == f"ab{UNKNOWN}"
    assert set(read(source, take_all(source))) == {f"aaabb{UNKNOWN}"}


def test_the_default_text_is_pythons_help_and_its_halves_have_a_floor() -> None:
    """The fixed halves have the values of sequences.md; another split has .0005, .0092, .0386 and .0958 bits."""
    source = char_lines()
    assert source.shape[1] == 32
    assert source.size + len(source.reference(5000)) == 6371
    values = score(take_all(source), source.reference(5000))
    assert values == pytest.approx({"js-1": 0.000744, "js-2": 0.01036, "js-3": 0.04075, "js-4": 0.09655}, rel=2e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no"),
        (b"short\n" * 9, "0 lines of 12 or more characters"),
        (b"\xff\xfe" * 99, "byte 0 cannot be read"),
        (b"a" * 12 + b"\n" + b"a" * 12, "2 different characters"),
    ],
)
def test_a_file_that_is_no_text_is_refused_with_a_way_out(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "text.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GanbenchError, match=message):
        char_lines(str(file), length=12)
    with pytest.raises(GanbenchError, match="cannot be read: Is a directory"):
        char_lines(str(tmp_path), length=12)


def test_equal_texts_have_divergence_0_and_disjoint_alphabets_1() -> None:
    abcd = one_hot("abcdabcd")
    assert score(abcd, abcd) == pytest.approx(dict.fromkeys(("js-1", "js-2", "js-3", "js-4"), 0.0), abs=1e-12)
    assert score(one_hot("efghefgh"), abcd) == pytest.approx(dict.fromkeys(("js-1", "js-2", "js-3", "js-4"), 1.0))


def test_the_divergence_is_in_bits_and_counts_each_run() -> None:
    """By hand: aaaa against aabb, n = 1: p = (1, 0), q = (1/2, 1/2); n = 2: aa only, against aa, ab, bb."""
    values = score(one_hot("aaaa"), one_hot("aabb"))
    assert values["js-1"] == pytest.approx(0.3112781)  # H(3/4, 1/4) - 1/2
    assert values["js-2"] == pytest.approx(0.4591479)  # H(2/3, 1/6, 1/6) - log2(3) / 2
    assert values["js-4"] == pytest.approx(1.0)
    assert score(one_hot("ab" * 4), one_hot("ba" * 4))["js-2"] < 0.02  # 4 ab and 3 ba against 3 ab and 4 ba


def test_soft_characters_count_as_the_likeliest() -> None:
    hard = one_hot("abcdabcd")
    assert score(0.4 * hard + 0.05, hard)["js-4"] == pytest.approx(0.0, abs=1e-12)


def test_points_and_images_have_no_ngrams() -> None:
    with pytest.raises(GanbenchError, match=r"have the shape \[2\]: use it on 'char-lines'"):
        score(torch.zeros(3, 2), torch.zeros(3, 2))


def test_the_generator_ends_in_a_softmax_over_characters_and_blocks_add_a_share() -> None:
    space = char_resnet.build(filters=6, blocks=2, latent=3)
    networks = space.networks({}, Ask(shape=(9, 8)))
    assert networks.critic is not None
    fake = networks.generator(torch.randn(5, 3))
    assert fake.shape == (5, 9, 8)
    assert torch.allclose(fake.sum(1), torch.ones(5, 8))
    assert networks.critic(fake).shape == (5,)
    block, x = networks.generator.get_submodule("block1"), torch.randn(2, 6, 8)
    assert isinstance(block, char_resnet.Block)
    assert torch.allclose((block(x) - x) / 0.3, block.main(x), atol=1e-5)
    kernels = [m.kernel_size for m in networks.critic.modules() if isinstance(m, nn.Conv1d)]
    assert kernels == [(1,), *[(5,)] * 4]
    with pytest.raises(GanbenchError, match="needs one-hot sequences"):
        space.networks({}, Ask(shape=(1, 8, 8)))


def test_the_papers_networks_have_its_sizes() -> None:
    """512 channels, five blocks: each has two 5 x 512 x 512 kernels."""
    networks = char_resnet.build().networks({}, Ask(shape=(96, 32)))
    sizes = [p.numel() for p in networks.generator.parameters()]
    blocks = 5 * 2 * (5 * 512 * 512 + 512)
    assert sum(sizes) == (128 + 1) * 512 * 32 + blocks + (512 + 1) * 96


def test_sequences_have_baselines_and_no_false_caution() -> None:
    """They count as data other than images; one repeated line is far from the text, real lines are near."""
    source = char_lines()
    n = 200
    scores = {
        each.name: score(each.sample(n, make_generator(each.name)), source.reference(n))["js-2"]
        for each in baseline_samplers(source, n)
    }
    assert list(scores) == ["real data", "uniform", "Gaussian fit", "one mode"]
    assert scores["real data"] < 0.15
    assert min(scores["uniform"], scores["one mode"]) > 0.4
    assert not list(find_oddities(source, char_resnet.build(filters=4, blocks=1), {}))
