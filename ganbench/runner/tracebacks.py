"""The line of a plugin in a traceback, with the innermost frame first, as faulthandler writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from ganbench.registry.exits import is_ours
from ganbench.registry.local_modules import STANDARD_LIBRARY, is_local


def find_place(trace: str, files: Collection[str]) -> str:
    """Return the place of a traceback that is nearest to its end, as "at mine.py, line 3, in measure"; "" without one.

    That is a line of one of the plugin `files`, else of another local module, else of a library.
    """
    frames = re.findall(r'^ *File "(.*)", line (\d+),? in (.*)$', trace, re.MULTILINE)
    choices: list[Callable[[str], bool]] = [
        lambda file: file in files,
        lambda file: is_local(Path(file)) and not is_ours(file),
        lambda file: not is_ours(file) and not is_system(Path(file)),
    ]
    for choice in choices:
        for file, line, function in frames:
            if choice(file):
                return f"at {file}, line {line}, in {function}"
    return ""


def is_system(file: Path) -> bool:
    """Return whether a file belongs to Python or to torch."""
    return file.is_relative_to(STANDARD_LIBRARY) or "torch" in file.parts
