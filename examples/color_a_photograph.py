"""How do I color a photograph?

python examples/color_a_photograph.py old.jpg colored.jpg
"""

import sys
from pathlib import Path

from edgecolor_runtime import color


def main(photograph: Path, output: Path) -> None:
    """Color one photograph at its own size."""
    color(photograph).save(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
