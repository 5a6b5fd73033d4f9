"""The contract tests, shipped for plugin authors: what the engine relies on, as rules that name what is wrong.

`ganbench check` runs them; `contracts.contracts(registry)` yields them for any other way to run them.
"""
