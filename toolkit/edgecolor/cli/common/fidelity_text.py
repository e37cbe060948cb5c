"""A model compared with its reference, as lines of text for `evaluate` and `check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecolor.evaluation.scores import Fidelity


def fidelity_lines(fidelity: Fidelity) -> Iterator[str]:
    """Yield the lines that compare a model with its reference."""
    yield f"against      {fidelity.reference}"
    yield (
        f"ab           {fidelity.ab_difference:.2f} Lab units apart in the mean; "
        f"worst {fidelity.worst:.2f}, {fidelity.worst_name}"
    )
    yield f"chroma       {fidelity.chroma_ratio:.3f} of the reference's"
    yield f"CIEDE2000    {fidelity.ciede2000:.2f} between the finished pictures"
    yield f"hue          {hue_error_text(fidelity.hue_error)}"
    paired = fidelity.paired
    for title, difference in (("G56", paired.g56), ("G83", paired.g83), ("as it is", paired.gain)):
        if difference is None:
            yield f"{title:13}not reached"
        else:
            yield f"{title:13}{difference.mean:+.3f} dB +- {difference.error:.3f}"


def hue_error_text(degrees: float | None) -> str:
    """Return a mean hue error as text; None: there is no hue to compare."""
    return "none to compare" if degrees is None else f"{degrees:.1f} degrees off where there is chroma"
