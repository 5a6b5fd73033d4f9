"""The contract tests, shipped for plugin authors: what the engine relies on, as rules that name what is wrong.

`ganbench check` runs them; `contracts.contracts(registry)` gives them to whoever wants to run them otherwise.
"""
