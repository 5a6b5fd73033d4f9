"""The work of a worker on one batch: build it from its names, train it, score it, and return its records."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ganbench import registry
from ganbench.api.data import Source
from ganbench.api.records import MeasuredProfile, Record, Score, Status
from ganbench.api.shared_program import collect_varied
from ganbench.api.trials import Batch, Part, Trial, canonical_json
from ganbench.engine import checkpoint
from ganbench.engine import device as devices
from ganbench.engine.data_digest import digest_data
from ganbench.engine.part_clock import PartClock
from ganbench.engine.shared_state import SharedState
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training, prepare
from ganbench.errors import GanbenchError
from ganbench.evaluation import scoring
from ganbench.evaluation.best_snapshot import BestSnapshots
from ganbench.evaluation.memory import is_out_of_memory
from ganbench.evaluation.reference import Reference, open_reference
from ganbench.plan.fingerprint import describe_changes, list_sources
from ganbench.registry.plugin_files import PluginFile
from ganbench.registry.registry import Registry
from ganbench.runner import checkpoints
from ganbench.runner.checkpoints import Checkpoint, CheckpointState, select_branch
from ganbench.runner.environment import collect_facts
from ganbench.runner.isolation import ProcessChanged, isolated, list_batch_offers
from ganbench.runner.keeping import Keep, KeptGenerators

if TYPE_CHECKING:
    import torch

ERROR_LINES = 12
"""Frames of the traceback that a failed record stores: the last ones, up to where the error was raised."""

KEEP_FINAL = Keep()

Report = Callable[[int, int], None]
"""A function that is called with the generator step that is done and the number of all steps."""


@lru_cache(maxsize=4)
def load_plugins(files: tuple[PluginFile, ...]) -> Registry:
    """Return the registry with these plugin files, loaded once per process.

    Their files are read at once, for the hashes of their code, while they are what is in memory.
    """
    plugins = registry.load(files=files)
    plugins.keep_texts()
    gc.collect()
    gc.freeze()  # libraries and plugins live as long as the worker: walking them costs a batch some 5% of its time
    return plugins


def run_batch(
    batch: Batch,
    report: Report,
    *,
    files: tuple[PluginFile, ...] = (),
    device: str = "auto",
    memory_share: float = 1.0,
    plugins: Registry | None = None,
    folder: str | None = None,
    every: float = checkpoints.CHECKPOINT_SECONDS,
    keep: Keep = KEEP_FINAL,
    profile: bool = False,
) -> list[Record]:
    """Train and score a batch; return one record for each trial, also where training fails.

    `plugins` is the registry of this process, for offers defined in Python; without it the worker loads its own, with
    the plugin `files` as the run's plan read them. Where code or data are not those of the plan, nothing is trained. An
    exception in training gives failed records, with the scores measured until then. With a results `folder` a batch
    writes a checkpoint `every` seconds of work, and resumes from one; not so on a machine that does not share the
    folder, where the records have the facts of the machine. A batch that runs out of memory is trained again
    in two halves, each a batch of its own with its own checkpoint. A batch that changes what all methods of its process
    share fails; its records have the changes as the fact `process_changes`. `keep` says which generators the records
    have, `memory_share` what the process may take of a GPU's memory. With `profile` they have the seconds of the parts
    of training as the fact `profile`.
    """
    configured = devices.configure(device, memory_share)
    if configured.type == "cuda":
        gc.collect()  # what is left of the batch before, its graphs too, holds memory of the GPU
        devices.free_cached_memory()
    if folder is not None and not keep.shares(Path(folder)):
        folder = None
    state = SharedState()  # before the plugins of a worker are imported
    plugins = plugins or load_plugins(files)
    job, out_of_memory = Job(batch, plugins, configured, folder, every, keep, profile), False
    try:
        with isolated(state, list_batch_offers(batch, plugins)):
            job.run(report)
    except ProcessChanged as error:
        job.discard(error)
    except Exception as error:
        job.error, out_of_memory = describe_error(error), is_out_of_memory(error)
    if not out_of_memory or len(batch.trials) == 1:
        return job.make_records()
    logging.getLogger("ganbench").warning("%s: out of memory; it is trained again in two halves", batch.label)
    del job
    gc.collect()
    devices.free_cached_memory()
    options: dict[str, Any] = {"device": device, "memory_share": memory_share, "every": every, "profile": profile}
    options |= {"plugins": plugins, "folder": folder, "keep": keep}
    return [record for half in batch.halves() for record in run_batch(half, report, **options)]


def describe_error(error: Exception) -> str:
    """Return what a record stores of an exception: only the message for a GanbenchError, else the traceback's end."""
    if isinstance(error, GanbenchError):
        return str(error)
    return "".join(traceback.format_exception(error, limit=-ERROR_LINES)).strip()


class Job:
    """A batch in training: its scores, its times and its last snapshot so far."""

    def __init__(
        self,
        batch: Batch,
        plugins: Registry,
        device: torch.device,
        folder: str | None = None,
        every: float = checkpoints.CHECKPOINT_SECONDS,
        keep: Keep = KEEP_FINAL,
        profile: bool = False,
    ) -> None:
        self.batch, self.plugins, self.device = batch, plugins, device
        self.clock = PartClock(partial(devices.synchronize, device)) if profile else None
        self.checkpoint = Checkpoint(folder, batch, devices.describe(device), every)
        self.scores: list[list[Score]] = [[] for _ in batch.trials]
        self.profiles: list[list[MeasuredProfile]] = [[] for _ in batch.trials]
        self.kept = KeptGenerators(keep, batch, folder)
        self.seconds, self.began = {"train": 0.0, "evaluate": 0.0}, perf_counter()
        self.last: Snapshot | None = None
        self.facts: dict[str, Any] = {"keep": keep.facts} if keep.facts else {}
        if keep.is_elsewhere:
            self.facts |= collect_facts()
        self.error = ""

    def run(self, report: Report) -> None:
        """Train to the end and score every snapshot; training and scoring are timed separately."""
        self.began = perf_counter()
        training, scorer = self.start_or_resume()
        if self.clock is not None:
            self.clock.follow(training)
        self.profiles = scorer.profiles
        save = partial(self.save_state, training, scorer)

        def report_step(step: int, steps: int) -> None:
            report(step, steps)
            if step not in training.budget.snapshots:  # those are to be scored first
                self.checkpoint.write_if_due(save)

        for snapshot in training.run(report_step):
            devices.synchronize(self.device)
            self.count_seconds("train")
            for member_scores, scores in zip(self.scores, scorer.score_snapshot(snapshot), strict=True):
                member_scores += scores
            self.last = snapshot
            self.facts |= training.facts
            self.count_seconds("evaluate")
            if not snapshot.final:
                self.kept.add_earlier(snapshot)
                self.checkpoint.write_if_due(save)
            self.note_shortages(scorer)
        for member, fresh_scores in scorer.fresh_scores():
            self.scores[member] += fresh_scores
        self.note_shortages(scorer)
        self.count_seconds("evaluate")
        assert self.last is not None
        self.kept.add_last(self.last, scorer)

    def count_seconds(self, phase: str) -> None:
        """Count the time since the last call as that of a phase."""
        now = perf_counter()
        self.seconds[phase] += now - self.began
        if self.clock is not None:
            self.clock.seconds[f"all of {phase}"] += now - self.began
        self.began = now

    def note_shortages(self, scorer: BestSnapshots) -> None:
        """Note in the records, and in the log, what was not scored because memory ran out; the training is kept."""
        noted = self.facts.get("not_scored", {})
        for step, why in scorer.shortages.items():
            if str(step) not in noted:
                text = "%s: memory ran out in evaluation at step %d, whose scores are undefined (NaN): %s"
                logging.getLogger("ganbench").warning(text, self.batch.label, step, why)
        if scorer.shortages:
            self.facts["not_scored"] = noted | {str(step): why for step, why in scorer.shortages.items()}

    def start_or_resume(self) -> tuple[Training, BestSnapshots]:
        """Build the training and its scorer, at the start or in the state of the checkpoint of exactly this work."""
        state = self.checkpoint.read()
        training, scorer = self.build()
        if state is not None:
            try:
                self.restore_state(training, scorer, state)
            except (LookupError, ValueError, TypeError, RuntimeError) as error:
                self.checkpoint.warn_ignored(f"not of this training ({error})")
                training, scorer = self.build()
        return training, scorer

    def build(self) -> tuple[Training, BestSnapshots]:
        """Build the training and its scorer from the names in the batch."""
        training = prepare(self.batch, self.plugins, self.device)
        self.facts["sources"] = check_sources(self.batch.trials[0], self.plugins, training)
        parts = self.batch.measurement.metrics
        metrics = [scoring.build_metric(part, self.plugins) for part in parts]
        reference = load_reference(self.plugins, self.batch.trials[0].dataset, training.source, self.batch, self.device)
        return training, BestSnapshots(training, self.batch.measurement.samples, metrics, reference)

    def save_state(self, training: Training, scorer: BestSnapshots) -> CheckpointState:
        """Return the state of a training, its scorer (stored as "judge") and this job."""
        self.count_seconds("train")  # where training stands still, nothing is scored
        tensors, hashes = self.kept.save_state()
        numbers: dict[str, object] = {"seconds": self.seconds, "kept": hashes}
        states = {"training": checkpoint.save_state(training), "judge": scorer.save_state()}
        for name, (state_tensors, state_numbers) in states.items():
            tensors |= {f"{name}/{leaf}": tensor for leaf, tensor in state_tensors.items()}
            numbers[name] = state_numbers
        return tensors, numbers

    def restore_state(self, training: Training, scorer: BestSnapshots, state: CheckpointState) -> None:
        """Set a training, its scorer and this job to the state of a checkpoint."""
        tensors, numbers = state
        checkpoint.restore_state(training, select_branch(tensors, "training"), numbers["training"])
        scorer.restore_state(select_branch(tensors, "judge"), numbers["judge"])
        assert training.stage is not None
        self.last = training.take_snapshot(training.stage.done, training.stage.game)
        self.scores = [[score for scores in scorer.history for score in scores[i]] for i in range(len(self.scores))]
        self.seconds = dict(numbers["seconds"])
        self.kept.restore_state(select_branch(tensors, "kept"), numbers["kept"])
        self.facts["resumed"] = training.stage.done

    def discard(self, error: ProcessChanged) -> None:
        """Fail the batch without scores, and drop references that may have been computed after the change."""
        self.error, self.facts = str(error), {**self.facts, "process_changes": error.changes}
        self.scores, self.last = [[] for _ in self.batch.trials], None
        self.profiles = [[] for _ in self.batch.trials]
        _references.clear()

    def make_records(self) -> list[Record]:
        """Return one record for each trial, in the batch's order."""
        members, last = len(self.batch.trials), self.last
        varied = collect_varied([trial.recipe for trial in self.batch.trials])
        composition = {
            "members": [trial.seed for trial in self.batch.trials],
            "mode": self.batch.mode,
            **({} if (precision := self.batch.trials[0].precision) == "float32" else {"precision": precision}),
            **({"varied": varied} if varied else {}),
            **devices.describe(self.device),
        }
        return [
            Record(
                trial=trial,
                status=self._status(i),
                error=self.error,
                diverged_at=last.diverged_at[i] if last else -1,
                scores=tuple(self.scores[i]),
                profiles=tuple(self.profiles[i]),
                signals={n: (steps, values[i].tolist()) for n, (steps, values) in last.signals.items()} if last else {},
                seconds={name: seconds / members for name, seconds in self.seconds.items()},
                updates=last.updates if last else {},
                composition=composition,
                facts=self.facts | self.describe_profile(),
                **({} if self.error else self.kept.describe(i)),
            )
            for i, trial in enumerate(self.batch.trials)
        ]

    def describe_profile(self) -> dict[str, Any]:
        """Return the fact of the parts of training that were timed: the seconds in this process by trial, if asked."""
        if self.clock is None:
            return {}
        return {"profile": {part: seconds / len(self.batch.trials) for part, seconds in self.clock.seconds.items()}}

    def _status(self, member: int) -> Status:
        if self.error:
            return "failed"
        return "diverged" if self.last is not None and self.last.diverged_at[member] >= 0 else "completed"


def check_sources(trial: Trial, plugins: Registry, training: Training) -> dict[str, str]:
    """Return the sources of a trial as this process uses them; raise GanbenchError if they are not those of its plan.

    A trial without `sources`, such as one that is trained again from its record, has no plan to agree with.
    """
    data = digest_data(training.source)
    sources = list_sources(trial.recipe, trial.architecture, trial.dataset, plugins, data)
    if trial.sources and (changes := list(describe_changes(trial.sources, sources))):
        raise GanbenchError(
            f"not trained, because it is not what was planned: {', '.join(changes)} changed after the plan was made. "
            "Run the suite again. If that does not help, the dataset or the plugin differs each time it is loaded."
        )
    return sources


_references: dict[str, Reference] = {}


def load_reference(
    plugins: Registry, dataset: Part, source: Source, batch: Batch, device: torch.device | None = None
) -> Reference:
    """Return the reference samples of a dataset, built once per process since extracting their features takes long."""
    plain = batch.measurement.plain
    protocol = {name: plain[name] for name in ("samples", "extractor", "normalisation") if name in plain}
    key = canonical_json([id(plugins), dataset.name, dict(dataset.options), protocol, str(device)])
    if key not in _references:
        _references[key] = open_reference(source, batch.measurement, plugins, device)
    return _references[key]
