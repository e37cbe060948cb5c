"""The files of a report, each with its accuracy and how far it is from a reference.

Accuracy is the gain over gray at 56 % of the originals' colorfulness (`plane`): a pale file gains nothing by
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from edgecolor.evaluation.color_plane import SHARES, Difference, Plane, gains_at, paired, plane
from edgecolor.records.types import Distribution, EvaluationRecord, FileIdentity, distribution
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.models.shipped import SHIPPED

SAME_SPEED = 0.05  # of a frame's time: a smaller difference tells nobody anything
UNSTEADY = 1.5  # the slowest tenth of the frames over the fastest: beyond, something else had the processor


SAME_COLOR = 0.01  # dB: a smaller difference tells nobody anything
LONGEST_LABEL = 48  # characters


@dataclass(frozen=True)
class Variant:
    """One file.

    Attributes:
        letter: that stands for it in drawings.
        label: its file's name, made different where two have the same.
        evaluation: None where nobody evaluated it; then the figures are None, too.
        against: dB at 56 % of color, minus the reference's, photograph by photograph.
        gains: dB over gray of each photograph, at 56 % of color.
        worst: the photograph that loses most against the reference, and its dB minus the reference's.
        released: its hash is pinned in this edgecolor.
        notes: what a reader should know of it.
    """

    letter: str
    label: str
    file: FileIdentity
    evaluation: EvaluationRecord | None
    plane: Plane | None
    against: Difference | None
    gains: Distribution | None
    worst: tuple[str, float] | None
    released: bool
    notes: tuple[str, ...]

    @property
    def g56(self) -> float | None:
        """Gain over gray at 56 % of color, dB; None where that is not reached or not known."""
        return self.plane.g56 if self.plane else None


def refuse_unlike(evaluations: Sequence[EvaluationRecord]) -> None:
    """Refuses what cannot be compared.

    Raises:
        DataError: the photographs or the protocols are not the same.
    """
    first = evaluations[0]
    for other in evaluations[1:]:
        if other.data != first.data:
            raise DataError(
                f"{other.path}: evaluated on {other.data.photographs} photographs, other ones than the "
                f"{first.data.photographs} of {first.path}. Evaluate all files on one folder."
            )
        if other.protocol != first.protocol:
            raise DataError(f"{other.path}: another protocol than that of {first.path}. Evaluate both again.")
        if [(s.name, s.truth) for s in other.scores] != [(s.name, s.truth) for s in first.scores]:
            raise DataError(f"{other.path}: its photographs are not those of {first.path}, whatever it says.")


def variants_of(
    evaluations: Mapping[str, EvaluationRecord],
    timed: Mapping[str, FileIdentity],
    *,
    reference: str | None,
    labels: Mapping[str, str],
) -> tuple[list[Variant], Variant]:
    """Every file that was evaluated or timed, and the one that the others are compared with.

    Args:
        evaluations: by SHA-256 of the file.
        timed: files that were timed, by SHA-256.
        reference: the label or file name of the reference; None: the most accurate.
        labels: by SHA-256, what to call a file instead of its name.

    Returns:
        By accuracy, best first, those without at the end; and the reference, which is one of them.

    Raises:
        UsageError: no evaluated file is called as the reference.
        DataError: none reaches 56 % of color.
    """
    files = {**timed, **{sha256: e.file for sha256, e in evaluations.items()}}
    names = _distinct({sha256: labels.get(sha256, file.file) for sha256, file in files.items()})
    alone = [
        _alone(names[sha256], file, evaluations.get(sha256), sha256 in timed)
        for sha256, file in files.items()
    ]
    base = _reference(alone, reference)
    ranked = sorted((_compared(v, base) for v in alone), key=_rank)
    variants = [replace(v, letter=_letter(i)) for i, v in enumerate(ranked)]
    return variants, next(v for v in variants if v.file.sha256 == base.file.sha256)


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """By hash: names cut to a length, and with the hash's beginning where two are equal."""
    short = {key: n if len(n) <= LONGEST_LABEL else f"{n[:LONGEST_LABEL]}…" for key, n in names.items()}
    shown = list(short.values())
    return {key: f"{n} ({key[:8]})" if shown.count(n) > 1 else n for key, n in short.items()}


def _alone(label: str, file: FileIdentity, evaluation: EvaluationRecord | None, timed: bool) -> Variant:
    gains = gains_at(SHARES["g56"], evaluation.scores) if evaluation else None
    variant = Variant(
        letter="",
        label=label,
        file=file,
        evaluation=evaluation,
        plane=plane(evaluation.scores) if evaluation else None,
        against=None,
        gains=None if gains is None else distribution(gains.tolist()),
        worst=None,
        released=file.sha256 in {model.sha256 for model in SHIPPED.values()},
        notes=(),
    )
    return replace(variant, notes=tuple(_notes(variant, timed)))


def _notes(variant: Variant, timed: bool) -> Iterator[str]:
    if variant.file.flatbuffer_sha256 is None:
        yield "a .keras: export it, and it runs on a device"
    elif not timed:
        yield "nobody timed it"
    if variant.evaluation is None:
        yield "nobody evaluated its colors"
    elif variant.g56 is None:
        yield "too pale: it does not reach 56 % of the originals' colorfulness"


def _reference(variants: Sequence[Variant], named: str | None) -> Variant:
    if named is not None:
        found = [v for v in variants if named in (v.label, v.file.file) and v.evaluation]
        if len(found) != 1:
            known = ", ".join(v.label for v in variants if v.evaluation)
            raise UsageError(f"--reference {named}: not the name of one evaluated file; there are {known}.")
        return found[0]
    reached = {v.label: v.g56 for v in variants if v.g56 is not None}
    if not reached:
        raise DataError("No file reaches 56 % of the originals' colorfulness: there is nothing to compare.")
    best = max(reached.values())
    # Of those that are as good, the one that gave up least: float rather than what was made of it.
    as_good = [v for v in variants if reached.get(v.label, best - 1) > best - SAME_COLOR]
    return max(as_good, key=lambda v: v.file.bytes)


def _compared(variant: Variant, reference: Variant) -> Variant:
    ours, theirs = variant.evaluation, reference.evaluation
    if ours is None or theirs is None:
        return variant
    against = paired(ours.scores, theirs.scores)["g56"]
    one, other = (gains_at(SHARES["g56"], e.scores) for e in (ours, theirs))
    if one is None or other is None or variant is reference:
        return replace(variant, against=against)
    losses = one - other
    worst = (ours.scores[int(losses.argmin())].name, float(losses.min()))
    return replace(variant, against=against, worst=worst)


def _rank(variant: Variant) -> tuple[float, int, str]:
    gain = variant.g56
    return (float("inf") if gain is None else -gain, variant.file.bytes, variant.file.sha256)


def _letter(index: int) -> str:
    more, at = divmod(index, len(ascii_uppercase))
    return ascii_uppercase[at] + (str(more) if more else "")


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
        f"{_threads(taken)}), {rank} within {limit} of {_reference_label(taken, reference)}; "
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


def _reference_label(taken: Timing, reference: Variant) -> str:
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
