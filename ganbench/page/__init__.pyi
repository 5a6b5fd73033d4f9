from .assembly import make_page, write_page
from .source import Source, read_source

__all__ = [
    "Source",
    "make_page",
    "read_source",
    "write_page",
]
