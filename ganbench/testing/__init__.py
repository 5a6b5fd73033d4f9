"""The contract tests, shipped for plugin authors."""
