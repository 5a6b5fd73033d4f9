"""Values in memory as text: what a plugin that was given as a Python object consists of.

Two objects have the same text if they behave in the same way: their code, the values that they close over or hold, and
the values of the globals that their code names. A place in memory is never part of the text.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from ganbench.errors import GanbenchError, shorten
from ganbench.registry.local_modules import OUTSIDE, collect_files, is_local
from ganbench.registry.source_text import find_global_names, find_source_file, read_definition

PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented))
OF_PYTHON = ("__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__qualname__", "__slots__")
OF_PYTHON_TOO = ("__static_attributes__", "__firstlineno__", "__annotate__", "__annotate_func__", "__orig_bases__")


def describe_values(root: Any, files: dict[Path, str]) -> str:
    """Return a function or object as text, and add the files of the local modules that it uses to `files`.

    Raise GanbenchError, with the place, for a value that cannot be told from another, such as an open file or a lock.
    """
    description = _Description(files)
    description.add(root)
    return "\n".join(description.lines)


class _Description:
    """The text of one object: a line for each value that is reached from it, in the order in which it is reached."""

    def __init__(self, files: dict[Path, str]) -> None:
        self.files = files
        self.lines: list[str] = []
        self.place: list[str] = []
        self.numbers: dict[int, int] = {}
        self.reached: list[Any] = []  # keeps every object alive, so that no two have the same id

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Name the place of the values that are added inside, for error messages."""
        self.place.append(place)
        yield
        self.place.pop()

    def add(self, value: Any, names: frozenset[str] = frozenset()) -> None:
        """Add a value and all that it refers to; of a module, the attributes with these `names`."""
        if isinstance(value, PLAIN) and type(value) in PLAIN:
            self.lines.append(f"{type(value).__name__} {value!r}")
            return
        if isinstance(value, ModuleType):
            self._add_module(value, names)
            return
        if id(value) in self.numbers:
            self.lines.append(f"as before {self.numbers[id(value)]}")
            return
        self.numbers[id(value)] = len(self.numbers)
        self.reached.append(value)
        self._add_object(value)

    def _add_object(self, value: Any) -> None:
        if isinstance(value, partial):
            self._add_parts("partial", {"function": value.func, "arguments": value.args, "keywords": value.keywords})
        elif isinstance(value, MethodType):
            self._add_parts("method", {"function": value.__func__, "object": value.__self__})
        elif isinstance(value, FunctionType):
            self._add_function(value)
        elif isinstance(value, type):
            self._add_class(value)
        elif isinstance(value, staticmethod | classmethod):
            self.add(value.__func__)
        elif isinstance(value, property):
            self._add_parts("property", {"get": value.fget, "set": value.fset})
        elif isinstance(value, BuiltinFunctionType):
            self._add_parts(f"builtin {value.__qualname__}", {"object": value.__self__})
        elif inspect.isroutine(value) and hasattr(value, "__wrapped__"):
            self.add(value.__wrapped__)
        elif isinstance(value, Mapping) and not hasattr(value, "__dict__"):
            self._add_items(type(value).__name__, [part for item in value.items() for part in item])
        elif isinstance(value, set | frozenset):
            self._add_items(type(value).__name__, sorted(value, key=repr))
        elif type(value) in (list, tuple):
            self._add_items(type(value).__name__, value)
        elif (content := _read_numbers(value)) is not None:
            self.lines.append(content)
        else:
            self._add_instance(value)

    def _add_items(self, title: str, items: Any) -> None:
        self.lines.append(f"{title} of {len(items)}")
        for i, item in enumerate(items):
            with self.at(f"[{i}]"):
                self.add(item)

    def _add_parts(self, title: str, parts: Mapping[str, Any]) -> None:
        self.lines.append(title)
        for name, part in parts.items():
            with self.at(f".{name}"):
                self.lines.append(name)
                self.add(part)

    def _add_module(self, module: ModuleType, names: frozenset[str]) -> None:
        self.lines.append(f"module {module.__name__}")
        if self._is_local(module.__name__, getattr(module, "__file__", None)):
            for name in sorted(names & vars(module).keys()):
                with self.at(f"{module.__name__}.{name}"):
                    self.lines.append(name)
                    self.add(vars(module)[name], names)

    def _add_function(self, function: FunctionType) -> None:
        self.lines.append(f"function {self._definition(function)}")
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = {name: cell.cell_contents for name, cell in cells.items() if _is_filled(cell)}
        parts = {"defaults": function.__defaults__, "keywords": function.__kwdefaults__, **closure}
        self._add_parts("of", {name: part for name, part in parts.items() if part is not None})
        if self._is_local(function.__module__, function.__code__.co_filename):
            names = frozenset(find_global_names(function.__code__))
            for name in sorted(names & function.__globals__.keys()):
                with self.at(f"global {name!r} of {function.__qualname__}"):
                    self.lines.append(name)
                    self.add(function.__globals__[name], names)

    def _add_class(self, kind: type) -> None:
        self.lines.append(f"class {self._definition(kind)}")
        if not self._is_local(kind.__module__, find_source_file(kind)):
            return
        for base in kind.__bases__:
            self.add(base)
        for name, item in vars(kind).items():
            if name not in (*OF_PYTHON, *OF_PYTHON_TOO) and not isinstance(item, MemberDescriptorType):
                with self.at(f"{kind.__qualname__}.{name}"):
                    self.lines.append(name)
                    self.add(item)

    def _add_instance(self, value: Any) -> None:
        """Add an instance as pickle takes it apart: how it is built again, and its state."""
        try:
            parts = value.__reduce_ex__(2)
        except Exception:
            place = "".join(self.place).lstrip(".") or "it"
            raise GanbenchError(
                f"{place} is {shorten(value)}, of type {type(value).__name__}: whether such an object is the same in "
                "the next run cannot be known. Create it inside `build`, or hold numbers, strings, lists, mappings and "
                "tensors only."
            ) from None
        if isinstance(parts, str):
            self.lines.append(f"{type(value).__module__}.{parts}")
            return
        self.lines.append(f"instance of {type(value).__module__}.{type(value).__qualname__}")
        build, arguments, *states = parts
        self.add(build)
        for i, part in enumerate([arguments, *states]):
            with self.at("" if isinstance(part, Mapping) else f".{i}"):
                self.add(list(part) if isinstance(part, Iterator) else part)

    def _definition(self, thing: Any) -> str:
        """Return the definition of a function or class, or only its name if a collected file or a package has it."""
        file, module = find_source_file(thing), str(thing.__module__)
        name = f"{thing.__qualname__}"
        if not self._is_local(module, file):
            return f"{module}.{name}"
        if file is None or module == "__main__":
            return f"{name}\n{read_definition(thing)}"
        collect_files(file, module, self.files)
        return name

    def _is_local(self, module: str | None, file: Any) -> bool:
        """Return whether a module may be edited by the user: also a notebook, whose cells have no file."""
        if (module or "").partition(".")[0] in OUTSIDE:
            return False
        path = Path(file) if file else None
        return path is None or not path.is_file() or path in self.files or is_local(path)


def _is_filled(cell: Any) -> bool:
    """Return whether a variable of an enclosing function has a value yet."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _read_numbers(value: Any) -> str | None:
    """Return a tensor, an array or a generator of torch as its type, its shape and the hash of its content."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.Generator):
        value = value.get_state()
    if torch is not None and isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().flatten()
        content = bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""
        title = f"{value.dtype} {list(value.shape)} {value.requires_grad}"
    elif numpy is not None and isinstance(value, numpy.ndarray) and not value.dtype.hasobject:
        title, content = f"{value.dtype.str} {list(value.shape)}", value.tobytes()
    else:
        return None
    return f"{type(value).__name__} {title} {hashlib.sha256(content).hexdigest()}"
