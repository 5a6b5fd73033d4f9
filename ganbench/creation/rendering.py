"""The templates: plain files in the wheel, filled in by Jinja2."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def find_templates() -> Traversable:
    """Return the folder of the templates."""
    return resources.files("ganbench.creation").joinpath("templates")


def render(template: str, **values: Any) -> str:
    """Return a template, such as "package/README.md.jinja", with its values filled in."""
    return make_environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def make_environment() -> Environment:
    """Return Jinja2's environment.

    Its filters are `quoted` for strings of Python and of TOML, `number`, and `pad` for what has a comment behind it.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: find_templates().joinpath(*name.split("/")).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"quoted": quote, "number": "{:g}".format, "pad": "{:<25} ".format}
    return environment


def quote(text: str) -> str:
    """Return a printable text as a string of Python or of TOML."""
    return json.dumps(text, ensure_ascii=False)
