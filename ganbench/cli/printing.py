"""How commands print what others wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer


def said(files: Iterable[Path]) -> None:
    """Name the files that were written, as they come."""
    for file in files:
        typer.echo(plain(str(file)))


def plain(text: str, keep: str = "") -> str:
    """Make a stranger's text harmless for a terminal."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)
