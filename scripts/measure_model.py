"""Measure a model and update its card.

    python scripts/measure_model.py models/s --data PHOTOGRAPHS --classifier MOBILENET --sheet 'kodak24_*'
    python scripts/measure_model.py models/s

The first command writes measurements.json, and sheet.jpg with the photographs whose names match. Both
commands write the table of measurements.json between the two markers in README.md.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from edgecolor.data.photographs import DataId
from edgecolor.evaluation.color_plane import plain_point
from edgecolor.evaluation.evaluator import draw_sheet, evaluate_predictor
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.recognition import Classifier
from edgecolor.evaluation.scores import (
    DECIMALS,
    ColoredPhotograph,
    Difference,
    Evaluation,
    Fidelity,
    Plane,
    Recognition,
)
from edgecolor.support.json_records import from_json, to_json
from edgecolor_runtime.errors import DataError, EdgecolorError

MEASUREMENTS, SHEET, CARD = "measurements.json", "sheet.jpg", "README.md"
START, END = "<!-- measurements: written by scripts/measure_model.py -->", "<!-- end of measurements -->"


@dataclass(frozen=True)
class MeasuredFile:
    """A file that was measured."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Measurements:
    """The contents of measurements.json: an evaluation without the single photographs, and the files."""

    model: str
    saturation: float
    data: DataId
    plane: Plane
    fidelity: Fidelity
    recognition: Recognition | None
    worst: tuple[str, ...]
    best: tuple[str, ...]
    protocol: str
    files: dict[str, MeasuredFile]


def measure(folder: Path, data: Path, sheet: str | None, classifier: Path | None = None) -> None:
    """Evaluate the folder's .tflite against its .keras, and write measurements.json.

    Args:
        folder: folder of the model.
        data: photographs.
        sheet: pattern of the names of photographs to draw to sheet.jpg; None: no sheet.
        classifier: the .tflite of an ImageNet classifier.
    """
    exported, reference = _only_file(folder, "*.tflite"), _only_file(folder, "*.keras")
    colored: list[ColoredPhotograph] = []

    def keep(photograph: ColoredPhotograph) -> None:
        if sheet and fnmatch.fnmatch(photograph.photograph.name, sheet):
            colored.append(photograph)

    evaluation = evaluate_predictor(
        open_predictor(str(exported)),
        data,
        reference=open_predictor(str(reference)),
        classifier=Classifier.open(classifier) if classifier else None,
        on_progress=lambda done, total: print(f"{done} of {total} photographs", file=sys.stderr),
        on_picture=keep,
    )
    if sheet and not colored:
        raise DataError(f"{data}: no photograph has a name that matches {sheet}. Name another pattern.")
    if colored:
        draw_sheet(colored).save(folder / SHEET, quality=88)
    measurements = to_json(_summarize(evaluation, exported, reference), decimals=DECIMALS)
    (folder / MEASUREMENTS).write_text(json.dumps(measurements, indent=1) + "\n", encoding="utf-8")


def write_card(folder: Path) -> None:
    """Write the table of measurements.json between the markers of the card."""
    card, measurements = folder / CARD, folder / MEASUREMENTS
    for path in (card, measurements):
        if not path.is_file():
            raise DataError(f"{path}: no such file.")
    text = card.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise DataError(f"{card}: needs the lines {START} and {END}, once each and in this order. Add them.")
    before, rest = text.split(START)
    table = "\n".join(_table(from_json(Measurements, json.loads(measurements.read_text("utf-8")))))
    card.write_text(f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _summarize(evaluation: Evaluation, exported: Path, reference: Path) -> Measurements:
    assert evaluation.fidelity is not None, "a reference was given"
    figures = {f.name: getattr(evaluation, f.name) for f in fields(Measurements) if f.name != "files"}
    figures["model"] = exported.name
    figures["fidelity"] = replace(evaluation.fidelity, reference=reference.name)
    files = {
        path.name: MeasuredFile(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (exported, reference)
    }
    return Measurements(**figures, files=files)


def _table(measurements: Measurements) -> list[str]:
    plane, fidelity, data = measurements.plane, measurements.fidelity, measurements.data
    exported = measurements.files[measurements.model]
    rows = [
        ("G56: gain over gray where colorfulness is 56 % of the originals'", _decibels(plane.g56)),
        ("G83: the same at 83 %", _decibels(plane.g83)),
        ("best gain at any saturation", _decibels(plane.best)),
        ("gain as shipped", f"{_decibels(plane.gain)} at {plane.share:.0%}"),
        *_plain_rows(measurements),
        ("PSNR as shipped; gray", f"{plane.psnr:.2f} dB; {plane.gray_psnr:.2f} dB"),
        ("CIEDE2000 as shipped; gray", f"{plane.ciede2000:.2f}; {plane.gray_ciede2000:.2f}"),
        ("CIEDE2000, 95 % of a photograph's pixels under", f"{plane.ciede2000_p95:.2f}"),
        ("gain as shipped over one tint for all", _decibels(plane.gain_over_tint)),
        ("SSIM as shipped; gray", f"{plane.ssim:.3f}; {plane.gray_ssim:.3f}"),
        ("hue, where there is chroma", _hue_error(plane.hue_error)),
        ("colorfulness error per photograph, of gray's", f"{plane.colorfulness_error:.1%}"),
        ("colorfulness, mean difference", f"{plane.colorfulness_difference:+.1%}"),
        *_recognition_rows(measurements.recognition),
        ("luma drift", f"{plane.luma_drift:.2f} of 255"),
        ("int8 against float: ab at 56 x 56", f"{fidelity.ab_difference:.2f} Lab units"),
        ("int8 against float: mean chroma", f"{fidelity.chroma_ratio:.3f}"),
        ("int8 against float: G56, paired", _paired(fidelity.paired.g56)),
        ("int8 against float: G83, paired", _paired(fidelity.paired.g83)),
        ("file", f"{exported.bytes / 1000:.0f} kB"),
    ]
    return [
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        f"{data.photographs} photographs, none trained on; sha256 of the set: {data.sha256[:16]}….",
        f"`{measurements.model}`: sha256 {exported.sha256[:16]}…, "
        f"default saturation {measurements.saturation:g}.",
        "",
        "The color plane, saturation by saturation:",
        "",
        "| saturation | colorfulness, of the originals' | gain over gray |",
        "|---|---|---|",
        *(
            f"| {p.saturation:.1f} | {p.share:.1%} | {_decibels(p.gain)} |"
            for p in plane.curve
            if round(10 * p.saturation) % 2 == 0
        ),
    ]


def _plain_rows(measurements: Measurements) -> Iterator[tuple[str, str]]:
    plain = plain_point(measurements.plane.curve, measurements.saturation)
    if plain:
        yield "gain at a saturation of 1", f"{_decibels(plain.gain)} at {plain.share:.0%}"


def _recognition_rows(recognition: Recognition | None) -> Iterator[tuple[str, str]]:
    if recognition is None:
        yield "recolor, then classify", "not measured"
        return
    for name, recovery in (("first choice", recognition.top1), ("probability", recognition.probability)):
        text = "no gap"
        if recovery:
            shares = (("ours", recovery.ours), ("one tint", recovery.tint), ("true ab", recovery.true_ab))
            text = ", ".join(f"{title} {100 * s.mean:.0f} ± {100 * s.error:.0f} %" for title, s in shares)
        yield f"of the gap between gray and original a classifier recovers, by its {name}", text


def _decibels(value: float | None) -> str:
    return "not reached" if value is None else f"{value:+.2f} dB"


def _hue_error(degrees: float | None) -> str:
    return "none to compare" if degrees is None else f"{degrees:.0f}° off; 90° is chance"


def _paired(difference: Difference | None) -> str:
    return "not reached" if difference is None else f"{difference.mean:+.3f} dB ± {difference.error:.3f}"


def _only_file(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        names = ", ".join(p.name for p in files) or "none"
        raise DataError(f"{folder}: needs one {pattern}; found {names}.")
    return files[0]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of the model: one .keras, one .tflite, README.md")
    parser.add_argument("--data", type=Path, help="color photographs that no model was trained on")
    parser.add_argument("--classifier", type=Path, help="ImageNet classifier (.tflite)")
    parser.add_argument("--sheet", help="pattern of the photographs in sheet.jpg, such as 'kodak24_*'")
    arguments = parser.parse_args()
    try:
        if arguments.data:
            measure(arguments.folder, arguments.data, arguments.sheet, arguments.classifier)
        write_card(arguments.folder)
    except EdgecolorError as error:
        print(f"measure_model.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
