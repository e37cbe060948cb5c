"""How do I make a trained network faster?

    python examples/narrow_a_network.py models/s/s.keras prepared/ calibration/ run/

`prepared/` is a folder that `edgecolor dataset` wrote. Running the program again resumes the search.
"""

import argparse
from pathlib import Path

from edgecolor import TuneOptions, tune


def main(network: Path, data: Path, calibration: Path, run: Path, options: TuneOptions) -> None:
    """Search for a narrower network with half the multiply-adds, and train it further."""
    result = tune(network, data, run, options, calibration=calibration)
    before, after = result.wide, result.finished
    print(f"{result.path}: {after.macs:.0f} M multiply-adds instead of {before.macs:.0f} M")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("data", type=Path, help="A folder that `edgecolor dataset` wrote.")
    parser.add_argument("calibration", type=Path, help="Folder of at least 20 photographs.")
    parser.add_argument("run", type=Path, help="Folder of the search.")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--size", type=int, default=96, help="Pixels per side in a trial.")
    words = parser.parse_args()
    chosen = TuneOptions(trials=words.trials, size=words.size)
    main(words.network, words.data, words.calibration, words.run, chosen)
