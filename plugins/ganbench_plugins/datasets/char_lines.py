"""Lines of text as sequences of one-hot characters, for language models of characters."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Annotated

import torch
from annotated_types import Ge, Le
from ganbench import GanbenchError, Offer, Source, hookimpl
from torch import Tensor
from torch.nn.functional import one_hot

from ganbench_plugins.datasets.image_files import find_path

SPLIT_SEED = 5_170_400_034
"""Seed of the order in which lines are dealt to the two halves; any constant would do."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands for each character that is too rare for the vocabulary."""
LARGE = 2**28
"""Numbers in all one-hot lines from which on they are made for each step, and not all at once."""


def read_text(path: str) -> str:
    """Return the text of a file, or the topics of Python's own help without a path."""
    if not path:
        from pydoc_data.topics import topics

        return "\n".join(topics.values())
    file = find_path(path, "write the whole path of a text file with one sentence on each line.")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise GanbenchError(
            f"{file} is not text in UTF-8: byte {error.start} cannot be read. Convert it, such as by `iconv -t UTF-8`."
        ) from None
    except OSError as error:
        raise GanbenchError(f"{file} cannot be read: {error.strerror}. Name a text file that can be read.") from None


def choose_characters(lines: list[str], most: int) -> str:
    """Return the vocabulary, sorted: all characters, or the most frequent ones and UNKNOWN in place of all others."""
    counts = Counter[str]()
    for line in lines:
        counts.update(line)
    if len(counts) <= most:
        return "".join(sorted(counts))
    del counts[UNKNOWN]
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    return "".join(sorted([UNKNOWN, *frequent[: most - 1]]))


def encode(lines: list[str], characters: str) -> Tensor:
    """Return the place in the vocabulary of each character of lines of one length, [n, length]."""
    places = {character: place for place, character in enumerate(characters)}
    unknown = places.get(UNKNOWN, 0)
    return torch.tensor([[places.get(character, unknown) for character in line] for line in lines], dtype=torch.int16)


def char_lines(
    path: str = "", length: Annotated[int, Ge(4), Le(1024)] = 32, vocabulary: Annotated[int, Ge(2), Le(4096)] = 256
) -> Source:
    """Return the source of the first `length` characters of a text's lines, one-hot [V, length].

    `path` is a text file in UTF-8, such as one of the Google Billion Word corpus, one sentence on each line; without
    it, the topics of Python's own help (`pydoc_data.topics`) are used, which differ between versions of Python. A line
    loses the spaces at its ends; shorter lines are left out. The vocabulary has all V characters of these lines, in the
    order of Unicode, and at most `vocabulary` of them: the most frequent ones, and one that stands for all others.
    In a fixed random order, the first half of the lines is trained on (one more if their number is odd), and the second
    half is held out for metrics. So the scores of "real data" are the floor: one half of the text against the other.
    `facts` holds the vocabulary as `characters`.
    """
    stripped = (line.strip() for line in read_text(path).splitlines())
    lines = [line[:length] for line in stripped if len(line) >= length]
    if len(set("".join(lines))) < 2 or len(lines) < 4:
        raise GanbenchError(
            f"{path or 'pydoc_data.topics'} has {len(lines)} lines of {length} or more characters, and at least 4 with "
            "2 different characters are needed: use a longer text, or a smaller `length`."
        )
    Random(SPLIT_SEED).shuffle(lines)
    characters = choose_characters(lines, vocabulary)
    codes = encode(lines, characters)
    size = (len(codes) + 1) // 2
    held_out = codes[size:]

    def spell(codes: Tensor) -> Tensor:
        return one_hot(codes.long(), len(characters)).transpose(1, 2).float().contiguous()

    def text(x: Tensor) -> list[str]:
        return ["".join(characters[place] for place in row) for row in x.argmax(1).tolist()]

    return Source(
        shape=(len(characters), length),
        size=size,
        take=lambda indices: spell(codes[indices.cpu()]),
        reference=lambda n: spell(held_out[:n]),
        facts={"characters": characters},
        digest=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        range=(0.0, 1.0),
        stream=size * len(characters) * length > LARGE,
        text=text,
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "char-lines",
        char_lines,
        "Lines of text, as one-hot characters: from Python's own help, or from any text file.",
        reference="after Gulrajani et al. 2017, arXiv:1704.00028, section 5.4, whose lines are of Google Billion Word",
        formula="x[v, i] = 1 if the i-th character of the line is the v-th of the vocabulary, 0 otherwise",
        metrics=("ngram-js",),
    )
