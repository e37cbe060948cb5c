"""The runtime with tflite-runtime as its interpreter: Python 3.11 and numpy < 2."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgecolor_runtime import SHIPPED, Colorizer

RUN = """
import sys
import numpy as np
from edgecolor_runtime import Colorizer, open_picture, save
model, golden, result, photo = sys.argv[1:]
colorizer = Colorizer.open(model)
print(colorizer.interpreter.name, np.__version__)
np.save(result, np.stack([colorizer.predict(gray) for gray in np.load(golden)]))
picture = open_picture(photo)
save(colorizer.colorize(picture.gray), photo + ".jpg", of=picture)
"""


@pytest.mark.slow
def test_tflite_runtime_colors_like_litert(
    tflite_python: Path, colorizer: Colorizer, tiny_path: Path, tmp_path: Path
) -> None:
    golden, result, photo = (tmp_path / name for name in ("golden.npy", "result.npy", "photo.png"))
    grays = colorizer.model.golden.gray
    np.save(golden, grays)
    from PIL import Image

    Image.fromarray(grays[0]).save(photo)
    done = subprocess.run(
        [tflite_python, "-c", RUN, tiny_path, golden, result, photo],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tflite-runtime 2.14") and " 1." in done.stdout
    here = np.stack([colorizer.predict(gray) for gray in grays])
    step = colorizer.interpreter.output.scale * 100
    assert np.abs(np.load(result) - here).max() <= 4 * step
    with Image.open(f"{photo}.jpg") as image:
        assert image.size == (224, 224)


@pytest.mark.slow
def test_tflite_runtime_under_numpy_2_is_explained(
    tflite_python: Path, tiny_path: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [tflite_python, "-m", "pip", "install", "--quiet", "--target", tmp_path, "numpy>=2"], check=True
    )
    code = f"from edgecolor_runtime import Colorizer; Colorizer.open({str(tiny_path)!r})"
    done = subprocess.run(
        [tflite_python, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1].startswith(
        "edgecolor_runtime.errors.MissingError: tflite-runtime was built for numpy 1"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_tflite_runtime_passes_the_check(tflite_python: Path, name: str) -> None:
    """The command line works without litert and TensorFlow, too."""
    words = ["-m", "edgecolor", "check", name, "--json"]
    done = subprocess.run([tflite_python, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    golden = json.loads(done.stdout)["golden"]
    assert golden["interpreter"].startswith("tflite-runtime 2.14") and golden["passed"]
