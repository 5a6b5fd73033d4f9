"""Tables and plots, written for the target that reads them."""

from ganbench.report.output import write_tables, writer
from ganbench.report.sensitivity_tables import make_robustness_tables
from ganbench.report.table import Table
from ganbench.report.tables import history_table, make_tables
from ganbench.report.writers import FORMATS, render

__all__ = [
    "FORMATS",
    "Table",
    "history_table",
    "make_robustness_tables",
    "make_tables",
    "render",
    "write_tables",
    "writer",
]
