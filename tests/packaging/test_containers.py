"""The container file and the Home Assistant app: they parse, and what they name exists."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

import edgecolor
from edgecolor.cli import app

REPOSITORY = Path(__file__).resolve().parents[2]
CONTAINERFILE = REPOSITORY / "Containerfile"
APP = REPOSITORY / "home-assistant"
ON_THE_PATH = Path(sys.executable).with_name("hadolint")


@pytest.fixture
def app_folder(tmp_path: Path) -> Path:
    """The folder that `make home-assistant` writes."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    for name in ("toolkit", "edge_runtime"):
        (tmp_path / name).mkdir()
    for name in ("Makefile", "Containerfile", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    shutil.copytree(APP, tmp_path / "home-assistant")
    subprocess.run(["make", "--silent", "home-assistant"], cwd=tmp_path, check=True)
    return tmp_path / "build/home-assistant/edgecolor"


@pytest.fixture(scope="module")
def start_camera() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start_camera", APP / "start_camera.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copied_files(containerfile: str) -> list[str]:
    """Return what the COPY lines take from the folder of the build."""
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", containerfile, re.MULTILINE)
    return [name for line in lines for name in line.split()]


def test_the_image_copies_files_that_exist_and_are_not_ignored() -> None:
    copied = copied_files(CONTAINERFILE.read_text("utf-8"))
    assert {"toolkit", "edge_runtime", "pyproject.toml"} <= set(copied)
    for ignored in (".containerignore", ".dockerignore"):
        lines = (REPOSITORY / ignored).read_text("utf-8").split()
        assert lines[0] == "*"
        assert {line[1:] for line in lines if line.startswith("!")} == set(copied)
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []


def test_the_image_starts_a_command_that_parses() -> None:
    words = json.loads(re.findall(r"^CMD (.*)$", CONTAINERFILE.read_text("utf-8"), re.MULTILINE)[0])
    assert parses(words) == "demo"


def test_the_app_folder_has_every_file_of_its_build(app_folder: Path) -> None:
    dockerfile = (app_folder / "Dockerfile").read_text("utf-8")
    assert dockerfile.startswith(CONTAINERFILE.read_text("utf-8"))
    assert [name for name in copied_files(dockerfile) if not (app_folder / name).exists()] == []


def test_hadolint_accepts_both_files(app_folder: Path) -> None:
    hadolint = ON_THE_PATH if ON_THE_PATH.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint, part of the [dev] extra on Linux")
    subprocess.run([hadolint, CONTAINERFILE, app_folder / "Dockerfile"], check=True)


def test_the_settings_of_the_app_match_what_it_reads(start_camera: ModuleType) -> None:
    yaml = pytest.importorskip("yaml", reason="part of the [dev] extra")
    config = yaml.safe_load((APP / "config.yaml").read_text("utf-8"))
    assert config["version"] == edgecolor.__version__
    assert config["slug"] == "edgecolor" and config["arch"] == ["aarch64", "amd64"]
    assert set(config["options"]) | {"token"} == set(config["schema"])
    assert parses(start_camera.camera_command(config["options"])[1:]) == "run"


@pytest.mark.skipif(sys.platform == "win32", reason="the image has Linux")
def test_the_app_becomes_the_command_and_hides_the_token(tmp_path: Path) -> None:
    fake = tmp_path / "edgecolor"
    fake.write_text('#!/bin/sh\necho "$EDGECOLOR_TOKEN"\necho "$@"\n')
    fake.chmod(0o755)
    options = tmp_path / "options.json"
    options.write_text(json.dumps({"camera": "rtsp://door/live", "model": "m", "token": "t" * 16}))
    done = subprocess.run(
        [sys.executable, APP / "start_camera.py", options],
        env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    token, command = done.stdout.splitlines()
    assert token == "t" * 16 and token not in command
    assert command == "run --camera rtsp://door/live --model m --host 0.0.0.0 --reconnect"


def parses(words: list[str]) -> str:
    """Parse a command with the real command line, without running it. Return its name."""
    group = typer.main.get_command(app)
    with group.make_context("edgecolor", list(words)) as context:
        name, command, rest = group.resolve_command(context, list(words))  # type: ignore[attr-defined]
        with command.make_context(name, rest, parent=context):
            return str(name)
