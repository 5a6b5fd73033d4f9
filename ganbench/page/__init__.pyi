from .assembly import make_page, write_page
from .source import Source, compared_source, read_source

__all__ = [
    "Source",
    "compared_source",
    "make_page",
    "read_source",
    "write_page",
]
