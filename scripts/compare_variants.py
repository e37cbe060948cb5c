"""Slim and prune a released model, and compare the variants in one table.

    python scripts/compare_variants.py models/m PREPARED PHOTOGRAPHS -o runs/variants --write models/v.md

`edgecolor tune` searches for half the multiply-adds, and `edgecolor prune` removes 70 % of the prunable
weights. Both resume a run that was interrupted. All variants are then exported to int8 and compared on
photographs that no model was trained on. `edgecolor dataset` makes PREPARED.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecolor.cli.common.messages import print_line
from edgecolor.compression.pruning import PruneOptions, prune
from edgecolor.compression.width_search import TuneOptions, tune
from edgecolor.evaluation.color_plane import pair_gains
from edgecolor.evaluation.evaluator import evaluate_predictor
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.scores import Difference, Evaluation
from edgecolor.exporting.pipeline import export
from edgecolor.support.timing import Spread, ratios
from edgecolor.tflite.graph import read_graph
from edgecolor.tflite.latency import invoke_times
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.models.model_file import read

CALIBRATION = Path(__file__).parents[1] / "calibration"
COLUMNS = (
    *(
        "int8",
        "multiply-adds",
        "file",
        "compressed",
        "time of the released",
        "G56",
        "G56 against the released",
    ),
    *("against its float: ab", "chroma", "G56", "minutes"),
)


@dataclass(frozen=True)
class Variant:
    """The measurements of a variant's int8 file.

    Attributes:
        minutes: duration of making the variant.
        macs: multiply-adds.
        bytes: size of the flatbuffer.
        compressed: size of the flatbuffer compressed by zlib, bytes.
        time: of one inference, in units of that of the released model.
        cost: G56 minus that of the released model, dB, photograph by photograph.
    """

    name: str
    minutes: float
    macs: int
    bytes: int
    compressed: int
    time: Spread
    evaluation: Evaluation
    cost: Difference


def make_variants(
    model: Path, prepared: Path, photographs: Path, out: Path, *, tuning: TuneOptions, pruning: PruneOptions
) -> list[Variant]:
    """Make and measure the variants; the first one is the released model itself.

    Args:
        model: released .keras.
        prepared: prepared dataset.
        photographs: color photographs that no model was trained on.
        out: folder of the runs.
        tuning: options of the search.
        pruning: options of the pruning.
    """
    out.mkdir(parents=True, exist_ok=True)
    tuned = tune(model, prepared, out / "narrow", tuning, calibration=CALIBRATION, on_progress=print_line)
    pruned = prune(model, prepared, out / "sparse", pruning, on_progress=print_line)
    made = {
        "released": (model, 0.0),
        "narrow": (Path(tuned.path), tuned.minutes),
        "sparse": (pruned.path, 60 * pruned.hours),
    }
    flatbuffers, evaluations = {}, {}
    for name, (network, _) in made.items():
        exported = out / f"{name}_int8.tflite"
        export(network, exported, calibration=CALIBRATION, name=name, force=True, on_progress=print_line)
        flatbuffers[name] = read(exported).flatbuffer
        reference = open_predictor(str(network))
        evaluations[name] = evaluate_predictor(
            open_predictor(str(exported)), photographs, reference=reference
        )
        print_line(f"{name}: measured")
    times = invoke_times(flatbuffers)
    rows = []
    for name, flatbuffer in flatbuffers.items():
        cost = pair_gains(evaluations[name].scores, evaluations["released"].scores).g56
        if cost is None:
            raise EdgecolorError(f"{name}: it gives too little color for a comparison.")
        rows.append(
            Variant(
                name=name,
                minutes=made[name][1],
                macs=read_graph(flatbuffer).macs,
                bytes=len(flatbuffer),
                compressed=len(zlib.compress(flatbuffer, 9)),
                time=ratios(times[name], times["released"]),
                evaluation=evaluations[name],
                cost=cost,
            )
        )
    return rows


def table(rows: list[Variant]) -> str:
    """Return the variants as a Markdown table."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(_cells(row, rows[0]))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cells(row: Variant, first: Variant) -> list[str]:
    fidelity, g56 = row.evaluation.fidelity, row.evaluation.plane.g56
    if fidelity is None or g56 is None:
        raise EdgecolorError(f"{row.name}: it gives too little color for a comparison.")
    drift = fidelity.paired.g56
    return [
        row.name,
        f"{row.macs / 1e6:.0f} M ({row.macs / first.macs:.0%})",
        f"{row.bytes / 1000:.0f} kB",
        f"{row.compressed / 1000:.0f} kB ({row.compressed / first.compressed:.0%})",
        f"{row.time.median:.2f} ({row.time.p10:.2f} to {row.time.p90:.2f})",
        f"{g56:+.2f} dB",
        f"{row.cost.mean:+.3f} ± {row.cost.error:.3f} dB",
        f"{fidelity.ab_difference:.2f} Lab units",
        f"{fidelity.chroma_ratio:.3f}",
        f"{drift.mean:+.3f} dB" if drift else "not reached",
        f"{row.minutes:.0f}",
    ]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="models/<name>")
    parser.add_argument("prepared", type=Path, help="prepared dataset with a val split")
    parser.add_argument("photographs", type=Path, help="color photographs that no model was trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--minutes", type=float, help="time limit of the search")
    parser.add_argument("--finish-epochs", type=int, default=TuneOptions.finish_epochs)
    parser.add_argument("--prune-epochs", type=int, default=PruneOptions.epochs)
    arguments = parser.parse_args()
    try:
        rows = make_variants(
            arguments.folder / f"{arguments.folder.name}.keras",
            arguments.prepared,
            arguments.photographs,
            arguments.output,
            tuning=TuneOptions(
                trials=arguments.trials, minutes=arguments.minutes, finish_epochs=arguments.finish_epochs
            ),
            pruning=PruneOptions(epochs=arguments.prune_epochs),
        )
    except EdgecolorError as error:
        print(f"compare_variants.py: {error}", file=sys.stderr)
        return error.exit_code
    text = table(rows)
    plain = [asdict(r) | {"evaluation": r.evaluation.to_json()} for r in rows]
    (arguments.output / "variants.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
