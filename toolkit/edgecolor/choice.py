"""Which file to take on one device: the fastest that colours nearly as well as the reference.

Latency is the median of a whole frame, from JPEG to JPEG, with the number of threads that suits the file
best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecolor.plane import Difference
from edgecolor.variants import Distribution, Variant, distribution

SAME_SPEED = 0.05  # of a frame's time: a smaller difference tells nobody anything
UNSTEADY = 1.5  # the slowest tenth of the frames over the fastest: beyond, something else had the processor


@dataclass(frozen=True)
class Timing:
    """One file on one device, milliseconds, with the number of threads at which a frame takes least.

    Attributes:
        tried: numbers of threads.
        frame: whole frames.
        invoke: the network alone.
        stages: medians of a frame's stages.
    """

    variant: Variant
    threads: int
    tried: tuple[int, ...]
    interpreter: str
    frame: Distribution
    invoke: Distribution
    stages: dict[str, float]
    peak_memory_bytes: int | None

    @property
    def ms(self) -> float:
        """The median of a whole frame."""
        return self.frame.p50

    @property
    def unsteady(self) -> bool:
        """Whether its times tell more of the machine's other work than of the file."""
        return self.frame.p90 > UNSTEADY * self.frame.p10


@dataclass(frozen=True)
class Choice:
    """What to take.

    Attributes:
        timing: the file; None where none can be chosen.
        words: one to three sentences that say so.
    """

    timing: Timing | None
    words: tuple[str, ...]


def timing(variant: Variant, model: dict[str, Any]) -> Timing:
    """Takes one model of a bench record; quantiles come from its samples."""
    runs = {run["threads"]: run for run in model["runs"]}
    frames = {threads: distribution(run["frame"]["total"]["samples_ms"]) for threads, run in runs.items()}
    threads = min(frames, key=lambda n: frames[n].p50)
    run = runs[threads]
    stages = run["frame"]["stages"]
    return Timing(
        variant=variant,
        threads=threads,
        tried=tuple(sorted(runs)),
        interpreter=model["interpreter"],
        frame=frames[threads],
        invoke=distribution(run["invoke"]["samples_ms"]),
        stages={name: distribution(series["samples_ms"]).p50 for name, series in stages.items()},
        peak_memory_bytes=run["peak_memory_bytes"],
    )


def pareto_of(timings: Sequence[Timing]) -> tuple[Timing, ...]:
    """Those of known accuracy that no other one beats in both speed and accuracy, fastest first."""
    front: list[Timing] = []
    best = -math.inf
    for one in sorted(timings, key=lambda t: (t.ms, -(t.variant.g56 or 0.0))):
        if one.variant.g56 is not None and one.variant.g56 > best:
            best = one.variant.g56
            front.append(one)
    return tuple(front)


def choose(where: str, timings: Sequence[Timing], within: float, reference: Variant) -> Choice:
    """The fastest file that loses at most `within` dB; of several as fast, the smallest.

    Args:
        where: the device's title.
        timings: on it.
        within: dB.
        reference: against which.
    """
    known = [(t, t.variant.against) for t in timings if t.variant.against]
    able = [t for t, against in known if against.mean >= -within]
    limit = f"{within:g} dB"
    if not able:
        return Choice(
            None, (f"No choice on {where}: nothing timed there is within {limit} of {reference.label}.",)
        )
    fastest = min(t.ms for t in able)
    taken = min((t for t in able if t.ms <= fastest * (1 + SAME_SPEED)), key=lambda t: t.variant.file.bytes)
    rank = f"the fastest of the {len(able)} files" if len(able) > 1 else "the only file"
    words = [
        f"On {where}, take {taken.variant.label}: {ms(taken.ms)} ms a frame ({1000 / taken.ms:.3g} a second, "
        f"{_threads(taken)}), {rank} within {limit} of {_reference(taken, reference)}; "
        f"{taken.variant.file.bytes / 1e6:.2f} MB."
    ]
    quicker = [(t, against) for t, against in known if t.ms < taken.ms * (1 - SAME_SPEED)]
    if quicker:
        best, loss = max(quicker, key=lambda pair: pair[1].mean)
        words.append(
            f"If speed matters more: {best.variant.label} takes {ms(best.ms)} ms and loses {amount(loss)} dB."
        )
    if taken.unsteady or any(t.unsteady and t.frame.p10 < taken.ms for t in able):
        words.append("Times vary too much here to rely on this: measure again while nothing else runs.")
    return Choice(taken, tuple(words))


def _reference(taken: Timing, reference: Variant) -> str:
    against = taken.variant.against
    if against is None or taken.variant.file.sha256 == reference.file.sha256:
        return "the best, which it is itself"
    return f"{reference.label} (it {'loses' if against.mean < 0 else 'gains'} {amount(against)} dB)"


def _threads(taken: Timing) -> str:
    return "1 thread" if taken.threads == 1 else f"{taken.threads} threads"


def ms(value: float) -> str:
    """Milliseconds to three digits."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


def amount(found: Difference | None) -> str:
    """How large a difference is, with its standard error; to be followed by dB."""
    return "–" if found is None else f"{abs(found.mean):.2f}{_error(found)}"


def signed(found: Difference | None) -> str:
    """The same with its sign."""
    return "–" if found is None else f"{found.mean + 0.0:+.2f}{_error(found)}"


def _error(found: Difference) -> str:
    return f" ± {found.error:.2f}" if math.isfinite(found.error) else ""  # none of a single photograph
