from .comparison import Comparison, compare
from .factor_tables import make_factor_tables
from .figures import list_figures, write_pictures
from .output import choose_writer, write_tables
from .paper_tables import make_paper_tables
from .samples import list_paired, list_sheets, paired_sheets, trial_sheet
from .samples_over_time import list_over_time
from .sensitivity_tables import make_sensitivity_tables
from .side_differences import Difference
from .tables import Table, history_table, make_tables
from .trial_tables import make_trials_table
from .verdict import Verdict, make_verdicts
from .writers import FORMATS, render

__all__ = [
    "FORMATS",
    "Comparison",
    "Difference",
    "Table",
    "Verdict",
    "choose_writer",
    "compare",
    "history_table",
    "list_figures",
    "list_over_time",
    "list_paired",
    "list_sheets",
    "make_factor_tables",
    "make_paper_tables",
    "make_sensitivity_tables",
    "make_tables",
    "make_trials_table",
    "make_verdicts",
    "paired_sheets",
    "render",
    "trial_sheet",
    "write_pictures",
    "write_tables",
]
