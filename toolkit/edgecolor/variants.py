"""The files of a report, each with its accuracy and how far it is from a reference.

Accuracy is the gain over gray at 56 % of the originals' colourfulness (`plane`): a pale file gains nothing by
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from edgecolor.identity import FileIdentity
from edgecolor.plane import SHARES, Difference, Plane, gains_at, paired, plane
from edgecolor.records import EvaluationRecord
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.shipped import SHIPPED
from edgecolor_runtime.timing import quantile

SAME_COLOUR = 0.01  # dB: a smaller difference tells nobody anything
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
        evaluation: None where nobody evaluated it; then the figures are None, too.
        against: dB at 56 % of colour, minus the reference's, photograph by photograph.
        gains: dB over gray of each photograph, at 56 % of colour.
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
        """Gain over gray at 56 % of colour, dB; None where that is not reached or not known."""
        return self.plane.g56 if self.plane else None


def distribution(samples: Sequence[float]) -> Distribution:
    """Of at least one sample."""
    ordered = sorted(samples)
    return Distribution(tuple(ordered), *(quantile(ordered, q / 100) for q in (10, 25, 50, 75, 90, 99)))


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
        DataError: none reaches 56 % of colour.
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
        yield "nobody evaluated its colours"
    elif variant.g56 is None:
        yield "too pale: it does not reach 56 % of the originals' colourfulness"


def _reference(variants: Sequence[Variant], named: str | None) -> Variant:
    if named is not None:
        found = [v for v in variants if named in (v.label, v.file.file) and v.evaluation]
        if len(found) != 1:
            known = ", ".join(v.label for v in variants if v.evaluation)
            raise UsageError(f"--reference {named}: not the name of one evaluated file; there are {known}.")
        return found[0]
    reached = {v.label: v.g56 for v in variants if v.g56 is not None}
    if not reached:
        raise DataError("No file reaches 56 % of the originals' colourfulness: there is nothing to compare.")
    best = max(reached.values())
    # Of those that are as good, the one that gave up least: float rather than what was made of it.
    as_good = [v for v in variants if reached.get(v.label, best - 1) > best - SAME_COLOUR]
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
