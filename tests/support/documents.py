"""The code blocks of the documents, and what the comment above each of them says about it.

A comment of one line above a block is a marker:

- `<!-- file: NAME -->`: the block is a file of this name in the reader's folder;
- `<!-- edit: NAME -->`: each line of the block replaces the one in that file that sets the same key;
- `<!-- add: NAME -->`: the block is added to the end of that file;
- `<!-- output -->`: the command above prints these lines, perhaps with other numbers and spaces, and others between;
- `<!-- tested: PATH -->`: this test executes the block, and the block alone needs it;
- `<!-- not run: REASON -->`: nothing executes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
MARKER = re.compile(r"<!-- (file|edit|add|output|tested|not run)(?:: (.+))? -->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A code block: its page and line, its language, its text, and its marker with what stands behind the colon."""

    page: Path
    line: int
    language: str
    text: str
    marker: str = ""
    value: str = ""

    def __str__(self) -> str:
        """Return where the block stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def list_pages() -> list[Path]:
    """Return the documents that people read: README, those at the root, and all in docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def read_blocks(page: Path) -> Iterator[Block]:
    """Yield the code blocks of a page in order; an indented block has the language "indented"."""
    marker = ("", "")
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        if token.type == "html_block":
            found = MARKER.fullmatch(token.content.strip())
            marker = (found[1], found[2] or "") if found else ("", "")
        elif token.type in ("fence", "code_block"):
            assert token.map is not None
            language = token.info.strip() if token.type == "fence" else "indented"
            if language.startswith("{"):  # a directive of the site, such as a table of contents
                continue
            line = token.map[0] + 1
            yield Block(page=page, line=line, language=language, text=token.content, marker=marker[0], value=marker[1])
            marker = ("", "")
        elif token.nesting != -1:
            marker = ("", "")


def find_file(page: Path, name: str) -> str:
    """Return the text of the file that a page shows under `<!-- file: name -->`."""
    [text] = [block.text for block in read_blocks(page) if (block.marker, block.value) == ("file", name)]
    return text
