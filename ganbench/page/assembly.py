"""The page put together: sections, data, style and script in one file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ganbench.errors import GanbenchError
from ganbench.escaping import escape_unprintable
from ganbench.page.blocks import Chart, PageTable, Section
from ganbench.page.claim_section import claims_section
from ganbench.page.comparison_sections import differences_section, numbers_section
from ganbench.page.courses import courses_section
from ganbench.page.factor_section import factors_section, sustained_section
from ganbench.page.figure_section import figures_section
from ganbench.page.outcome_sections import samples_section, survival_section
from ganbench.page.packing import pack_frame, show_text
from ganbench.page.pair_section import pairs_section
from ganbench.page.palette import Palette
from ganbench.page.security import embed_json, seal_script, write_policy
from ganbench.page.source import Source, compared_source, read_source
from ganbench.page.success_sections import curve_section, scores_section
from ganbench.page.suite_sections import (
    costs_section,
    failures_section,
    protocol_section,
    question_section,
    seeds_section,
    sensitivity_section,
)
from ganbench.page.trials import list_trials
from ganbench.page.tuning_section import tuning_section
from ganbench.report.comparison import Comparison
from ganbench.report.trial_tables import samples_command
from ganbench.statistics.imported_trials import are_imported

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

Progress = Callable[[int, int], None]
"""A function that takes (parts done, all parts)."""


def write_page(
    results: str | Path | Sequence[str | Path] | Comparison,
    to: str | Path,
    plugins: Registry | None = None,
    progress: Progress = lambda done, whole: None,
) -> Path:
    """Write the page of results folders, or of a comparison, into one HTML file, and return its path.

    With `plugins` the page of folders has samples, which builds the networks that the results name. Raise GanbenchError
    for a folder without a plan, or a file that cannot be written.
    """
    from ganbench.report.output import make_folder
    from ganbench.results.files import write_file

    file = Path(to)
    if file.is_dir():
        raise GanbenchError(f"{to}: a folder. Name the file that the page is written into, as in {file / 'page.html'}.")
    if isinstance(results, Comparison):
        sources = [compared_source(results)]
    else:
        folders = [results] if isinstance(results, str | Path) else results
        sources = [read_source(Path(folder), plugins) for folder in folders]
    page = make_page(sources, progress)
    make_folder(file.parent)
    write_file(file, page.encode())
    return file


def make_page(sources: Sequence[Source], progress: Progress = lambda done, whole: None) -> str:
    """Return the page of these results: HTML in full, with a part for each suite. The same results, the same text."""
    scripts = [seal_script(load_bundle()), seal_script(read_asset("page.js"))]
    suites: list[dict[str, Any]] = []
    for place, source in enumerate(sources):
        sections: list[Section] = []
        makers = list(list_makers(source))
        for number, make in enumerate(makers):
            progress(place * len(makers) + number, len(sources) * len(makers))
            sections.append(make())
        suites.append(lay_out(source, list(drop_repeated(sections)), place))
    scripts = [seal_script(load_bundle()), seal_script(read_asset("page.js"))]
    return render(suites, scripts)


def drop_repeated(sections: Sequence[Section]) -> Iterator[Section]:
    """Yield the sections that have blocks, each table only where it comes first."""
    seen: set[tuple[str, str]] = set()
    for section in sections:
        blocks = []
        for block in section.blocks:
            table = (block.title, repr(block.rows)) if isinstance(block, PageTable) else None
            if table not in seen:
                blocks.append(block)
            if table:
                seen.add(table)
        if blocks:
            yield replace(section, blocks=blocks)


def list_makers(source: Source) -> Iterator[Callable[[], Section]]:
    """Yield what makes each section of a suite, in the order of the page."""
    palette = Palette(source.methods)
    charted = [curve_section, scores_section, tuning_section, survival_section, sustained_section, courses_section]
    charted += [pairs_section, factors_section]
    plain: list[Callable[[Source], Section]] = [
        seeds_section,
        costs_section,
        samples_section,
        failures_section,
        sensitivity_section,
        protocol_section,
    ]
    if compared := source.comparison:
        yield partial(differences_section, compared)
        plain.insert(plain.index(samples_section), lambda _: numbers_section(compared))
    yield partial(question_section, source)
    if (source.frames.trials["status"] == "missing").all():  # "no trial diverged" would be no news
        yield partial(protocol_section, source)
        return
    yield partial(claims_section, source)
    yield partial(figures_section, source)
    yield from (partial(make, source, palette) for make in charted)
    yield from (partial(make, source) for make in plain)


def lay_out(source: Source, sections: Sequence[Section], place: int) -> dict[str, Any]:
    """Return what the template shows of a suite, and the data of its script; names are distinct on the page."""
    charts: dict[str, Any] = {}
    names: dict[int, str] = {}
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Chart):
                names[id(block)] = f"s{place}-chart-{len(charts) + 1}"
                charts[names[id(block)]] = pack_chart(block)
    palette = Palette(source.methods)
    trials = list_trials(source)
    columns = ["folder", "short", "dataset", "method", "architecture", "words", "seed", "outcome"]
    data = {
        "methods": palette.names,
        "trials": pack_frame(trials[columns]),
        "factors": pack_factors(source),
        "samples": pack_commands(source),
        "pictures": pack_thumbnails(source, trials["key"]),
        "charts": charts,
    }
    return {
        "id": f"s{place}",
        "title": source.title,
        "sections": sections,
        "legend": palette.legend(),
        "names": lambda block: names[id(block)],
        "data": embed_json(data),
    }


def pack_chart(chart: Chart) -> dict[str, Any]:
    """Return a chart as the script reads it."""
    packed = {name: pack_frame(frame) for name, frame in chart.frames.items()}
    more: dict[str, Any] = {"courses": chart.courses} if chart.courses is not None else {}
    more |= {"recount": chart.recount} if chart.recount else {}
    return {"spec": chart.spec, "frames": packed, **more}


def pack_commands(source: Source) -> dict[str, str]:
    """Return the command that draws the samples of the trial KEY, by results folder; none for imported trials."""
    return {
        show_text(folder): escape_unprintable(samples_command(frames, folder, "KEY"))
        for folder, frames in source.homes.items()
        if not are_imported(frames.trials).all()
    }


def pack_thumbnails(source: Source, keys: pd.Series[str]) -> dict[int, tuple[str, str]]:
    """Return the small pictures of trials by number on the page: what each shows in words, and its PNG in base 64."""
    found = [(number, source.thumbnails[key]) for number, key in keys.items() if key in source.thumbnails]
    return {int(str(number)): (alt, b64encode(png).decode()) for number, (alt, png) in found}


def pack_factors(source: Source) -> dict[str, Any]:
    """Return the factors that differ between architectures: by factor, the level of each architecture."""
    known = source.frames.architectures.drop_duplicates("architecture").set_index("architecture")
    known = known.drop(columns=["dataset", "space", "words"], errors="ignore")
    known.index = pd.Index([show_text(name) for name in known.index])
    varied = [name for name in known.columns if 1 < known[name].nunique() <= 12]
    return {
        show_text(name): {str(key): show_level(value) for key, value in known[name].dropna().items()} for name in varied
    }


def show_level(value: Any) -> str:
    """Return the level of a factor in words: yes and no for a switch."""
    return ("yes" if value else "no") if isinstance(value, bool | np.bool_) else show_text(value)


@lru_cache(maxsize=1)
def load_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; it takes some seconds, once in a process.

    Of the versions of Vega-Lite that vl-convert has, it is the newest of the major version that Altair writes. Raise
    GanbenchError where there is none.
    """
    from importlib.metadata import version

    import altair
    import vl_convert

    wanted = altair.SCHEMA_VERSION.removeprefix("v").partition(".")[0]
    known = [[int(part) for part in each.split(".")] for each in vl_convert.get_vegalite_versions()]
    fitting = [each for each in known if str(each[0]) == wanted]
    if not fitting:
        raise GanbenchError(
            f"report: altair {altair.__version__} writes charts for Vega-Lite {wanted}, which vl-convert-python "
            f"{version('vl-convert-python')} has not. pip install --upgrade altair vl-convert-python"
        )
    newest = ".".join(map(str, max(fitting)))
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=newest)


def read_asset(name: str) -> str:
    """Return one of the files that the page is made of."""
    return resources.files("ganbench.page").joinpath(name).read_text(encoding="utf-8")


def render(suites: Sequence[dict[str, Any]], scripts: Sequence[Markup]) -> str:
    """Return the page as HTML; every text in it is escaped by the template, but for our own scripts, style and data."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(read_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        suites=suites,
        title=" and ".join(suite["title"] for suite in suites),
        policy=write_policy(scripts),
        scripts=scripts,
        style=Markup(read_asset("style.css")),
    )
