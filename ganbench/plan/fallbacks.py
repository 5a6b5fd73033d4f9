"""The datasets that a suite uses: those that it names, or their fallbacks where a file or a library is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError, NotInstalled
from ganbench.suite.suite import Suite
from ganbench.suite.tables import DatasetTable

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def choose_datasets(suite: Suite, registry: Registry) -> tuple[Suite, tuple[str, ...]]:
    """Return the suite with the datasets that are used, and a sentence for each that its fallback replaces.

    A fallback is used where the build of a dataset raises NotInstalled, and nowhere else. The success rules of datasets
    that are not used are left out. A suite without fallbacks is returned as it is.
    """
    if not any(table.fallback for table in suite.dataset):
        return suite, ()
    chosen, sentences = [], []
    for named in suite.dataset:
        table = named
        while table.fallback is not None and (reason := find_missing(table, registry)):
            sentences.append(f"dataset {table.title!r} is replaced by its fallback {table.fallback.title!r}: {reason}")
            table = table.fallback
        chosen.append(table.model_copy(update={"fallback": None}))
        chosen[-1].model_fields_set.discard("fallback")
    titles = {table.title for table in chosen}
    rules = tuple(rule for rule in suite.success if rule.dataset in titles)
    used = suite.model_copy(update={"dataset": tuple(chosen), "success": rules})
    if not rules:
        used.model_fields_set.discard("success")  # an empty list is refused when the stored suite is read
    used._text = ""  # results folders keep the suite that was run: its text has only what is used
    return used, tuple(sentences)


def find_missing(table: DatasetTable, registry: Registry) -> str:
    """Return why a dataset is not here, a library or a file; "" if it is, or if its table has another mistake."""
    try:
        options = registry.options("datasets", table.name, table.options)
        registry.build("datasets", table.name, options)
    except GanbenchError as error:
        return str(error.__cause__) if isinstance(error.__cause__, NotInstalled) else ""
    return ""
