"""Merging results folders into a new one: by key, equal records once, conflicts refused unless a side is preferred.

The sources stay as they are. The new folder is written under another name, and is renamed when it is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from sqlalchemy.exc import IntegrityError, StatementError

from ganbench.errors import GanbenchError, describe, shorten
from ganbench.results.database import connect, create_tables, gc_paused, transaction
from ganbench.results.files import (
    database_path,
    hold_lock,
    make_folders,
    suite_path,
    write_file,
)
from ganbench.results.merge_files import flush_disk, write_networks, write_plugins
from ganbench.results.merge_rows import Choice, write_rows
from ganbench.results.merge_sources import Source, find_difference, open_source

NEWEST = "newest"
"""What prefers, of records that differ, the one of the newest run."""

SHOWN = 20
"""Conflicts that are listed, at most."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge did: how many records came from each folder, in the order of the folders, and what to know of it.

    `equal` counts the records that several folders have, `preferred` the conflicts that were decided. `networks` are
    the generators that came along, `missing` those that no folder has any more. `hidden` counts the records that the
    newest plan does not have.
    """

    out: Path
    records: Sequence[tuple[str, int]]
    equal: int
    preferred: int
    networks: int
    missing: int
    hidden: int

    @property
    def lines(self) -> Iterator[str]:
        """The merge as the lines that `ganbench merge` prints."""
        parts = ", ".join(f"{count} of {name}" for name, count in self.records)
        yield f"{self.out}: {sum(count for _, count in self.records)} records ({parts}), {self.networks} generators"
        if self.equal:
            yield f"in several folders, and kept once: {self.equal} records"
        if self.preferred:
            yield f"in several folders, with other code or scores: {self.preferred} records, the preferred ones kept"
        if self.missing:
            yield f"no folder has them: {self.missing} generators, which `samples` and `evaluate` leave out"
        if self.hidden:
            yield f"not in the newest plan: {self.hidden} records, which `ganbench table {self.out} --all` shows"


def merge(folders: Sequence[Path], out: Path, prefer: str = "") -> Merged:
    """Merge results folders into the new folder `out`; the folders themselves stay as they are.

    Of trials that several folders have, equal records are kept once, and scores that only one of them has are added. A
    record with other code, another end, other scores or another generator is a conflict. `prefer` decides it: a
    folder's path or name, or "newest". Raise GanbenchError for conflicts that it does not decide, for a folder of an
    earlier version, and where `out` is not empty.
    """
    refuse_folders(folders, out)
    preferred = find_preferred(prefer, folders)
    with ExitStack() as stack:
        stack.enter_context(gc_paused())
        sources = [stack.enter_context(open_source(folder)) for folder in folders]
        choice, conflicts = choose_records(sources, preferred)
        if undecided := {key: text for key, text in conflicts.items() if key not in choice.chosen}:
            raise GanbenchError(explain_conflicts(undecided, folders))
        return write_folder(sources, choice, len(conflicts), out)


def refuse_folders(folders: Sequence[Path], out: Path) -> None:
    """Raise GanbenchError for too few folders, one that is named twice, and an `out` that is not new or is in one."""
    if len(folders) < 2:
        raise GanbenchError("merge: name two or more results folders.")
    resolved = [folder.resolve() for folder in folders]
    if double := [folder for i, folder in enumerate(folders) if resolved[i] in resolved[:i]]:
        raise GanbenchError(f"merge: {double[0]} is named twice.")
    if os.path.lexists(out) and (out.is_symlink() or not out.is_dir() or any(out.iterdir())):
        raise GanbenchError(f"{out}: not empty. Name a folder that does not exist yet.")
    for folder, place in zip(folders, resolved, strict=True):
        if place in (out.resolve(), *out.resolve().parents):
            raise GanbenchError(f"{out}: within {folder}, which is to stay as it is. Name a folder outside it.")


def find_preferred(prefer: str, folders: Sequence[Path]) -> int | str | None:
    """Return what decides conflicts: the place of a folder, `NEWEST` or None; raise GanbenchError for anything else."""
    if prefer in ("", NEWEST):
        return prefer or None
    for matching in (
        [place for place, folder in enumerate(folders) if folder.resolve() == Path(prefer).resolve()],
        [place for place, folder in enumerate(folders) if folder.resolve().name == prefer],
    ):
        if len(matching) == 1:
            return matching[0]
    known = ", ".join(map(str, folders))
    raise GanbenchError(f"--prefer {shorten(prefer)}: not one of the folders. Name one of {known}, or {NEWEST!r}.")


def choose_records(sources: Sequence[Source], preferred: int | str | None) -> tuple[Choice, dict[str, str]]:
    """Return which source each record comes from, and how records of one key differ, in words, by key.

    A conflict that is not decided has no source.
    """
    places: dict[str, list[int]] = {}
    for place, source in enumerate(sources):
        for key in source.records:
            places.setdefault(key, []).append(place)
    chosen: dict[str, int] = {}
    equal: dict[str, list[int]] = {}
    conflicts: dict[str, str] = {}
    for key, (first, *others) in places.items():
        differences = [find_difference(sources[first], sources[other], key) for other in others]
        if difference := next(filter(None, differences), ""):
            conflicts[key] = f"{key[:8]} ({sources[first].records[key].title}): {difference}"
            if preferred == NEWEST:
                chosen[key] = max((first, *others), key=lambda place: (sources[place].records[key].started, -place))
            elif isinstance(preferred, int) and preferred in places[key]:
                chosen[key] = preferred
        else:
            chosen[key] = next((place for place in places[key] if sources[place].records[key].network), first)
            if others:
                equal[key] = [place for place in places[key] if place != chosen[key]]
    order = sorted(range(len(sources)), key=lambda place: place != preferred)
    return Choice(order=order, chosen=chosen, equal=equal), conflicts


def explain_conflicts(conflicts: Mapping[str, str], folders: Sequence[Path]) -> str:
    """Return the message that lists conflicts and names the ways out."""
    more = f"\n  and {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
    lines = "".join(f"\n  {text}" for text in list(conflicts.values())[:SHOWN])
    names = ", ".join(f"--prefer {folder}" for folder in folders)
    return (
        f"merge: {len(conflicts)} trials have records that differ:{lines}{more}\n"
        f"Choose which to keep: {names}, or --prefer {NEWEST} (the record of the newest run)."
    )


def write_folder(sources: Sequence[Source], choice: Choice, preferred: int, out: Path) -> Merged:
    """Write the merged folder under another name, and rename it when it is whole; what is left of it is removed."""
    partial = out.with_name(f".{out.name}.merge-{os.getpid()}")
    remove_remains(out)
    try:
        make_folders(partial)
        with hold_lock(partial):
            networks, missing = write_networks(sources, choice, partial)
            write_plugins(sources, partial)
            hidden = write_database(sources, choice, preferred, partial)
        flush_disk()
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise GanbenchError(f"{out}: cannot be written ({error.strerror}). Choose another folder.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    taken = [sum(chosen == place for chosen in choice.chosen.values()) for place in range(len(sources))]
    return Merged(
        out=out,
        records=[(str(source.folder), count) for source, count in zip(sources, taken, strict=True)],
        equal=len(choice.equal),
        preferred=preferred,
        networks=networks,
        missing=missing,
        hidden=hidden,
    )


def remove_remains(out: Path) -> None:
    """Remove what killed merges into this folder left behind: hidden folders whose lock nobody holds."""
    for left in out.parent.glob(f".{escape(out.name)}.merge-*"):
        if left.suffix[len(".merge-") :].isdecimal() and left.is_dir() and not left.is_symlink():
            with suppress(GanbenchError), hold_lock(left):
                shutil.rmtree(left, ignore_errors=True)


def write_database(sources: Sequence[Source], choice: Choice, preferred: int, folder: Path) -> int:
    """Write the database and the suite of the newest run; return how many records the newest plan does not have."""
    file = database_path(folder)
    engine = connect(file, readonly=False)
    try:
        with transaction(engine, file) as target:
            create_tables(target)
            written = write_rows(target, sources, choice, preferred)
    except (IntegrityError, StatementError, KeyError, TypeError, ValueError) as error:
        raise GanbenchError(f"merge: a folder holds rows that ganbench never writes ({describe(error)}).") from error
    finally:
        engine.dispose()
    if written is None:
        return 0
    suite, stored = written
    write_file(suite_path(folder), suite.encode())
    return len(choice.chosen) - stored
