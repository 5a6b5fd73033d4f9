"""The door, as `python -m ganbench.cli`."""

from __future__ import annotations

from ganbench.cli import main

if __name__ == "__main__":
    main()
