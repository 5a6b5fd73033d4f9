"""The version of the engine's numerics, importable without torch."""

from __future__ import annotations

ENGINE_NUMERICS = 2
"""Raise this by hand when training gives other numbers: it is part of every code hash, so old records become stale."""
