"""Measures a model folder and brings its card up to date.

    python scripts/measure_model.py models/s --data PHOTOGRAPHS --classifier MOBILENET --sheet 'kodak24_*'
    python scripts/measure_model.py models/s

The first measures, then writes the card; the second writes the card alone.

The first writes measurements.json, and sheet.jpg of the photographs whose names match. Both put the table of
measurements.json between the two markers in README.md.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from edgecolor.evaluation.color_plane import plain_point
from edgecolor.evaluation.evaluator import draw_sheet, evaluate_predictor
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.recognition import Classifier
from edgecolor.evaluation.scores import ColoredPhotograph, Evaluation, Point
from edgecolor_runtime.errors import DataError, EdgecolorError

MEASUREMENTS, SHEET, CARD = "measurements.json", "sheet.jpg", "README.md"
START, END = "<!-- measurements: written by scripts/measure_model.py -->", "<!-- end of measurements -->"


def measure(folder: Path, data: Path, sheet: str | None, classifier: Path | None = None) -> None:
    """Evaluates the folder's .tflite against its .keras; writes measurements.json and the sheet if asked."""
    exported, reference = _only(folder, "*.tflite"), _only(folder, "*.keras")
    shown: list[ColoredPhotograph] = []

    def keep(picture: ColoredPhotograph) -> None:
        if sheet and fnmatch.fnmatch(picture.photograph.name, sheet):
            shown.append(picture)

    result = evaluate_predictor(
        open_predictor(str(exported)),
        data,
        reference=open_predictor(str(reference)),
        classifier=Classifier.open(classifier) if classifier else None,
        progress=lambda done, total: print(f"{done} of {total} photographs", file=sys.stderr),
        show=keep,
    )
    if sheet and not shown:
        raise DataError(f"{data}: no photograph is called {sheet}.")
    if shown:
        draw_sheet(shown).save(folder / SHEET, quality=88)
    facts = _facts(result, exported, reference)
    (folder / MEASUREMENTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def write_card(folder: Path) -> None:
    """Puts the table of measurements.json between the card's markers."""
    card, measurements = folder / CARD, folder / MEASUREMENTS
    for path in (card, measurements):
        if not path.is_file():
            raise DataError(f"{path}: no such file.")
    text = card.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise DataError(f"{card}: needs the lines {START} and {END}, once each and in this order.")
    before, rest = text.split(START)
    table = "\n".join(_table(json.loads(measurements.read_text(encoding="utf-8"))))
    card.write_text(f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _facts(result: Evaluation, exported: Path, reference: Path) -> dict[str, Any]:
    facts = result.to_json()
    del facts["scores"]  # a card needs the means; `edgecolor evaluate -o` keeps every photograph's
    facts["model"], facts["fidelity"]["reference"] = exported.name, reference.name
    facts["files"] = {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in (exported, reference)
    }
    return facts


def _table(facts: dict[str, Any]) -> list[str]:
    plane, fidelity, data = facts["plane"], facts["fidelity"], facts["data"]
    exported = facts["files"][facts["model"]]
    rows = [
        ("G56: gain over gray where colorfulness is 56 % of the originals'", _decibels(plane["g56"])),
        ("G83: the same at 83 %", _decibels(plane["g83"])),
        ("best gain at any saturation", _decibels(plane["best"])),
        ("gain as shipped", f"{_decibels(plane['gain'])} at {plane['share']:.0%}"),
        *_plain_rows(facts),
        ("PSNR as shipped; gray", f"{plane['psnr']:.2f} dB; {plane['gray_psnr']:.2f} dB"),
        ("CIEDE2000 as shipped; gray", f"{plane['ciede2000']:.2f}; {plane['gray_ciede2000']:.2f}"),
        ("CIEDE2000, 95 % of a photograph's pixels under", f"{plane['ciede2000_p95']:.2f}"),
        ("gain as shipped over one tint for all", _decibels(plane["gain_over_tint"])),
        ("SSIM as shipped; gray", f"{plane['ssim']:.3f}; {plane['gray_ssim']:.3f}"),
        ("hue, where there is chroma", f"{plane['hue_error']:.0f}° off; 90° is chance"),
        ("colorfulness error per photograph, of gray's", f"{plane['colorfulness_error']:.1%}"),
        ("colorfulness, mean difference", f"{plane['colorfulness_difference']:+.1%}"),
        *_recognition_rows(facts["recognition"]),
        ("luma drift", f"{plane['luma_drift']:.2f} of 255"),
        ("int8 against float: ab at 56 x 56", f"{fidelity['ab_difference']:.2f} Lab units"),
        ("int8 against float: mean chroma", f"{fidelity['chroma_ratio']:.3f}"),
        ("int8 against float: G56, paired", _paired(fidelity["paired"]["g56"])),
        ("int8 against float: G83, paired", _paired(fidelity["paired"]["g83"])),
        ("file", f"{exported['bytes'] / 1000:.0f} kB"),
    ]
    return [
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        f"{data['photographs']} photographs, none trained on; sha256 of the set: {data['sha256'][:16]}….",
        f"`{facts['model']}`: sha256 {exported['sha256'][:16]}…, default saturation {facts['saturation']:g}.",
        "",
        "The color plane, saturation by saturation:",
        "",
        "| saturation | colorfulness, of the originals' | gain over gray |",
        "|---|---|---|",
        *(
            f"| {p['saturation']:.1f} | {p['share']:.1%} | {_decibels(p['gain'])} |"
            for p in plane["curve"]
            if round(10 * p["saturation"]) % 2 == 0
        ),
    ]


def _plain_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    plain = plain_point([Point(**p) for p in facts["plane"]["curve"]], facts["saturation"])
    return [("gain at a saturation of 1", f"{_decibels(plain.gain)} at {plain.share:.0%}")] if plain else []


def _recognition_rows(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if not found:
        return [("recolor, then classify", "not measured")]
    rows = []
    for name, figure in (("first choice", found["top1"]), ("probability", found["probability"])):
        text = "no gap"
        if figure:
            shares = (
                f"{title} {100 * figure[key]['mean']:.0f} ± {100 * figure[key]['error']:.0f} %"
                for title, key in (("ours", "ours"), ("one tint", "tint"), ("true ab", "true_ab"))
            )
            text = ", ".join(shares)
        rows.append((f"of the gap between gray and original a classifier recovers, by its {name}", text))
    return rows


def _decibels(value: float | None) -> str:
    return "not reached" if value is None else f"{value:+.2f} dB"


def _paired(found: dict[str, float] | None) -> str:
    return "not reached" if found is None else f"{found['mean']:+.3f} dB ± {found['error']:.3f}"


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise DataError(f"{folder}: needs one {pattern}; found {names}.")
    return found[0]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="models/<name>: one .keras, one .tflite, README.md")
    parser.add_argument("--data", type=Path, help="a folder of color photographs that were not trained on")
    parser.add_argument("--classifier", type=Path, help="an ImageNet classifier's .tflite")
    parser.add_argument("--sheet", help="names of the photographs that sheet.jpg shows, such as 'kodak24_*'")
    chosen = parser.parse_args()
    try:
        if chosen.data:
            measure(chosen.folder, chosen.data, chosen.sheet, chosen.classifier)
        write_card(chosen.folder)
    except EdgecolorError as error:
        print(f"measure.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
