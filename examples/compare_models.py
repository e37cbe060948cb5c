"""Which of these models should I use on this machine?

python examples/compare_models.py photos/ report.html s m mine.tflite
"""

import sys
from pathlib import Path

from edgecolor import compare


def main(photos: Path, output: Path, models: list[str]) -> None:
    """Evaluate and time models, and write one HTML page that compares them."""
    report = compare(models, photos, output, threads=[1])
    print(f"best colors: {report.reference.label}")
    print(f"{len(report.files)} files compared in {output}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
