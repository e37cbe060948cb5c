"""The commands that work on every system, run on this one and on Windows and macOS.

On Linux, `other_system/sitecustomize.py` makes a Python that lacks what Windows and macOS lack.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main

OTHER_SYSTEM = Path(__file__).parent / "other_system"
MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
EDGECOLOR = (sys.executable, "-m", "edgecolor")

Run = Callable[..., subprocess.CompletedProcess[str]]


HERE = "here"
"""This system, as it is."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the other systems are made from Linux")


def environment(system: str, **more: str) -> dict[str, str]:
    if system == HERE:
        return os.environ | more
    paths = os.pathsep.join([str(OTHER_SYSTEM), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": paths, "EDGECOLOR_TEST_SYSTEM": system} | more


@pytest.fixture(params=[HERE, *(pytest.param(name, marks=on_linux) for name in ("win32", "darwin"))])
def system(request: pytest.FixtureRequest) -> str:
    """This system, or the value of sys.platform on another one."""
    return str(request.param)


@pytest.fixture
def run(system: str, tmp_path: Path) -> Run:
    """Returns the function that runs edgecolor in the temporary folder, on the other system."""

    def command(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*EDGECOLOR, *map(str, words)],
            cwd=tmp_path,
            env=environment(system, **more),
            capture_output=True,
            check=False,
            text=True,
            encoding=more.get("PYTHONIOENCODING", "utf-8"),
        )

    return command


@on_linux
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_this_python_resembles_the_other_system(system: str) -> None:
    """The tests below prove nothing unless the modules and files are really gone."""
    code = (
        "import importlib.util, os, sys, pathlib\n"
        "print(sys.platform, pathlib.Path('/proc').exists(), hasattr(os, 'sched_getaffinity'))\n"
        "for name in ('fcntl', 'resource', 'termios', 'pwd'):\n"
        "    try: __import__(name)\n"
        "    except ImportError: print('no', name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(system), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{system} False False",
        *("no fcntl", "no resource", "no termios", "no pwd"),
    ]


def test_a_photograph(run: Run, tmp_path: Path) -> None:
    Image.radial_gradient("L").save(tmp_path / "old.png")
    done = run("run", "old.png", "--model", MODEL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "old.color.png\n", "")
    assert (
        main(["run", str(tmp_path / "old.png"), "-o", str(tmp_path / "here.png"), "--model", str(MODEL)]) == 0
    )
    assert (tmp_path / "old.color.png").read_bytes() == (tmp_path / "here.png").read_bytes()


@pytest.mark.parametrize("code_page", ["cp1252", "cp437", "utf-8"])
def test_a_folder_with_names_that_the_code_page_lacks(run: Run, tmp_path: Path, code_page: str) -> None:
    (tmp_path / "album" / "1923").mkdir(parents=True)
    names = ["album/Gro\u00dfvater.png", "album/1923/\u0434\u0435\u0434.png"]
    for name in names:
        Image.radial_gradient("L").resize((90, 70)).save(tmp_path / name)
    done = run("run", "album", "-o", "out", "--model", MODEL, PYTHONIOENCODING=code_page)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "2 of 2 colored" in done.stderr
    expected = [
        f"out{os.sep}{name.removeprefix('album/')}".encode(code_page, "backslashreplace").decode(code_page)
        for name in names
    ]
    assert sorted(done.stdout.splitlines()) == sorted(expected)
    again = run("run", "album", "-o", "out", "--model", MODEL, PYTHONIOENCODING=code_page)
    assert again.returncode == 0 and "2 of 2 are already colored" in again.stderr


@on_linux
@pytest.mark.parametrize(("system", "reused"), [("win32", "False"), ("darwin", "True")])
def test_on_windows_no_port_is_shared(system: str, reused: str) -> None:
    """There, SO_REUSEADDR would let a second preview listen on the port of the first one."""
    code = "from edgecolor_runtime.preview.http_server import HttpServer as S; print(S.allow_reuse_address)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(system), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == reused


@on_linux
def test_two_runs_in_one_folder_on_windows(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "out").mkdir()
    Image.radial_gradient("L").save(tmp_path / "album" / "a.png")
    with (tmp_path / "out" / "manifest.jsonl").open("ab") as manifest:
        manifest.seek(1 << 30)
        os.lockf(manifest.fileno(), os.F_LOCK, 1)
        done = subprocess.run(
            [*EDGECOLOR, "run", "album", "-o", "out", "--model", MODEL],
            cwd=tmp_path,
            env=environment("win32"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1 and "another run works in this folder" in done.stderr


def test_a_film(run: Run, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for level in range(5):
            gray = np.full((64, 96), 40 * level + 30, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="gray")))
        container.mux(stream.encode(None))
    done = run("run", "film.mp4", "-o", "out.mp4", "--model", MODEL)
    assert (done.returncode, done.stdout) == (0, "out.mp4\n"), done.stderr
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_the_demo_page(system: str, tmp_path: Path) -> None:
    pytest.importorskip("streamlit", reason="no Streamlit here; pip install '.[demo]' brings it")
    with subprocess.Popen(
        [*EDGECOLOR, "demo", "--port", "0", "--no-browser"],
        cwd=tmp_path,
        env=environment(system),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        try:
            lines = []
            for line in server.stderr:
                lines.append(line)
                if address := re.search(r"http://\S+", line):
                    break
            else:
                raise AssertionError("".join(lines))
            with urllib.request.urlopen(address[0], timeout=30) as answer:
                assert answer.status == 200 and b"<title>" in answer.read()
        finally:
            server.terminate()


def test_doctor(run: Run, system: str) -> None:
    done = run("doctor")
    assert done.returncode == 0 or system == HERE, done.stdout + done.stderr
    assert "Traceback" not in done.stdout and "cannot be examined" not in done.stdout
    name = {"win32": "Windows 11", "darwin": "macOS 15.5", HERE: ""}[system]
    assert re.search(rf"^ok +machine +.*{name}", done.stdout, re.MULTILINE)
    assert re.search(r"^ok +model s +reproduces the reference outputs", done.stdout, re.MULTILINE)


@on_linux
@pytest.mark.parametrize("system", ["win32", "darwin"])
@pytest.mark.parametrize("words", [["--list-cameras"], ["--camera"], ["--camera", "webcam"]])
def test_cameras_without_the_device_of_the_system(run: Run, system: str, words: list[str]) -> None:
    """PyAV of this machine has neither dshow nor avfoundation, and the message says this."""
    done = run("run", *words)
    device = {"win32": "dshow", "darwin": "avfoundation"}[system]
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"edgecolor: this PyAV was built without {device}: it cannot read cameras\n"


def test_help_and_version(run: Run) -> None:
    assert run("--version").stdout.startswith("edgecolor ")
    assert "--camera" in run("run", "--help").stdout


@pytest.mark.parametrize("name", [r"C:\old.mp4", r"C:\album\old.jpg", "C://album/old.jpg"])
def test_a_drive_letter_is_no_scheme(run: Run, name: str) -> None:
    done = run("run", name, "--model", MODEL)
    assert done.returncode == 1 and "No such file" in done.stderr and "stream" not in done.stderr
