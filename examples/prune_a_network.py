"""How do I make a trained network a smaller download?

    python examples/prune_a_network.py models/s/s.keras prepared/ run/

`prepared/` is a folder that `edgecolor dataset` wrote. Zeros compress well, but they do not make inference
faster.
"""

import argparse
from pathlib import Path

from edgecolor import PruneOptions, prune


def main(network: Path, data: Path, run: Path, options: PruneOptions) -> None:
    """Prune a network while it learns from its former self."""
    result = prune(network, data, run, options)
    print(f"{result.path}: {result.sparsity:.0%} zeros")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("data", type=Path, help="A folder that `edgecolor dataset` wrote.")
    parser.add_argument("run", type=Path, help="Folder of the run.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=128, help="Pixels per side of the training cuts.")
    words = parser.parse_args()
    chosen = PruneOptions(epochs=words.epochs, full_size_epochs=0, size=words.size)
    main(words.network, words.data, words.run, chosen)
