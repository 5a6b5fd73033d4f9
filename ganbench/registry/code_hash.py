"""The hash of the code behind an offer: of its text, and of the values in memory that are not in the text."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from ganbench.registry.local_modules import NO_TEXTS, OUTSIDE, Texts, collect_files, read_source
from ganbench.registry.source_text import describe_bytecode, find_source_file, normalise_source, unwrap_definition
from ganbench.registry.value_hash import describe_values


def hash_code(roots: Iterable[Callable[..., Any]], *, in_memory: bool = False, read: Texts = NO_TEXTS) -> str:
    """Return the SHA-256 of the code behind functions, 64 hexadecimal digits.

    The code of a function is its file and all local modules that the file imports, directly or through other modules
    (`registry.local_modules`). Their names and places do not count. Where a module in memory is not what its file says
    today, what is in memory counts too. A function defined in a script or a notebook, and with `in_memory` every
    function, is hashed with all values that it refers to (`registry.value_hash`). `read` are the texts of files that
    were read before, by their paths. Raise GanbenchError for a value that cannot be hashed.
    """
    files: dict[Path, str] = {}
    texts: set[str] = set()
    for root in roots:
        definition = unwrap_definition(root)
        file, module = find_source_file(definition), str(getattr(definition, "__module__", ""))
        if module.partition(".")[0] in OUTSIDE:
            continue
        if file is not None and module != "__main__":
            collect_files(file, module, files, read)
        if file is None or module == "__main__" or in_memory:
            texts.add(describe_values(root, files))
    for file, module in files.items():
        text = read_source(file, module, read)
        texts |= {normalise_source(text), *list_differences(text, file, module)}
    digests = {hashlib.sha256(text.encode()).hexdigest() for text in texts}
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def list_differences(text: str, file: Path, module_name: str) -> list[str]:
    """Return what an imported module has in memory that is not what the text of its file says, [] if nothing.

    Functions are compared by their bytecode, and numbers and strings that the text assigns by their values. A process
    that imported a module before it was edited goes on with the old code.
    """
    module = sys.modules.get(module_name)
    if module is None or getattr(module, "__file__", None) != str(file):
        return []
    functions, constants = _compile_definitions(text)
    differences = [
        f"{name} = {vars(module).get(name)!r}"
        for name, value in constants.items()
        if (type(vars(module).get(name)), vars(module).get(name)) != (type(value), value) and value == value
    ]
    classes = [item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module_name]
    items = [item for holder in (module, *classes) for item in vars(holder).values()]
    for function in filter(inspect.isfunction, map(_unwrap_descriptor, items)):
        if function.__module__ == module_name and function.__code__.co_filename == str(file):
            code = describe_bytecode(function.__code__)
            if code not in functions.get(function.__code__.co_qualname, ()):
                differences.append(f"{function.__code__.co_qualname}: {code}")
    return sorted(differences)


def _unwrap_descriptor(item: Any) -> Any:
    """Return the function behind a method of a class, a property or a decorated function; other things as they are."""
    item = item.fget if isinstance(item, property) else getattr(item, "__func__", item)
    return inspect.unwrap(item) if inspect.isroutine(item) and hasattr(item, "__wrapped__") else item


@lru_cache(maxsize=1024)
def _compile_definitions(text: str) -> tuple[dict[str, tuple[str, ...]], dict[str, Any]]:
    """Return what a text defines: the bytecodes of its functions by name, and its constants that are assigned once."""
    functions: dict[str, tuple[str, ...]] = {}
    todo = [compile(text, "", "exec", dont_inherit=True)]
    while todo:
        code = todo.pop()
        functions[code.co_qualname] = (*functions.get(code.co_qualname, ()), describe_bytecode(code))
        todo += [item for item in code.co_consts if isinstance(item, CodeType)]
    tree, constants = ast.parse(text), dict[str, Any]()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            constants |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    stores = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return functions, {name: value for name, value in constants.items() if stores.count(name) == 1}
