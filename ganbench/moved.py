"""Modules that stood elsewhere before: importing one raises an ImportError that names its new place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MOVED: Mapping[str, str] = MappingProxyType(
    {
        "bootstrap": "statistics.bootstrap",
        "budgets": "plan.budget",
        "calibration": "evaluation.calibration and ganbench.evaluation.baselines",
        "checkpoints": "runner.checkpoints",
        "clock": "runner.phases",
        "complaints": "suite.validation",
        "conditions": "suite.conditions",
        "courses": "statistics.outcome_table",
        "driver": "runner.driver",
        "editor": "suite.json_schema",
        "estimate": "progress.estimate",
        "evaluate": "evaluation.scoring",
        "folder": "results.files",
        "forecast": "progress.eta",
        "frames": "results.frames",
        "guard": "results.integrity",
        "history": "results.history",
        "hookspecs": "api.hooks",
        "inference": "statistics.intervals and ganbench.statistics.paired_tests",
        "judge": "evaluation.best_snapshot",
        "kept": "runner.rebuild",
        "lookout": "progress.watch",
        "options": "registry.options",
        "outcomes": "evaluation.outcomes",
        "places": "suite.locations",
        "records": "api, and its records are in `ganbench`",
        "repetition": "runner.rerun",
        "report.table": "table",
        "rescoring": "runner.rescore",
        "rescue": "results.recovery",
        "robustness": "statistics.sensitivity",
        "rules": "evaluation.success",
        "schedules": "api.schedules",
        "schema": "results.schema",
        "screen": "progress.live",
        "selection": "plan.selection",
        "settings": "runner.settings",
        "sheets": "report.samples",
        "sources": "registry.code_hash",
        "standings": "statistics.final_scores",
        "status": "progress.status",
        "stopping": "cli.interrupts",
        "store": "results.store",
        "summary": "statistics.score_summary",
        "tables": "suite.methods and ganbench.suite.success",
        "text": "escaping",
        "trials": "api, and executors find its names in `ganbench`: from ganbench import Batch, Finished, Lost",
        "trivial": "evaluation.trivial_thresholds",
        "variation": "statistics.variance",
        "worker": "runner.worker",
    }
)
"""The old modules of the package, and their new places in it."""


class MovedModules:
    """The last finder to be asked for a module: it finds none, and raises for one that has moved."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError with the new place of a module that has moved."""
        package, _, module = name.partition(".")
        if package == "ganbench" and module in MOVED:
            raise ImportError(f"{name} is now ganbench.{MOVED[module]}", name=name)
