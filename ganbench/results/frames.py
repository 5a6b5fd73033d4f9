"""Results as tidy pandas frames, for statistics, reports and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, overload

from ganbench.api.metrics import metric_title
from ganbench.api.records import TRAINED, UNTRAINED
from ganbench.escaping import html_table
from ganbench.results.choices import Choice, read_choices
from ganbench.results.contents import Contents, make_contents, make_rules, take_contents, unite_contents
from ganbench.results.history import Run
from ganbench.results.series import StoredSeries, empty_profiles

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LABELS = ("dataset", "architecture", "method")
TRIAL_COLUMNS = (
    *("key", *LABELS, "seed", "planned", "status", "error", "diverged_at", "stale", "code"),
    *("generator_steps", "batch_size", "critic_updates", "generator_updates", "samples", "flops"),
    *("seconds_train", "seconds_evaluate", "mode", "members", "device"),
)
COSTS = {
    "cost.flops": "flops",
    "cost.samples": "samples",
    "cost.critic-updates": "critic_updates",
    "cost.generator-updates": "generator_updates",
    "cost.seconds-train": "seconds_train",
}
"""The values that say what a trial cost, with the columns of the trials that have them."""
MEASURED = ("step", "value", "direction", "samples", "fresh", "not_scored")
"""The columns of scores that differ between those of one name and measurement, except for the key."""
PER_TRIAL = ("trials", "scores", "signals", "profiles")
"""The frames whose rows belong to a trial, by its key."""
FRAMES = (
    "Frames: .trials, .scores, .signals, .profiles, .calibration, .architectures, .methods, .rules; "
    "tables: ganbench.report.make_tables."
)
CALIBRATED = ("sampler", "trivial", "name", "value", "direction", "measurement", "samples")


def empty_calibration() -> pd.DataFrame:
    """Return an empty frame of baseline scores."""
    import pandas as pd

    return pd.DataFrame(columns=["dataset", *CALIBRATED])


class FrameOnDemand:
    """A field of `Frames` that may be given as a function, which is called when the frame is first asked for."""

    def __init__(self, default: Callable[[], pd.DataFrame] | None = None) -> None:
        self.default = default

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, frames: None, owner: type[Any]) -> Callable[[], pd.DataFrame]: ...

    @overload
    def __get__(self, frames: object, owner: type[Any]) -> pd.DataFrame: ...

    def __get__(self, frames: object | None, owner: type[Any]) -> pd.DataFrame | Callable[[], pd.DataFrame]:
        if frames is None:  # dataclass asks for the default
            if self.default is None:
                raise AttributeError(self.name)
            return self.default
        held: pd.DataFrame | Callable[[], pd.DataFrame] = vars(frames)[self.name]
        if callable(held):
            held = vars(frames)[self.name] = held()
        return held

    def __set__(self, frames: object, value: pd.DataFrame | Callable[[], pd.DataFrame]) -> None:
        vars(frames)[self.name] = value


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The results of a suite.

    `trials`: one row per planned trial (`TRIAL_COLUMNS`). `status` is completed, diverged, failed, timed-out, or
    missing where nothing is recorded yet. `diverged_at` is the update (of either player) at which a loss or a weight
    became non-finite, else -1. `stale`: the record was made by other code than the plan's. `samples`: real samples
    shown to the critic. `flops`: as torch counts them (`engine.flops`). `seconds_*`: the batch's wall times over its
    members. The `mode` of a trial that was trained elsewhere is "imported", and its `batch_size` 0: not known.
    `scores`: key, step, name, value, direction, measurement, samples, fresh, not_scored; in the order of steps. Rows
    with `fresh` are not part of a trial's series: they score its best snapshots on samples that did not choose them
    (`series` is without them). `not_scored`: the value is NaN because memory ran out, whatever the model is.
    `signals`: key, name, step, value; empty if they were not asked for, and then no trial is known to have exploded.
    `profiles`: key, step, name, measurement, x, y (NaN for a profile along one axis), value; read as signals are.
    Signals and profiles of many trials are read from the folder when they are first asked for; `unread_signals` can
    stream them.
    `calibration`: dataset, sampler, trivial, name, value, direction, measurement, samples: the scores of the untrained
    baselines by the newest run's protocols, the real data (not `trivial`) first.
    `suite` is the text of the newest run's suite, `runs` the runs of the folder (`ganbench.results.history`), the
    oldest first.
    `tuning` has the trials on which configurations were tuned, and only them, once their report is planned: then they
    are not among `trials`. `choices` are the configurations that were chosen, and by the trials of `tuning`.
    `read_contents` returns what the trials consist of (`ganbench.results.contents`); it is called when `architectures`
    or `methods` is first asked for, because that reads the folder again.
    """

    trials: pd.DataFrame
    scores: pd.DataFrame
    signals: FrameOnDemand = FrameOnDemand()
    suite: str = ""
    calibration: pd.DataFrame = field(default_factory=empty_calibration)
    profiles: FrameOnDemand = FrameOnDemand(empty_profiles)
    runs: tuple[Run, ...] = ()
    tuning: Frames | None = None
    read_contents: Callable[[], Contents] = make_contents

    @cached_property
    def contents(self) -> Contents:
        """The frames `architectures` and `methods`, read from the folder when they are first asked for."""
        return self.read_contents()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The configurations that were chosen, in the order of the suite; none where nothing was tuned."""
        return read_choices(self.runs)

    @property
    def all_trials(self) -> pd.DataFrame:
        """The rows of `trials`, after those of the trials on which configurations were tuned."""
        return self.whole.trials

    @cached_property
    def whole(self) -> Frames:
        """These results with the trials of `tuning` among the others, before them, as listings and exports show all.

        Itself where nothing was tuned.
        """
        if self.tuning is None:
            return self
        reported, tuning = set(self.trials["key"]), self.tuning
        joined = {name: partial(self.join_rows, tuning, name, reported) for name in PER_TRIAL}
        parts = (tuning, self)
        return self.change(
            trials=joined["trials"](),
            scores=joined["scores"](),
            signals=joined["signals"],
            profiles=joined["profiles"],
            tuning=None,
            read_contents=lambda: unite_contents(each.contents for each in parts),
        )

    def join_rows(self, tuning: Frames, name: str, reported: Collection[str]) -> pd.DataFrame:
        """Return the rows of a frame of `tuning` that are not of `reported` trials, then those of this one."""
        import pandas as pd

        rows = getattr(tuning, name)
        return pd.concat([rows[~rows["key"].isin(reported)], getattr(self, name)], ignore_index=True)

    def take(self, keys: Iterable[str]) -> Frames:
        """Return the results of the trials with these keys only."""
        wanted = set(keys)

        def keep(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[frame["key"].isin(wanted)].reset_index(drop=True)

        kept: dict[str, Any] = {}
        for name in PER_TRIAL:
            held = vars(self)[name]
            unread = held.take(wanted) if isinstance(held, StoredSeries) else partial(lambda read: keep(read()), held)
            kept[name] = unread if callable(held) else keep(held)
        trials = kept["trials"]
        return self.change(**kept, tuning=None, read_contents=lambda: take_contents(self.contents, trials))

    def change(self, **changes: Any) -> Frames:
        """Return these results with other values of some fields; what is not read yet stays unread."""
        return Frames(**{each.name: vars(self)[each.name] for each in fields(self)} | changes)

    @property
    def unread(self) -> frozenset[str]:
        """The names of the frames that are not read yet."""
        return frozenset(name for name in ("signals", "profiles") if callable(vars(self)[name]))

    @property
    def unread_signals(self) -> StoredSeries | None:
        """The signals, if they are not read yet."""
        held = vars(self)["signals"]
        return held if isinstance(held, StoredSeries) else None

    @property
    def architectures(self) -> pd.DataFrame:
        """A row per dataset and architecture: both as in `trials`, space, words, and a column for each factor.

        `words` describe the architecture, as in "G 4x64 tanh, D 2x128 relu". The factors are those of its spec, and the
        options of its space that were given; nested ones are named `generator.depth`, and lists are JSON text.
        """
        return self.contents.architectures

    @property
    def methods(self) -> pd.DataFrame:
        """A row per method: its name as in `trials`, and a column for each part of its recipe and each option of one.

        Columns are named `loss`, `critic_optimizer.lr`, `gradient-penalty.weight`. A cell is empty where the method has
        no such part, where the option has its offer's default, or where it is not the same on every architecture.
        """
        return self.contents.methods

    @cached_property
    def rules(self) -> pd.DataFrame:
        """A row per [[success]] table of the suite, in its order, with a column for each key; lists are JSON text."""
        return make_rules(self.suite)

    @cached_property
    def series(self) -> pd.DataFrame:
        """The scores along every trial's training: one value of a metric at a snapshot."""
        return self.scores[~self.scores["fresh"]]

    @cached_property
    def keys(self) -> pd.Index[str]:
        """The distinct keys of `trials`, in their order."""
        import pandas as pd

        return pd.Index(self.trials["key"].unique())

    def numbers(self, keys: pd.Series[str]) -> NDArray[np.intp]:
        """Return the numbers of trials, faster to compare than keys: a key's place in `keys`, -1 where it has none."""
        import pandas as pd

        return self.keys.get_indexer(pd.Index(keys))

    @cached_property
    def measured(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The scores by name and measurement: `MEASURED`, and the `number` of each trial (-1: not among them).

        Texts that all rows share are left out: of millions of rows, they are most of the memory.
        """
        scores = self.scores[list(MEASURED)].assign(number=self.numbers(self.scores["key"]))
        by = [self.scores["name"], self.scores["measurement"]]
        groups: dict[Any, pd.DataFrame] = dict(iter(scores.groupby(by, sort=False)))
        return groups

    @cached_property
    def ways(self) -> dict[str, dict[str, pd.DataFrame]]:
        """The rows of `measured` by name, then by measurement."""
        found: dict[str, dict[str, pd.DataFrame]] = {}
        for (name, measurement), rows in self.measured.items():
            found.setdefault(name, {})[measurement] = rows
        return found

    def _repr_html_(self) -> str:
        """Return a plain HTML table for a notebook: the outcomes of each method's trials."""
        statuses = (*TRAINED, *UNTRAINED, "missing")
        counts = {name: self.trials["status"] == name for name in statuses}
        shown = self.trials[["dataset", "method"]].assign(trials=1, **counts)
        columns = ["trials", *statuses]
        table = shown.groupby(["dataset", "method"], sort=False)[columns].sum().reset_index().astype("str")
        units = f"{self.trials['architecture'].nunique()} architectures, {self.trials['seed'].nunique()} seeds"
        scores = metric_title(", ".join(self.scores["name"].drop_duplicates()))
        head = [name.replace("-", " ") for name in table.columns]
        notes = (f"{units}. Scores: {scores or 'none yet'}.", FRAMES)
        return html_table("ganbench results", head, table.to_numpy().tolist(), notes)
