"""How do I train a network on my own photographs?

    python examples/train_on_few_photographs.py photos/ models/s/s.keras run/ --epochs 4

The program continues from a trained network. Running it again resumes the run.
"""

import argparse
from pathlib import Path

from edgecolor import Recipe, prepare_dataset, train


def main(photos: Path, start: Path, run: Path, epochs: int, size: int) -> None:
    """Prepare the photographs once, then train."""
    prepared = run / "prepared"
    if not prepared.exists():
        summary = prepare_dataset(photos, prepared)
        print(f"{summary.train} photographs to train on, {summary.val} to validate")
    recipe = Recipe(start=str(start), epochs=epochs, full_size_epochs=0, size=size, learning_rate=2e-4)
    print(train(prepared, run / "training", recipe, on_progress=print))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("start", type=Path, help="A trained .keras network of alpha 0.25.")
    parser.add_argument("run", type=Path, help="Folder of the run.")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--size", type=int, default=128, help="Pixels per side of the training cuts.")
    options = parser.parse_args()
    main(options.photos, options.start, options.run, options.epochs, options.size)
