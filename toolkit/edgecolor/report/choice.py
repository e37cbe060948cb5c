"""The choice of a file for one device: the fastest file that is accurate enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgecolor.evaluation.scores import Difference
from edgecolor.records.types import STAGES, BenchedModel
from edgecolor.report.contents import Choice, ComparedFile, FileTiming
from edgecolor.support.statistics import distribution

EQUAL_SPEED_SHARE = 0.05  # of a frame's time: files that differ by less are equally fast


def summarize_timing(file: ComparedFile, model: BenchedModel) -> FileTiming:
    """Return the timing of one model of a benchmark record; quantiles are computed from its samples."""
    frames = [distribution(run.frame.total.samples_ms) for run in model.runs]
    frame, run = min(zip(frames, model.runs, strict=True), key=lambda pair: pair[0].p50)
    stages = run.frame.stages
    return FileTiming(
        file=file,
        threads=run.threads,
        tried=tuple(sorted(each.threads for each in model.runs)),
        interpreter=model.interpreter,
        frame=frame,
        invoke=distribution(run.invoke.samples_ms),
        stages={name: distribution(getattr(stages, name).samples_ms).p50 for name in STAGES},
        peak_memory_bytes=run.peak_memory_bytes,
    )


def find_unbeaten(timings: Sequence[FileTiming]) -> tuple[FileTiming, ...]:
    """Return the evaluated files that no other one beats in both speed and accuracy, fastest first."""
    front: list[FileTiming] = []
    best = -math.inf
    for one in sorted(timings, key=lambda t: (t.ms, -(t.file.g56 or 0.0))):
        if one.file.g56 is not None and one.file.g56 > best:
            best = one.file.g56
            front.append(one)
    return tuple(front)


def choose_file(
    where: str, timings: Sequence[FileTiming], *, within: float, reference: ComparedFile
) -> Choice:
    """Choose the fastest file that loses at most `within` dB; of equally fast files, the smallest.

    Args:
        where: title of the device.
        timings: files that were timed on the device.
        within: largest loss against the reference, dB.
        reference: the file that the others are compared with.
    """
    known = [(t, t.file.against) for t in timings if t.file.against]
    accurate = [t for t, against in known if against.mean >= -within]
    limit = f"{within:g} dB"
    if not accurate:
        return Choice(None, (f"No choice on {where}: no timed file is within {limit} of {reference.label}.",))
    fastest = min(t.ms for t in accurate)
    chosen = min(
        (t for t in accurate if t.ms <= fastest * (1 + EQUAL_SPEED_SHARE)),
        key=lambda t: t.file.identity.bytes,
    )
    rank = f"the fastest of the {len(accurate)} files" if len(accurate) > 1 else "the only file"
    words = [
        f"On {where}, take {chosen.file.label}: {ms_text(chosen.ms)} ms per frame "
        f"({1000 / chosen.ms:.3g} per second, {_threads(chosen)}), {rank} within {limit} of "
        f"{_reference_text(chosen, reference)}; {chosen.file.identity.bytes / 1e6:.2f} MB."
    ]
    faster = [(t, against) for t, against in known if t.ms < chosen.ms * (1 - EQUAL_SPEED_SHARE)]
    if faster:
        best, loss = max(faster, key=lambda pair: pair[1].mean)
        words.append(
            f"If speed matters more: {best.file.label} takes {ms_text(best.ms)} ms and loses "
            f"{amount_text(loss)} dB."
        )
    if chosen.unsteady or any(t.unsteady and t.frame.p10 < chosen.ms for t in accurate):
        words.append("The times vary too much for a reliable choice. Measure again while nothing else runs.")
    return Choice(chosen, tuple(words))


def _reference_text(chosen: FileTiming, reference: ComparedFile) -> str:
    against = chosen.file.against
    if against is None or chosen.file.identity.sha256 == reference.identity.sha256:
        return "the reference, which is this file"
    return f"{reference.label} (it {'loses' if against.mean < 0 else 'gains'} {amount_text(against)} dB)"


def _threads(timing: FileTiming) -> str:
    return "1 thread" if timing.threads == 1 else f"{timing.threads} threads"


def ms_text(value: float) -> str:
    """Return milliseconds with three digits."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


def amount_text(difference: Difference | None) -> str:
    """Return the size of a difference in dB and its standard error."""
    return "–" if difference is None else f"{abs(difference.mean):.2f}{_error_text(difference)}"


def signed_text(difference: Difference | None) -> str:
    """Return a difference in dB with its sign, and its standard error."""
    return "–" if difference is None else f"{difference.mean + 0.0:+.2f}{_error_text(difference)}"


def _error_text(difference: Difference) -> str:
    # A single photograph has no standard error.
    return f" ± {difference.error:.2f}" if math.isfinite(difference.error) else ""
