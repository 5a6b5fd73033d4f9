"""Reading a suite: from a file, from TOML text, from a table in Python, or as a results folder keeps it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganbench.errors import GanbenchError, unknown
from ganbench.suite.suite import TABLES, Suite
from ganbench.suite.validation import translate_error

FOLDERS = (Path(__file__).parents[1] / "suites", Path(__file__).parents[2] / "suites")
"""Where our own suites lie: in an installed wheel, in a checkout."""


def load(suite: str | Path) -> Suite:
    """Read a suite from a file, or by its bare name: `suites/NAME.toml` here, else one of ganbench's own.

    Raises GanbenchError for what cannot be found, read or understood.
    """
    path = Path(suite)
    if path.suffix != ".toml" and len(path.parts) == 1 and not path.exists():
        known = list_suites()
        if str(suite) not in known:
            raise unknown("suite", suite, known)
        path = known[str(suite)]
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GanbenchError(f"{path}: not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except IsADirectoryError:
        raise GanbenchError(f"{path}: a folder, not a suite. Give a .toml file.") from None
    except FileNotFoundError:
        known_names = ", ".join(list_suites()) or "none"
        raise GanbenchError(
            f"{path}: no such file. Give a .toml file, or the name of a suite: {known_names}."
        ) from None
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be read: {error.strerror}.") from None
    return parse(text, str(path))


def list_suites() -> dict[str, Path]:
    """Give the suites that can be called by their bare names; those of the working folder come first."""
    found: dict[str, Path] = {}
    for folder in (Path("suites"), *FOLDERS):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def parse(suite: str | Mapping[str, Any], where: str = "suite") -> Suite:
    """Make a suite from TOML text, or from a table given in Python; `where` opens every complaint.

    Raises GanbenchError with a line for each thing that is wrong.
    """
    text = suite if isinstance(suite, str) else ""
    try:
        data = tomllib.loads(suite) if isinstance(suite, str) else suite
    except (ValueError, RecursionError) as error:  # ValueError also for integers of thousands of digits
        raise GanbenchError(f"{where}: not TOML: {error}.") from None
    try:
        made = Suite.model_validate(data)
    except ValidationError as error:
        raise translate_error(error, TABLES, where, text) from None
    made._text, made._where = text, where
    return made


@lru_cache(maxsize=8)
def restore(text: str) -> Suite:
    """Return the suite whose `Suite.text` this is, as a results folder stores it."""
    where = "the stored suite"
    try:
        return parse(json.loads(text) if text.startswith("{") else text, where)
    except (json.JSONDecodeError, RecursionError) as error:
        raise GanbenchError(f"{where}: not JSON: {error}. Run the suite again.") from None
