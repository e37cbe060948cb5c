"""Figures (a) and (b) with a whole frame converted to Lab and back, by scikit-image or OpenCV.

`python benchmarks/naive.py skimage|opencv TURNS` prints the ratios to the unit as JSON. It runs in a
process of its own, because the threads and allocators of these libraries would also change the other
figures.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import importlib.util
import io
import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
from frame import HEIGHT, WIDTH, gray_frame
from numpy.typing import NDArray
from PIL import Image

from edgecolor.support.timing import Spread, Task, in_turns, ratios
from edgecolor_runtime.inference.colorizer import Colorizer

UNIT, RGB, JPEG = "unit", "(a) gray to RGB", "(b) gray to JPEG bytes"
MODULES = {"skimage": "skimage", "opencv": "cv2"}


def measure_library(library: str, turns: int) -> dict[str, Spread] | None:
    """Run this file in a process of its own; return None if the library is not installed."""
    if importlib.util.find_spec(MODULES[library]) is None:
        return None
    command = [sys.executable, __file__, library, str(turns)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: Spread(**values) for name, values in json.loads(done.stdout).items()}


def skimage_tasks(gray: NDArray[np.uint8], ab: NDArray[np.float32]) -> dict[str, Task]:
    """Return the tasks in Lab as the documentation of scikit-image shows them, in float64 and float32."""
    from skimage.color import lab2rgb, rgb2lab
    from skimage.transform import resize
    from skimage.util import img_as_ubyte

    def rgb() -> NDArray[np.uint8]:
        lab = rgb2lab(np.dstack([gray] * 3))
        lab[..., 1:] = resize(ab, gray.shape, order=1)
        colored: NDArray[np.uint8] = img_as_ubyte(lab2rgb(lab))
        return colored

    def jpeg() -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(rgb()).save(buffer, "JPEG", quality=90, subsampling="4:2:0")
        return buffer.getvalue()

    return {RGB: rgb, JPEG: jpeg}


def opencv_tasks(gray: NDArray[np.uint8], ab: NDArray[np.float32]) -> dict[str, Task]:
    """Return the tasks in float32 Lab, which OpenCV needs for more than 8 bits, with its own JPEG."""
    import cv2

    cv2.setNumThreads(1)

    def bgr() -> NDArray[np.uint8]:
        lab = cv2.cvtColor(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR).astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
        lab[..., 1:] = cv2.resize(ab, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        colored: NDArray[np.uint8] = (cv2.cvtColor(lab, cv2.COLOR_LAB2BGR) * 255).round().astype(np.uint8)
        return colored

    def jpeg() -> bytes:
        data: NDArray[np.uint8] = cv2.imencode(".jpg", bgr(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        return data.tobytes()

    return {RGB: bgr, JPEG: jpeg}


def main(library: str, turns: int) -> None:
    """Measure one library in turns with the unit, and print the ratios."""
    frame = gray_frame()
    colorizer = Colorizer.shipped()
    ab = colorizer.predict(colorizer.prepare(frame))
    ycbcr = colorizer.colorize(frame).to_ycbcr()
    tasks = {"skimage": skimage_tasks, "opencv": opencv_tasks}[library](np.asarray(frame), ab)
    runs = in_turns({UNIT: lambda: ycbcr.convert("RGB"), **tasks}, repeats=turns)
    print(json.dumps({name: asdict(ratios(runs[name], runs[UNIT])) for name in tasks}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
