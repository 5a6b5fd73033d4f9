"""`python -m ganbench`: the command line."""

from ganbench.cli.program import run_program

run_program()
