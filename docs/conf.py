"""The site of the documents: `make site` builds it with Sphinx, with warnings as errors, and executes the notebooks.

The source folder is the root of the repository, so that a link is right in the repository and on the site alike.
"""

from __future__ import annotations

import ganbench
from sphinx.application import Sphinx

project = "ganbench"
author = "The ganbench authors"
project_copyright = author
version = release = ganbench.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = ["docs/**", "results/README.md", "results/*/tables.md", "results/*/sensitivity.md", "*.md"]
exclude_patterns = [".*", "build", "dist", "ganbench", "plugins", "tests", "suites", "README.md"]
nitpicky = True

# Anchors as on the code hosts, so that a link to a heading works in the repository and on the site.
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_merge_streams = True

html_theme = "furo"
html_title = f"ganbench {version}"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_extra_path = ["site"]  # the redirection from the first page
html_show_sphinx = False


def add_title(app: Sphinx, name: str, source: list[str]) -> None:
    """Put a heading above tables that `ganbench table` wrote, so that they are a page: their folder's name."""
    del app
    kind, _, folder = name.partition("/")
    if kind == "results" and folder != "README":
        source[0] = f"# {folder.replace('/', ': ')}\n\n{source[0]}"


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("source-read", add_title)
