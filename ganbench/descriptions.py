"""What there is to say of an offer, in lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench.suite.methods import settings

if TYPE_CHECKING:
    from ganbench.registry.registry import Offered


def described(offered: Offered) -> str:
    """Give everything there is to say of an offer."""
    offer = offered.offer
    lines = [f"{offer.name} ({offered.kind}), version {offer.version}, from {offered.provider}", f"  {offer.summary}"]
    if offer.formula:
        lines.append(f"  formula: {offer.formula}")
    if offer.reference:
        lines.append(f"  paper: {offer.reference}")
    if options := str(offered.options):
        lines.append(f"  options: {options}")
    if offered.kind == "methods":
        lines += [f"  {setting}" for setting in settings(offered.offer.build())]
    for example in offer.examples:
        given = ", ".join(f"{k} = {v}" for k, v in {**example.given, **example.options}.items())
        values = ", ".join(f"{player} {value:g}" for player, value in example.expect.items())
        lines.append(f"  asserted: {given} gives {values} ({example.source})")
    return "\n".join(lines)
