"""What the machine lacks that ends a command: memory, files and processes that it may have, a library."""

from __future__ import annotations

import errno

MEMORY_WORDS = ("failed to map segment", "cannot allocate memory", "can't allocate memory", "not enough memory")
"""What the loader of shared libraries, and torch, say when memory runs out; they raise no MemoryError."""

OWN = "ganbench"
"""How our own packages begin: where one of their modules does not exist, that is a bug."""


def find_limit(error: BaseException) -> str:
    """Return what an exception says is used up or missing, with the way out; "" for one about something else."""
    code = error.errno if isinstance(error, OSError) else None
    text = str(error).lower() if isinstance(error, (OSError, ImportError, RuntimeError)) else ""
    if isinstance(error, MemoryError) or code == errno.ENOMEM or any(words in text for words in MEMORY_WORDS):
        return "no memory is left for this process. Free some, or raise the limit (`ulimit -v`)."
    if code in (errno.EMFILE, errno.ENFILE):
        return "this process may open no more files. Raise the limit (`ulimit -n`), or use fewer workers (--jobs)."
    cannot_start = code == errno.EAGAIN and not hasattr(error, "characters_written")  # which an output that is full has
    if cannot_start or "can't start new thread" in text:
        return "no more processes or threads may start. Raise the limit (`ulimit -u`), or use fewer workers (--jobs)."
    if code == errno.ENOSPC:
        return "no space is left to write to. Make room, and run the command again."
    if isinstance(error, ModuleNotFoundError) and not (error.name or OWN).startswith(OWN):
        return "a library that ganbench needs is not installed. `pip install ganbench` installs what is missing."
    return ""
