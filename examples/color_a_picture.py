"""How do I color one photograph from a program?

    python examples/color_a_picture.py gray.jpg colored.png

The program needs only edgecolor-runtime.
"""

import sys

from edgecolor_runtime import color


def main(source: str, output: str) -> None:
    """Color a photograph and save it."""
    colored = color(source)
    colored.save(output)
    print(f"{output}: {colored.width} x {colored.height} pixels")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
