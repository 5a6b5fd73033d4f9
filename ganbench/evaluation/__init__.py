"""Scores of trained models and untrained baselines, and what they mean for one trial."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
