"""The files of a report, each with its accuracy and its distance from a reference.

Accuracy is the PSNR gain over gray at 56 % of the originals' colorfulness (`color_plane`). A pale file gains
nothing by its paleness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase

from edgecolor.evaluation.color_plane import SHARES, gains_at, pair_gains
from edgecolor.records.types import EvaluationRecord, FileIdentity
from edgecolor.report.contents import ComparedFile, WorstPhotograph
from edgecolor.support.statistics import distribution
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.models.shipped import SHIPPED

EQUAL_GAIN_DECIBELS = 0.01  # files whose gains differ by less are equally accurate
MAX_LABEL_CHARACTERS = 48


def verify_comparable(records: Sequence[EvaluationRecord]) -> None:
    """Verify that evaluations can be compared.

    Raises:
        DataError: the photographs or the protocols differ.
    """
    first = records[0]
    for other in records[1:]:
        evaluation, other_evaluation = first.evaluation, other.evaluation
        if other_evaluation.data != evaluation.data:
            raise DataError(
                f"{other.source}: evaluated on other photographs ({other_evaluation.data.photographs}) than "
                f"{first.source} ({evaluation.data.photographs}). Evaluate all files on one folder."
            )
        if other_evaluation.protocol != evaluation.protocol:
            raise DataError(
                f"{other.source}: another protocol than {first.source}. Evaluate both files again."
            )
        if [(s.name, s.truth) for s in other_evaluation.scores] != [
            (s.name, s.truth) for s in evaluation.scores
        ]:
            raise DataError(
                f"{other.source}: its scores are of other photographs than those of {first.source}, although "
                "the hashes agree. Evaluate both files again."
            )


def compare_files(
    records: Mapping[str, EvaluationRecord],
    timed: Mapping[str, FileIdentity],
    *,
    reference: str | None,
    labels: Mapping[str, str],
) -> tuple[list[ComparedFile], ComparedFile]:
    """Return every file that was evaluated or timed, and the reference among them.

    Args:
        records: evaluations by SHA-256 of the file.
        timed: files that were timed, by SHA-256.
        reference: label or file name of the reference; None: the most accurate file.
        labels: labels to use instead of file names, by SHA-256.

    Returns:
        The files by accuracy, best first, files without one at the end; and the reference.

    Raises:
        UsageError: no evaluated file has the name of the reference.
        DataError: no file reaches 56 % of the color.
    """
    identities = {**timed, **{sha256: record.file for sha256, record in records.items()}}
    names = _distinct({sha256: labels.get(sha256, file.file) for sha256, file in identities.items()})
    files = [
        _single_file(names[sha256], identity, records.get(sha256), timed=sha256 in timed)
        for sha256, identity in identities.items()
    ]
    base = _reference(files, reference)
    ranked = sorted((_compared(file, base) for file in files), key=_rank)
    lettered = [replace(file, letter=_letter(i)) for i, file in enumerate(ranked)]
    return lettered, next(file for file in lettered if file.identity.sha256 == base.identity.sha256)


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """Return names by hash: cut to a length, and with the beginning of the hash where two are equal."""
    most = MAX_LABEL_CHARACTERS
    short = {key: name if len(name) <= most else f"{name[:most]}…" for key, name in names.items()}
    shown = list(short.values())
    return {key: f"{name} ({key[:8]})" if shown.count(name) > 1 else name for key, name in short.items()}


def _single_file(
    label: str, identity: FileIdentity, record: EvaluationRecord | None, *, timed: bool
) -> ComparedFile:
    gains = gains_at(SHARES["g56"], record.evaluation.scores) if record else None
    file = ComparedFile(
        letter="",
        label=label,
        identity=identity,
        record=record,
        against=None,
        gains=None if gains is None else distribution(gains.tolist()),
        worst=None,
        released=identity.sha256 in {model.sha256 for model in SHIPPED.values()},
        notes=(),
    )
    return replace(file, notes=tuple(_notes(file, timed)))


def _notes(file: ComparedFile, timed: bool) -> Iterator[str]:
    if file.identity.flatbuffer_sha256 is None:
        yield "a .keras: export it to run it on a device"
    elif not timed:
        yield "not timed"
    if file.record is None:
        yield "colors not evaluated"
    elif file.g56 is None:
        yield "too pale: it does not reach 56 % of the originals' colorfulness"


def _reference(files: Sequence[ComparedFile], name: str | None) -> ComparedFile:
    if name is not None:
        matching = [file for file in files if name in (file.label, file.identity.file) and file.record]
        if len(matching) != 1:
            known = ", ".join(file.label for file in files if file.record)
            raise UsageError(f"--reference {name}: not the name of one evaluated file. There are: {known}.")
        return matching[0]
    gains = {file.label: file.g56 for file in files if file.g56 is not None}
    if not gains:
        raise DataError("No file reaches 56 % of the originals' colorfulness. There is nothing to compare.")
    best = max(gains.values())
    # Of equally accurate files, the largest gave up least: a float network rather than its export.
    equal = [file for file in files if gains.get(file.label, best - 1) > best - EQUAL_GAIN_DECIBELS]
    return max(equal, key=lambda file: file.identity.bytes)


def _compared(file: ComparedFile, reference: ComparedFile) -> ComparedFile:
    if file.record is None or reference.record is None:
        return file
    scores, reference_scores = file.record.evaluation.scores, reference.record.evaluation.scores
    against = pair_gains(scores, reference_scores).g56
    gains, reference_gains = (gains_at(SHARES["g56"], s) for s in (scores, reference_scores))
    if gains is None or reference_gains is None or file is reference:
        return replace(file, against=against)
    losses = gains - reference_gains
    worst = WorstPhotograph(name=scores[int(losses.argmin())].name, decibels=float(losses.min()))
    return replace(file, against=against, worst=worst)


def _rank(file: ComparedFile) -> tuple[float, int, str]:
    gain = file.g56
    return (float("inf") if gain is None else -gain, file.identity.bytes, file.identity.sha256)


def _letter(index: int) -> str:
    more, at = divmod(index, len(ascii_uppercase))
    return ascii_uppercase[at] + (str(more) if more else "")
