"""The picture of a search: accuracy against latency, with the line of those that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecolor.compression.candidates import Candidate


def draw(
    wide: Candidate, trials: Sequence[Candidate], pareto: Sequence[Candidate], finished: Candidate, out: Path
) -> None:
    """Writes an SVG; a mark's area is the size of the int8 file.

    Args:
        wide: the network that the search began with.
        trials: every candidate.
        pareto: those that no other one beats, fastest first.
        finished: the choice after its further training.
        out: the file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    line = [c for c in pareto if not any(o.latency <= c.latency and o.psnr > c.psnr for o in pareto)]
    axes.plot([c.latency for c in line], [c.psnr for c in line], color="0.6", zorder=1)
    for group, color, label in (
        (trials, "tab:blue", "trials"),
        ([wide], "black", "the network itself"),
        ([finished], "tab:red", "the choice, trained further"),
    ):
        axes.scatter(
            [c.latency for c in group],
            [c.psnr for c in group],
            s=[c.size / 4 for c in group],
            color=color,
            label=label,
            zorder=2,
        )
    for c in (*trials, wide, finished):
        text = f"{c.alpha:g}, {c.width}"
        axes.annotate(text, (c.latency, c.psnr), (10, -12), textcoords="offset points", fontsize=8)
    axes.set_xlabel("int8 latency, ms on one thread")
    axes.set_ylabel("PSNR at 56 % colorfulness, dB")
    axes.set_title("alpha, decoder width; area: file size")
    axes.margins(0.12)
    axes.grid(color="0.9")
    axes.legend()
    partial = out.with_name(f".partial-{out.name}")
    figure.savefig(partial, format="svg", metadata={"Date": None})
    partial.replace(out)
