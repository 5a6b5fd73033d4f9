"""What keeps a page from doing anything but show itself: its Content-Security-Policy, and data that no parser reads.

Vega compiles its expressions, so scripts need 'unsafe-eval'; the bundle of vl-convert cannot contain its interpreter.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

LINE_ENDS = re.compile("\r\n?")
ENDS_SCRIPT = re.compile(r"<(?=/script|script|!--)", re.IGNORECASE)


def seal_script(script: str) -> Markup:
    """Return a script of ours as the content of a `<script>` element, with nothing in it that ends or nests one.

    Such text can stand only within a string or a regular expression of the script, where an escaped `<` means the same.
    """
    return Markup(ENDS_SCRIPT.sub(r"\\x3c", LINE_ENDS.sub("\n", script)))


def embed_json(value: Any) -> Markup:
    """Return a value as JSON for a script element of data: ASCII, without `<`, `>`, `&`, NaN or infinity."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def hash_script(script: str) -> str:
    """Return the source expression that allows this script, by its SHA-256 (W3C, Content Security Policy Level 3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def write_policy(scripts: Iterable[str]) -> str:
    """Return the policy of a page that has these scripts: no other script, no request, no form, no base, no frame."""
    sources = " ".join(map(hash_script, scripts))
    return (
        f"default-src 'none'; script-src {sources} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
