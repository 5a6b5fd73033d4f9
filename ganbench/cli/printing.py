"""How commands print paths and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ganbench.escaping import replace_unprintable


def print_paths(files: Iterable[Path]) -> None:
    """Print the paths of files as they are written."""
    for file in files:
        typer.echo(replace_unprintable(str(file)))


@contextmanager
def progress_bar(title: str, delay: float = 0.0) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal, after `delay` seconds; yields the function that takes (done, all)."""
    from tqdm import tqdm

    with tqdm(desc=title, leave=False, disable=None, delay=delay) as shown:

        def tell(done: int, whole: int) -> None:
            shown.total = whole
            shown.update(done - shown.n)

        yield tell
