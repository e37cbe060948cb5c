"""What records say together: which file to take, what each costs and loses, and what to beware of.

Accuracy is the gain over gray at 56 % of the originals' colourfulness (`plane`): a paler file gains nothing by
it. Latency is the median of a whole frame, from JPEG to JPEG, with the number of threads that suits the file
best. Figures of different devices, frame sizes or libraries never stand in one list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import PurePosixPath
from string import ascii_uppercase
from typing import Any

from edgecolor.identity import FileIdentity
from edgecolor.plane import SHARES, Difference, Plane, gains_at, paired, plane
from edgecolor.records import BenchRecord, EvaluationRecord
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.shipped import SHIPPED
from edgecolor_runtime.timing import quantile

WITHIN = 0.1  # dB that a choice may lose against the reference, unless told otherwise
SAME_SPEED = 0.05  # of a frame's time: less tells nobody anything
SAME_COLOUR = 0.01  # dB, likewise
BUSY = 0.5  # programs that wanted to run, in the mean of the minute before a bench
LONGEST_LABEL = 48  # characters


@dataclass(frozen=True)
class Distribution:
    """Samples in ascending order, and some of their quantiles."""

    samples: tuple[float, ...]
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Variant:
    """One file.

    Attributes:
        letter: that stands for it in drawings.
        label: its file's name, made different where two have the same.
        evaluation: None where nobody evaluated it.
        against: dB at 56 % of colour, minus the reference's, photograph by photograph.
        gains: dB over gray of each photograph, at 56 % of colour.
        worst: the photograph that loses most against the reference, and how many dB.
        released: its hash is pinned in this edgecolor.
        notes: what a reader should know of it.
    """

    letter: str
    label: str
    file: FileIdentity
    evaluation: EvaluationRecord | None
    plane: Plane | None
    against: Difference | None = None
    gains: Distribution | None = None
    worst: tuple[str, float] | None = None
    released: bool = False
    notes: tuple[str, ...] = ()

    @property
    def g56(self) -> float | None:
        """DB over gray at 56 % of the originals' colourfulness; None where that is not reached or known."""
        return self.plane and self.plane.g56


@dataclass(frozen=True)
class Timing:
    """One file on one device, milliseconds, with the number of threads that suits it best."""

    variant: Variant
    threads: int
    tried: tuple[int, ...]
    interpreter: str
    frame: Distribution
    invoke: Distribution
    stages: dict[str, float]  # medians
    peak_memory_bytes: int | None

    @property
    def ms(self) -> float:
        """The median of a whole frame."""
        return self.frame.p50


@dataclass(frozen=True)
class Choice:
    """What to take on one device.

    Attributes:
        timing: the file; None where none can be chosen.
        words: one to three sentences that say so.
    """

    timing: Timing | None
    words: tuple[str, ...]


@dataclass(frozen=True)
class Device:
    """One machine with one frame size, delegate and set of libraries."""

    title: str
    machine: dict[str, Any]
    libraries: dict[str, Any]
    settings: dict[str, Any]
    benches: tuple[BenchRecord, ...]
    timings: tuple[Timing, ...]  # fastest first
    missing: tuple[Variant, ...]  # evaluated, but not measured here
    pareto: tuple[Timing, ...]  # those that no other one beats in both, fastest first
    choice: Choice
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All of it; `variants` by accuracy, best first, those without at the end."""

    variants: tuple[Variant, ...]
    reference: Variant
    within: float
    devices: tuple[Device, ...]
    warnings: tuple[str, ...]


def report(
    evaluations: Sequence[EvaluationRecord],
    benches: Sequence[BenchRecord],
    *,
    within: float = WITHIN,
    reference: str | None = None,
    labels: dict[str, str] | None = None,
) -> Report:
    """Compares files.

    Args:
        evaluations: of one set of photographs by one protocol.
        benches: of any machines.
        within: dB that a choice may lose against the reference.
        reference: label of the file that the others are compared with; None: the most accurate.
        labels: SHA-256 of a file -> what to call it, for a start.

    Raises:
        UsageError: records of one kind are missing, or no file is called as the reference.
        DataError: evaluations that cannot be compared.
    """
    if not evaluations:
        raise UsageError("No record of an evaluation: make one with `edgecolor evaluate MODEL PHOTOGRAPHS -o`.")
    if not benches:
        raise UsageError("No record of speed: make one with `edgecolor bench MODEL -o`.")
    _refuse_unlike(evaluations)
    warnings: list[str] = []
    newest = _newest(((e.file.sha256, e) for e in evaluations), lambda e: e, warnings)
    variants = _variants(newest, benches, labels or {})
    base = _reference(variants, reference)
    ranked = sorted((_compared(v, base) for v in variants), key=_rank)
    variants = [replace(v, letter=_letter(i)) for i, v in enumerate(ranked)]
    devices = _devices(variants, benches, within, base)
    base = next(v for v in variants if v.file.sha256 == base.file.sha256)
    warnings += _same_name_other_file(variants)
    return Report(tuple(variants), base, within, devices, tuple(warnings))


def _refuse_unlike(evaluations: Sequence[EvaluationRecord]) -> None:
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


def _newest(
    found: Iterable[tuple[Any, Any]], record: Callable[[Any], Any], warnings: list[str]
) -> dict[Any, Any]:
    """By key the one of the newest record; says which others were left out."""
    kept: dict[Any, Any] = {}
    for key, one in found:
        if key in kept:
            old, new = sorted((kept[key], one), key=lambda o: record(o).started)
            warnings.append(
                f"{record(old).path.name} is left out: {record(new).path.name} is newer and about the same file."
            )
            one = new
        kept[key] = one
    return kept


def _variants(
    evaluations: dict[str, EvaluationRecord], benches: Sequence[BenchRecord], labels: dict[str, str]
) -> list[Variant]:
    files = {m.sha256: m for bench in benches for m, _ in bench.models}
    measured = set(files)
    files |= {sha256: e.file for sha256, e in evaluations.items()}
    names = _distinct({sha256: labels.get(sha256, file.file) for sha256, file in files.items()})
    pinned = {model.sha256 for model in SHIPPED.values()}
    found = []
    for sha256, file in files.items():
        evaluation = evaluations.get(sha256)
        gains = evaluation and gains_at(SHARES["g56"], evaluation.scores)
        variant = Variant(
            letter="",
            label=names[sha256],
            file=file,
            evaluation=evaluation,
            plane=evaluation and plane(evaluation.scores),
            gains=None if gains is None else distribution(gains.tolist()),
            released=sha256 in pinned,
        )
        found.append(replace(variant, notes=tuple(_notes(variant, sha256 in measured))))
    return found


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """By hash: names of files, cut to a length, and with the hash's beginning where two are equal."""
    short = {key: n if len(n) <= LONGEST_LABEL else f"{n[:LONGEST_LABEL]}…" for key, n in names.items()}
    several = [n for n in short.values() if list(short.values()).count(n) > 1]
    return {key: f"{n} ({key[:8]})" if n in several else n for key, n in short.items()}


def distribution(samples: Sequence[float]) -> Distribution:
    """Of at least one sample."""
    ordered = sorted(samples)
    return Distribution(tuple(ordered), *(quantile(ordered, q / 100) for q in (10, 25, 50, 75, 90, 99)))


def _reference(variants: Sequence[Variant], named: str | None) -> Variant:
    if named is not None:
        found = [v for v in variants if named in (v.label, v.file.file) and v.evaluation]
        if len(found) != 1:
            known = ", ".join(v.label for v in variants if v.evaluation)
            raise UsageError(f"--reference {named}: not the name of one evaluated file; there are {known}.")
        return found[0]
    reached = [v for v in variants if v.g56 is not None]
    if not reached:
        raise DataError("No file reaches 56 % of the originals' colourfulness: there is nothing to compare.")
    best = max(v.g56 or 0.0 for v in reached)
    # Of those that are as good, the one that gave up least: float rather than what was made of it.
    return max((v for v in reached if (v.g56 or 0.0) > best - SAME_COLOUR), key=lambda v: v.file.bytes)


def _compared(variant: Variant, reference: Variant) -> Variant:
    ours, theirs = variant.evaluation, reference.evaluation
    if ours is None or theirs is None:
        return variant
    against = paired(ours.scores, theirs.scores)["g56"]
    one, other = (gains_at(SHARES["g56"], e.scores) for e in (ours, theirs))
    if one is None or other is None or variant is reference:
        return replace(variant, against=against)
    losses = one - other
    return replace(
        variant, against=against, worst=(ours.scores[losses.argmin()].name, float(losses.min()))
    )


def _rank(variant: Variant) -> tuple[float, int, str]:
    return (-(variant.g56 if variant.g56 is not None else float("-inf")), variant.file.bytes, variant.label)


def _letter(index: int) -> str:
    more, at = divmod(index, len(ascii_uppercase))
    return ascii_uppercase[at] + (str(more) if more else "")


def _devices(
    variants: Sequence[Variant], benches: Sequence[BenchRecord], within: float, reference: Variant
) -> tuple[Device, ...]:
    def like(bench: BenchRecord) -> str:
        kept = {key: bench.settings[key] for key in ("delegate", "width", "height", "capture")}
        return json.dumps([bench.machine, bench.libraries, kept], sort_keys=True)

    groups = [tuple(group) for _, group in groupby(sorted(benches, key=like), key=like)]
    titles = _titles([group[0] for group in groups])
    return tuple(_device(t, g, variants, within, reference) for t, g in zip(titles, groups, strict=True))


def _titles(benches: Sequence[BenchRecord]) -> list[str]:
    names = []
    for bench in benches:
        about = bench.machine
        name = about["board"] or about["cpu"] or about["architecture"] or "a machine without a name"
        delegate = bench.settings["delegate"]
        names.append(f"{name} with {PurePosixPath(delegate).name}" if delegate else name)
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _device(
    title: str, benches: Sequence[BenchRecord], variants: Sequence[Variant], within: float, reference: Variant
) -> Device:
    warnings: list[str] = []
    models = ((file.sha256, (bench, model)) for bench in benches for file, model in bench.models)
    newest = _newest(models, lambda pair: pair[0], warnings)
    used = [bench for bench in benches if any(bench is b for b, _ in newest.values())]
    timings = tuple(
        sorted(
            (_timing(v, newest[v.file.sha256][1]) for v in variants if v.file.sha256 in newest),
            key=lambda t: t.ms,
        )
    )
    pareto = pareto_of(timings)
    void = sorted({because for bench in used for because in bench.verdict["because"]})
    held_back = void or any(bench.verdict["result"] == "void" for bench in used)
    choice = (
        Choice(None, (f"No choice on {title}: the board was held back ({', '.join(void) or 'void'}).",))
        if held_back
        else choose(title, timings, within, reference)
    )
    return Device(
        title=title,
        machine=benches[0].machine,
        libraries=benches[0].libraries,
        settings=benches[0].settings,
        benches=tuple(used),
        timings=timings,
        missing=tuple(v for v in variants if v.file.sha256 not in newest),
        pareto=pareto,
        choice=choice,
        warnings=(*warnings, *_beware(used, void)),
    )


def _beware(benches: Sequence[BenchRecord], void: Sequence[str]) -> Iterator[str]:
    if void:
        yield f"Held back while it was measured: {', '.join(void)}. Its figures are void: cool it, feed it, repeat."
    elif any(bench.verdict["result"] == "unknown" for bench in benches):
        yield "This machine does not say whether it was throttled."
    loads = [bench.before["load"] for bench in benches if (bench.before["load"] or 0) > BUSY]
    if loads:
        yield (
            f"Other programs were running (load up to {max(loads):.1f}): its figures are worse and spread more "
            "than they need to."
        )


def _timing(variant: Variant, model: dict[str, Any]) -> Timing:
    runs = {run["threads"]: run for run in model["runs"]}
    frames = {threads: distribution(run["frame"]["total"]["samples_ms"]) for threads, run in runs.items()}
    threads = min(frames, key=lambda n: frames[n].p50)
    run = runs[threads]
    stages = {name: distribution(s["samples_ms"]).p50 for name, s in run["frame"]["stages"].items()}
    return Timing(
        variant=variant,
        threads=threads,
        tried=tuple(sorted(runs)),
        interpreter=model["interpreter"],
        frame=frames[threads],
        invoke=distribution(run["invoke"]["samples_ms"]),
        stages=stages,
        peak_memory_bytes=run["peak_memory_bytes"],
    )


def pareto_of(timings: Sequence[Timing]) -> tuple[Timing, ...]:
    """Those with a known accuracy that no other one beats in speed and accuracy, fastest first."""
    front: list[Timing] = []
    for timing in sorted(timings, key=lambda t: (t.ms, -(t.variant.g56 or 0.0))):
        gain = timing.variant.g56
        if gain is not None and all(gain > (t.variant.g56 or 0.0) for t in front):
            front.append(timing)
    return tuple(front)


def choose(title: str, timings: Sequence[Timing], within: float, reference: Variant) -> Choice:
    """The fastest file that loses at most `within` dB; of several as fast, the smallest.

    Args:
        title: the device's.
        timings: of it.
        within: dB.
        reference: against which.
    """
    able = [t for t in timings if t.variant.against and t.variant.against.mean >= -within]
    if not able:
        return Choice(
            None, (f"No choice on {title}: no file measured there is within {within:g} dB of {reference.label}.",)
        )
    fastest = min(t.ms for t in able)
    taken = min((t for t in able if t.ms <= fastest * (1 + SAME_SPEED)), key=lambda t: t.variant.file.bytes)
    others = f" of the {len(able)} files" if len(able) > 1 else ", the only file"
    words = [
        f"On {title}, take {taken.variant.label}: {_frame(taken)}, the least{others} within {within:g} dB of "
        f"the reference{_loss(taken, reference)}. It has {taken.variant.file.bytes / 1e6:.2f} MB."
    ]
    quicker = [t for t in timings if t.variant.against and t.ms < taken.ms * (1 - SAME_SPEED)]
    if quicker:
        best = max(quicker, key=lambda t: t.variant.g56 or 0.0)
        words.append(
            f"If speed matters more: {best.variant.label} takes {ms(best.ms)} ms and loses "
            f"{amount(best.variant.against)} dB."
        )
    return Choice(taken, tuple(words))


def _loss(timing: Timing, reference: Variant) -> str:
    if timing.variant.file.sha256 == reference.file.sha256:
        return ", which it is itself"
    against = timing.variant.against
    assert against is not None
    return f" {reference.label}: it {'gains' if against.mean > 0 else 'loses'} {amount(against)} dB"


def _frame(timing: Timing) -> str:
    threads = "1 thread" if timing.threads == 1 else f"{timing.threads} threads"
    return f"{ms(timing.ms)} ms a frame ({1000 / timing.ms:.3g} a second, {threads})"


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


def _notes(variant: Variant, measured: bool) -> Iterator[str]:
    if variant.file.flatbuffer_sha256 is None:
        yield "a .keras file: exported it runs on a device"
    elif not measured:
        yield "nobody measured its speed"
    if variant.evaluation is None:
        yield "nobody evaluated its colours"
    elif variant.g56 is None:
        yield "too pale: it does not reach 56 % of the originals' colourfulness"


def _same_name_other_file(variants: Sequence[Variant]) -> Iterator[str]:
    """An evaluation and a bench of one name, but of two files: somebody exported in between."""
    for v in variants:
        for w in variants:
            if v.file.file == w.file.file and v.evaluation and not w.evaluation:
                yield (
                    f"{v.file.file} was evaluated as {v.file.sha256[:8]} and timed as {w.file.sha256[:8]}: these "
                    "are two files of one name, and their figures do not belong together."
                )
