"""How do I color the frames of my own camera, which delivers arrays?

    python examples/own_camera.py 1000

Replace `read_camera` by your camera. The program shows the result in a browser and needs only
edgecolor-runtime.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor_runtime import Colorizer, Preview, PreviewControls, Shot


def read_camera(frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield gray frames: uint8 arrays of shape (480, 640)."""
    rows, columns = np.mgrid[:480, :640]
    for number in range(frames):
        yield ((rows + columns + 4 * number) // 4 % 256).astype(np.uint8)


def main(frames: int) -> None:
    """Color each frame and show it."""
    colorizer = Colorizer.shipped()
    controls = PreviewControls(colorizer, lambda: {"model": "s"})
    with Preview(controls=controls, port=0) as preview:
        print(f"watch it at {preview.address}", flush=True)
        for number, array in enumerate(read_camera(frames)):
            color_frame = colorizer.colorize(Image.fromarray(array))
            preview.show(Shot(number, color_frame, time.monotonic()))
    print(f"{frames} frames")


if __name__ == "__main__":
    main(int(sys.argv[1]))
