"""How good are the colors of a model, and how fast is it on this machine?

python examples/measure_a_model.py s photos/
"""

import sys
from pathlib import Path

from edgecolor import bench, evaluate


def main(model: str, photos: Path) -> None:
    """Evaluate a model on photographs whose color is known, then time it."""
    plane = evaluate(model, photos).evaluation.plane
    print(f"{plane.gain:+.2f} dB over gray, with {plane.share:.0%} of the originals' colorfulness")

    record = bench([model], threads=[1], width=640, height=480)
    times = record.models[0].runs[0]
    print(f"inference {times.invoke.p50:.1f} ms, a whole frame {times.frame.total.p50:.1f} ms (medians)")
    print(f"these times are {record.verdict.result.value}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
