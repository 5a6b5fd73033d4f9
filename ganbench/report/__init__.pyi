from .factor_tables import make_factor_tables
from .figures import list_figures, write_pictures
from .output import choose_writer, write_tables
from .samples import list_paired, list_sheets, paired_sheets, trial_sheet
from .sensitivity_tables import make_sensitivity_tables
from .tables import Table, history_table, make_tables
from .verdict import Verdict, make_verdicts
from .writers import FORMATS, render

__all__ = [
    "FORMATS",
    "Table",
    "Verdict",
    "choose_writer",
    "history_table",
    "list_figures",
    "list_paired",
    "list_sheets",
    "make_factor_tables",
    "make_sensitivity_tables",
    "make_tables",
    "paired_sheets",
    "make_verdicts",
    "render",
    "trial_sheet",
    "write_pictures",
    "write_tables",
]
