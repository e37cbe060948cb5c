"""Both wheels: they build, contain the whole package, and need only the expected packages."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from PIL import Image

import edgecolor
import edgecolor_runtime

REPOSITORY = Path(__file__).resolve().parents[2]
INTERPRETERS = {"ai-edge-litert", "tflite-runtime"}


def build_wheel(project: Path, out: Path) -> zipfile.ZipFile:
    """Build one project's wheel with the hatchling of this environment, without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=project,
        check=True,
        capture_output=True,
    )
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def runtime_wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return build_wheel(REPOSITORY / "edge_runtime", tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def toolkit_wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return build_wheel(REPOSITORY, tmp_path_factory.mktemp("toolkit"))


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def required(wheel: zipfile.ZipFile) -> set[str]:
    """Return the names of the distributions that the wheel needs, without extras."""
    lines = [line for line in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in line]
    return {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines}


def package_files(root: Path) -> set[str]:
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root.parent).as_posix() for path in files}


def test_runtime_wheel_contains_the_whole_package(runtime_wheel: zipfile.ZipFile) -> None:
    packed = {n for n in runtime_wheel.namelist() if ".dist-info/" not in n}
    assert packed == package_files(REPOSITORY / "edge_runtime/edgecolor_runtime")
    assert "edgecolor_runtime/py.typed" in packed


def test_toolkit_wheel_contains_the_whole_package(toolkit_wheel: zipfile.ZipFile) -> None:
    packed = {n for n in toolkit_wheel.namelist() if ".dist-info/" not in n}
    assert packed == package_files(REPOSITORY / "toolkit/edgecolor")
    assert "edgecolor/py.typed" in packed


def test_runtime_wheel_contains_every_shipped_model(runtime_wheel: zipfile.ZipFile) -> None:
    from edgecolor_runtime.models.shipped import SHIPPED

    packed = set(runtime_wheel.namelist())
    assert SHIPPED
    assert {f"edgecolor_runtime/models/{model.file}" for model in SHIPPED.values()} <= packed


def test_runtime_needs_numpy_pillow_and_an_interpreter_only(runtime_wheel: zipfile.ZipFile) -> None:
    assert required(runtime_wheel) == {"numpy", "pillow"} | INTERPRETERS


def test_toolkit_needs_no_tensorflow_unless_asked(toolkit_wheel: zipfile.ZipFile) -> None:
    assert required(toolkit_wheel) == {"edgecolor-runtime", "typer", "rich"}


def test_toolkit_wheel_installs_the_command(toolkit_wheel: zipfile.ZipFile) -> None:
    (name,) = (n for n in toolkit_wheel.namelist() if n.endswith("entry_points.txt"))
    assert "edgecolor = edgecolor.cli:main" in toolkit_wheel.read(name).decode()


def test_both_wheels_contain_the_license(
    runtime_wheel: zipfile.ZipFile, toolkit_wheel: zipfile.ZipFile
) -> None:
    for wheel in (runtime_wheel, toolkit_wheel):
        assert any(n.endswith(".dist-info/licenses/LICENSE") for n in wheel.namelist())
    assert metadata(toolkit_wheel)["License-Expression"] == "Apache-2.0"


def test_runtime_wheel_names_and_contains_the_license_of_the_weights(runtime_wheel: zipfile.ZipFile) -> None:
    about = metadata(runtime_wheel)
    assert about["License-Expression"] == "Apache-2.0 AND LicenseRef-edgecolor-weights"
    assert about.get_all("License-File") == ["LICENSE", "edgecolor_runtime/models/LICENSE-WEIGHTS"]
    copies = [n for n in runtime_wheel.namelist() if n.endswith("models/LICENSE-WEIGHTS")]
    assert len(copies) == 2  # beside the models, and in .dist-info
    for name in copies:
        assert runtime_wheel.read(name) == (REPOSITORY / "models/LICENSE-WEIGHTS").read_bytes()


@pytest.mark.parametrize("project", [REPOSITORY / "edge_runtime", REPOSITORY], ids=lambda path: path.name)
def test_source_archive_builds_the_same_wheel(project: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path],
        cwd=project,
        check=True,
        capture_output=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path)
    from_archive = build_wheel(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "from-archive")
    from_checkout = build_wheel(project, tmp_path / "from-checkout")
    assert from_archive.namelist() == from_checkout.namelist()
    assert all(from_archive.read(name) == from_checkout.read(name) for name in from_checkout.namelist())


def test_packages_pass_the_checks_of_an_index(
    runtime_wheel: zipfile.ZipFile, toolkit_wheel: zipfile.ZipFile
) -> None:
    pytest.importorskip("twine", reason="part of the [dev] extra")
    files = [str(wheel.filename) for wheel in (runtime_wheel, toolkit_wheel)]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)


def test_versions_agree(runtime_wheel: zipfile.ZipFile, toolkit_wheel: zipfile.ZipFile) -> None:
    version = edgecolor.__version__
    assert edgecolor_runtime.__version__ == version
    assert metadata(toolkit_wheel)["Version"] == version
    assert metadata(runtime_wheel)["Version"] == version
    assert f"edgecolor-runtime[live]=={version}" in metadata(toolkit_wheel).get_all("Requires-Dist", [])


def fresh_environment(folder: Path, *wheels: zipfile.ZipFile) -> Path:
    """Create an environment with these wheels and their dependencies. Return its folder of programs."""
    venv.create(folder, with_pip=True)
    files = [str(wheel.filename) for wheel in wheels]
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *files], check=True, cwd=folder)
    return folder / "bin"


@pytest.mark.slow
def test_runtime_installs_alone_and_colors(runtime_wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """The runtime's wheel needs neither TensorFlow nor the toolkit."""
    python = fresh_environment(tmp_path / "venv", runtime_wheel) / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout.lower()
    assert "edgecolor-runtime==" in installed
    assert not re.search(r"^(tensorflow|keras|edgecolor)==", installed, re.MULTILINE)

    program = (
        "import sys; from PIL import Image; from edgecolor_runtime import Colorizer\n"
        "frame = Colorizer.shipped().colorize(Image.linear_gradient('L').resize((640, 480)))\n"
        "frame.to_rgb().save(sys.argv[1]); assert 'tensorflow' not in sys.modules"
    )
    colored = tmp_path / "colored.png"
    subprocess.run([python, "-I", "-c", program, colored], check=True, cwd=tmp_path)
    with Image.open(colored) as picture:
        assert (picture.size, picture.mode) == ((640, 480), "RGB")


@pytest.mark.slow
def test_command_line_works_without_tensorflow(
    runtime_wheel: zipfile.ZipFile, toolkit_wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    """`run` colors with the shipped model; `export` prints the pip command for its missing packages."""
    command = fresh_environment(tmp_path / "venv", runtime_wheel, toolkit_wheel) / "edgecolor"
    Image.linear_gradient("L").save(tmp_path / "old.jpg")
    subprocess.run([command, "run", "old.jpg", "-o", "new.jpg"], check=True, cwd=tmp_path)
    with Image.open(tmp_path / "new.jpg") as picture:
        assert (picture.size, picture.mode) == ((256, 256), "RGB")

    zipfile.ZipFile(tmp_path / "x.keras", "w").close()
    words = ["export", "x.keras", "--calibration", str(REPOSITORY / "calibration"), "-o", "x.tflite"]
    refused = subprocess.run([command, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 4
    assert "pip install" in refused.stderr
    assert refused.stderr.count("\n") == 1
