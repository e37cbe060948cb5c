"""How do I bring a trained network to a device as one file?

python examples/export_and_check.py models/s/s.keras calibration/ mine.tflite
"""

import argparse
from pathlib import Path

from edgecolor import check, export
from edgecolor_runtime import Precision


def main(network: Path, calibration: Path, output: Path, precision: Precision) -> None:
    """Export a network, then compare the file with the network that it came from."""
    report = export(network, output, precision=precision, calibration=calibration)
    print(f"{report.path}: {report.bytes} bytes, {report.macs} multiply-adds")
    result = check(output, reference=network, calibration=calibration)
    print("\n".join(result.failures) or "The file reproduces the network.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("calibration", type=Path, help="Folder of at least 20 photographs.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--precision", default=Precision.INT8, type=Precision, choices=list(Precision))
    options = parser.parse_args()
    main(options.network, options.calibration, options.output, options.precision)
