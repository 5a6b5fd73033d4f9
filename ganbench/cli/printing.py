"""How commands print what others wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ganbench.escaping import printable


def print_paths(files: Iterable[Path]) -> None:
    """Name the files that were written, as they come."""
    for file in files:
        typer.echo(printable(str(file)))


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something is on a terminal; gives the function that is told."""
    from tqdm import tqdm

    with tqdm(desc=title, leave=False, disable=None) as shown:

        def tell(done: int, whole: int) -> None:
            shown.total = whole
            shown.update(done - shown.n)

        yield tell
