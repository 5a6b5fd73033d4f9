"""Reading suites: from a file, from TOML text, from a table in Python, or from the text in a results folder."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganbench.errors import GanbenchError, unknown_name
from ganbench.suite.bounds import MOST_BYTES, TOO_DEEP, check_table, check_text, too_large
from ganbench.suite.suite import TABLES, Suite
from ganbench.suite.validation import list_complaints, translate_error, write_complaints

FOLDERS = (Path(__file__).parents[1] / "suites", Path(__file__).parents[2] / "suites")
"""The folders of ganbench's own suites: in an installed wheel, and in a checkout."""


def load(suite: str | Path, scale: str = "") -> Suite:
    """Return a suite by its path, or by its bare name: `suites/NAME.toml` here, or else one of ganbench's own suites.

    `scale` is one of its scales. Raise GanbenchError if it cannot be found or read, or if something in it is wrong.
    """
    path = Path(suite)
    if path.suffix != ".toml" and len(path.parts) == 1 and not path.exists():
        suites = list_suites()
        if str(suite) not in suites:
            raise unknown_name("suite", suite, suites)
        path = suites[str(suite)]
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # no more of an endless file
        if len(content) > MOST_BYTES:
            raise too_large(str(path))
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GanbenchError(f"{path}: not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except IsADirectoryError:
        raise GanbenchError(f"{path}: a folder, not a suite. Give a .toml file.") from None
    except FileNotFoundError:
        names = ", ".join(list_suites()) or "none"
        raise GanbenchError(f"{path}: no such file. Give a .toml file, or the name of a suite: {names}.") from None
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be read: {error.strerror}.") from None
    return parse(text, str(path), scale)


def list_suites() -> dict[str, Path]:
    """Return the files of the suites that have a bare name, by name; those in the working folder take precedence."""
    files: dict[str, Path] = {}
    for folder in (Path("suites"), *FOLDERS):
        for path in sorted(folder.glob("*.toml")):
            files.setdefault(path.stem, path)
    return dict(sorted(files.items()))


def parse(suite: str | Mapping[str, Any], where: str = "suite", scale: str = "") -> Suite:
    """Return the suite that TOML text, or a table in Python, describes; `where` opens the lines of error messages.

    With `scale`, the suite of that scale, whose text is JSON. Raise GanbenchError with a line for each mistake, in each
    scale too.
    """
    text = suite if isinstance(suite, str) else ""
    check_text(text, where)
    try:
        data = tomllib.loads(suite) if isinstance(suite, str) else suite
    except tomllib.TOMLDecodeError as error:
        raise GanbenchError(f"{where}: not TOML: {error}.") from None
    except ValueError:
        raise GanbenchError(f"{where}: not TOML: a number has thousands of digits. Write a shorter one.") from None
    except RecursionError:
        raise GanbenchError(f"{where}: not TOML: {TOO_DEEP}") from None
    if isinstance(data, Mapping) and (complaints := check_table(data, where)):
        raise write_complaints(complaints, where, text)
    try:
        model = Suite.model_validate(data)
    except ValidationError as error:
        raise translate_error(error, TABLES, where, text) from None
    model._text, model._where = text, where
    scaled = {name: parse_scale(data, name, where, text) for name in model.scale}
    if scale and scale not in scaled:
        raise unknown_name("scale", scale, scaled, where)
    model = scaled[scale] if scale else model
    check_storable(model)
    return model


def parse_scale(data: Mapping[str, Any], scale: str, where: str, text: str) -> Suite:
    """Return a suite in one of its scales: tables are merged key by key, lists are replaced.

    Raise GanbenchError with a line for each mistake.
    """
    changes = data["scale"][scale]
    merged = merge_tables({key: value for key, value in data.items() if key != "scale"}, changes)
    try:
        model = Suite.model_validate(merged)
    except ValidationError as error:
        complaints = [
            each._replace(path=("scale", scale, *each.path)) if each.path[:1] and each.path[0] in changes else each
            for each in list_complaints(error, TABLES)
        ]
        raise write_complaints(complaints, f"{where} (scale {scale!r})", text) from None
    model._where, model._scale = where, scale
    return model


def merge_tables(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with changes: inner tables are merged in turn, anything else is replaced."""
    both = {
        key: merge_tables(table[key], value)
        for key, value in changes.items()
        if isinstance(value, Mapping) and isinstance(table.get(key), Mapping)
    }
    return {**table, **changes, **both}


def check_storable(suite: Suite) -> None:
    """Raise GanbenchError if the text of a suite from Python could not be read again from a results folder."""
    try:
        if len(suite.text) > MOST_BYTES:
            raise too_large(suite.where)
    except ValueError:  # pydantic's, for an object; json's, for an integer with thousands of digits
        reason = "it has a value that cannot be stored. Write numbers, strings, true or false, lists and tables only"
        raise GanbenchError(f"{suite.where}: {reason}.") from None


@lru_cache(maxsize=8)
def restore(text: str) -> Suite:
    """Return the suite of a `Suite.text` that a results folder stores; raise GanbenchError like `parse`."""
    where = "the stored suite"
    if len(text) > MOST_BYTES:
        raise too_large(where)
    try:
        return parse(json.loads(text) if text.startswith("{") else text, where)
    except (ValueError, RecursionError) as error:  # a ValueError also for an integer with thousands of digits
        raise GanbenchError(f"{where}: not JSON: {error}. Run the suite again.") from None


def explain_import(suite: Suite) -> str:
    """Return in words where the trials of an imported suite come from, without a full stop; "" for another suite."""
    files = ", ".join(dict.fromkeys(table.file for table in suite.imported))
    return f"these trials were trained elsewhere, and imported from {files}" if files else ""


def refuse_imported(text: str, folder: Path, reason: str) -> None:
    """Raise GanbenchError if the stored suite of a results folder is that of an import.

    The message says so, and then that for this `reason` it cannot be done, as in "so there are no models to score".
    """
    try:
        words = explain_import(restore(text)) if text else ""
    except GanbenchError:  # a suite of an earlier version: none of those was imported
        return
    if words:
        raise GanbenchError(f"{folder}: {words}, {reason}.")
