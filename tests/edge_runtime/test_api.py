"""The public names, and what importing them does not bring along."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import edgecolor_runtime


def test_all_is_pinned() -> None:
    assert edgecolor_runtime.__all__ == [
        "SHIPPED",
        "CameraError",
        "CameraInfo",
        "ColorFrame",
        "Colorizer",
        "DataError",
        "EdgecolorError",
        "GateError",
        "Golden",
        "Hint",
        "HintSet",
        "Interpreter",
        "LiveOptions",
        "LiveResult",
        "LiveSession",
        "LiveStatistics",
        "MissingError",
        "ModelFile",
        "ModelFileError",
        "ModelInfo",
        "Orientation",
        "Picture",
        "PictureError",
        "Precision",
        "Preview",
        "PreviewControls",
        "RecordingWriter",
        "Replay",
        "SegmentOptions",
        "ShippedModel",
        "Shot",
        "TensorInfo",
        "UsageError",
        "VideoWriter",
        "__version__",
        "color",
        "list_cameras",
        "load_interpreter",
        "open_camera",
        "open_model",
        "open_picture",
        "pack",
        "parse",
        "read",
        "read_shipped",
        "replay",
        "save",
        "verify_replay",
    ]
    for name in edgecolor_runtime.__all__:
        assert getattr(edgecolor_runtime, name) is not None
    names = [name for names in edgecolor_runtime._HOME.values() for name in names]
    assert sorted([*names, "__version__"]) == sorted(edgecolor_runtime.__all__)


def test_every_public_name_is_documented() -> None:
    for name in edgecolor_runtime.__all__:
        value = getattr(edgecolor_runtime, name)
        if callable(value):
            assert value.__doc__, name
            first_line = value.__doc__.splitlines()[0]
            assert first_line.endswith((".", ":")) and first_line[0].isupper(), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = edgecolor_runtime.nothing_here


def test_version_is_that_of_the_distribution() -> None:
    assert importlib.metadata.version("edgecolor-runtime") == edgecolor_runtime.__version__


COLOR_A_PICTURE = """
import sys
from edgecolor_runtime import *
picture = open_picture(sys.argv[2])
save(Colorizer.open(sys.argv[1]).colorize(picture.gray), sys.argv[3], of=picture)
heavy = {"tensorflow", "keras", "jax", "torch", "scipy", "skimage", "edgecolor", "typer", "rich", "cv2"}
foreign = heavy & {name.split(".")[0] for name in sys.modules}
sys.exit(f"imported: {foreign}" if foreign else 0)
"""


def test_a_picture_is_colored_without_tensorflow(tiny_path: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (40, 30), 90).save(tmp_path / "gray.png")
    subprocess.run(
        [sys.executable, "-c", COLOR_A_PICTURE, tiny_path, tmp_path / "gray.png", tmp_path / "out.jpg"],
        check=True,
    )
    with Image.open(tmp_path / "out.jpg") as image:
        assert (image.mode, image.size) == ("RGB", (40, 30))


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, edgecolor_runtime; sys.exit('numpy' in sys.modules or 'PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_module_takes_the_place_of_a_public_name() -> None:
    """Importing a module sets it as an attribute of the package."""
    folder = Path(edgecolor_runtime.__file__).parent
    modules = {path.stem for path in folder.iterdir()} - {"__init__"}
    assert modules & set(edgecolor_runtime.__all__) == set()
