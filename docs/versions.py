"""Write the first page of the published site, which opens the newest version, and the list of all its versions.

python docs/versions.py SITE     # a folder with one folder for each version
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ganbench</title>
"""
FIRST = (
    HEAD
    + """<meta http-equiv="refresh" content="0; url={newest}/docs/index.html">
<a href="{newest}/docs/index.html">The documents of ganbench {newest}</a>
"""
)
LIST = (
    HEAD
    + """<h1>The documents of ganbench, by version</h1>
<ul>
{items}
</ul>
"""
)


def list_versions(site: Path) -> list[str]:
    """Return the versions that have a folder, the newest first."""
    found = {}
    for folder in filter(Path.is_dir, site.iterdir()):
        try:
            found[Version(folder.name)] = folder.name
        except InvalidVersion:
            continue
    return [found[version] for version in sorted(found, reverse=True)]


def write_pages(site: Path) -> None:
    """Write `index.html` and `versions.html`; raise SystemExit if there is no version."""
    versions = list_versions(site)
    if not versions:
        raise SystemExit(f"{site}: no folder with the name of a version, such as 0.1.0")
    items = "\n".join(f'<li><a href="{name}/docs/index.html">{name}</a></li>' for name in versions)
    (site / "index.html").write_text(FIRST.format(newest=versions[0]))
    (site / "versions.html").write_text(LIST.format(items=items))


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
