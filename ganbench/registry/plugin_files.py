"""Plugin files: Python files that are named on the command line, and that belong to no package."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from ganbench.api.version import refuse_api_of_text
from ganbench.errors import GanbenchError, describe
from ganbench.registry.local_modules import collect_files, find_module_file


@dataclass(frozen=True)
class PluginFile:
    """A plugin file as it was read once: a run sends this text to its workers, so later edits do not reach them.

    `modules` are the files that a user may edit and that it imports, by their paths from where Python finds them, such
    as "my_penalties.py": a worker on another machine may not have them.
    """

    path: str
    content: bytes = field(repr=False)
    modules: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)


class PluginLoader(SourceFileLoader):
    """Imports a plugin file from the text that was read. It neither reads nor writes compiled files.

    Python takes a compiled file for fresh if the size and the second of the last change are those of the source.
    """

    def __init__(self, name: str, file: PluginFile) -> None:
        super().__init__(name, file.path)
        self.content = file.content

    def get_data(self, path: str) -> bytes:
        """Return the text that was read."""
        return self.content if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> dict[str, float]:
        """Raise OSError, which means: there is no compiled file, and none can be written."""
        raise OSError(path)


def read_plugin_file(path: Path) -> PluginFile:
    """Read a plugin file; raise GanbenchError if there is none."""
    if not path.is_file():
        raise GanbenchError(f"{path}: no such plugin file. Give the path of a Python file.")
    return PluginFile(str(path), path.read_bytes(), tuple(sorted(read_modules(path).items())))


def read_modules(path: Path) -> dict[str, bytes]:
    """Return the local modules that a plugin file imports, directly or through others, as `PluginFile` has them."""
    files: dict[Path, str] = {}
    with suppress(SyntaxError, OSError):  # importing the file says what is wrong
        collect_files(path, path.stem, files)
    modules: dict[str, bytes] = {}
    for name in [name for file, name in files.items() if file != path]:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            file = find_module_file(".".join(parts[:end]))
            if file is not None:
                place = Path(*parts[:end], "__init__.py") if file.name == "__init__.py" else Path(*parts[:end])
                modules[place.with_suffix(".py").as_posix()] = file.read_bytes()
    return modules


def name_module(place: str) -> str:
    """Return the name of the module at a path from where Python finds it: "kit.parts" for "kit/parts/__init__.py"."""
    return ".".join(Path(place.removesuffix("/__init__.py")).with_suffix("").parts)


def make_importable(file: PluginFile) -> None:
    """Let this process import the modules of a plugin file that it does not find: write them to a folder of its own."""
    missing = {place: content for place, content in file.modules if find_module_file(name_module(place)) is None}
    if not missing:
        return
    folder = tempfile.TemporaryDirectory(prefix="ganbench-modules-")
    atexit.register(folder.cleanup)
    for place, content in missing.items():
        path = Path(folder.name, place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sys.path.append(folder.name)
    importlib.invalidate_caches()


def import_plugin_file(file: PluginFile) -> ModuleType:
    """Import a plugin file under a name derived from its path, so that `inspect` and `pickle` can find it again."""
    make_importable(file)
    name = f"ganbench_file_{hashlib.sha256(file.path.encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file.path, loader=PluginLoader(name, file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        refuse_api_of_text(file.content.decode("utf-8", "replace"), Path(file.path).name)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file.path]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else 0
        reason = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else describe(error)
        raise GanbenchError(f"{file.path}:{line}: {reason}") from error
    return module
