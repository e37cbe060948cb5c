"""The commands in messages work when they are pasted."""

from __future__ import annotations

import json
import platform as platform_module
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edgecolor.support import extras
from edgecolor.support.extras import install_extra, restore_models
from edgecolor_runtime.errors import MissingError
from edgecolor_runtime.inference import interpreter
from edgecolor_runtime.system.commands import pip_install, shell_command

REPOSITORY = Path(__file__).resolve().parents[3]
EXTRAS = ("train", "report", "demo", "ray", "bundle")
OFFLINE = ("--dry-run", "--no-deps", "--no-index", "--no-build-isolation", "--quiet")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are pasted into a POSIX shell")


def paste(command: str) -> subprocess.CompletedProcess[str]:
    """Run a pip command in a shell, without a network and without an effect.

    The option --editable is left out: its build would download a package.
    """
    before, after = command.replace(" --editable", "").split(" install ")
    command = f"{before} install {' '.join(OFFLINE)} {after}"
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_of_a_checkout(extra: str) -> None:
    command = install_extra(extra)
    words = shlex.split(command)
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    assert words[4:] == [
        *("--editable", str(REPOSITORY / "edge_runtime")),
        *("--editable", f"{REPOSITORY}[{extra}]"),
    ]
    assert (REPOSITORY / "edge_runtime/pyproject.toml").is_file()
    done = paste(command)
    assert done.returncode == 0, done.stderr
    assert f"does not provide the extra '{extra}'" not in done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_without_a_checkout_names_its_packages(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edgecolor is on no package index: the command must not name it."""
    packaging = pytest.importorskip("packaging.requirements")
    monkeypatch.setattr(extras, "find_source_checkout", lambda: None)
    monkeypatch.setattr(extras, "_installed_from", lambda: None)
    words = shlex.split(install_extra(extra))[4:]
    requirements = [packaging.Requirement(word) for word in words]
    assert requirements and "edgecolor" not in {requirement.name for requirement in requirements}
    assert not any("extra" in str(requirement.marker) for requirement in requirements)
    present = [requirement.name for requirement in requirements if _is_installed(requirement.name)]
    for name in present:
        (word,) = (word for word, one in zip(words, requirements, strict=True) if one.name == name)
        assert paste(pip_install(word)).returncode == 0


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_an_extra_of_a_copy_that_pip_installed_from_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my checkout"
    for file in ("pyproject.toml", "edge_runtime/pyproject.toml"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    origin = tmp_path / "site" / "edgecolor-0.1.0.dist-info"
    origin.mkdir(parents=True)
    (origin / "METADATA").write_text("Name: edgecolor\nVersion: 0.1.0\n")
    (origin / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {}}))
    monkeypatch.setattr(extras, "find_source_checkout", lambda: None)
    monkeypatch.setattr(metadata, "distribution", lambda name: metadata.Distribution.at(origin))
    expected = [str(folder / "edge_runtime"), f"{folder}[demo]"]
    assert shlex.split(install_extra("demo")) == [sys.executable, "-m", "pip", "install", *expected]
    assert shlex.split(restore_models())[4:] == ["--force-reinstall", "--no-deps", expected[0]]
    shutil.rmtree(folder)
    assert str(folder) not in install_extra("demo")


def test_models_of_a_checkout_are_restored_by_git() -> None:
    words = shlex.split(restore_models())
    assert words[:4] == ["git", "-C", str(REPOSITORY), "restore"]
    assert (REPOSITORY / words[4] / "s.tflite").is_file()


def test_quotes_for_both_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        r"C:\Program Files\Python\python.exe",
        "-m",
        "pip",
        "install",
        "numpy<2",
        r"D:\edge color[train]",
    ]
    assert shell_command(["python", "numpy<2"]) == "python 'numpy<2'"
    monkeypatch.setattr(sys, "platform", "win32")
    assert shell_command(words) == (
        r'"C:\Program Files\Python\python.exe" -m pip install "numpy<2" "D:\edge color[train]"'
    )
    assert shell_command([r"C:\venv\python.exe", "-m", "pip", "install", r"C:\edgecolor[train]"]) == (
        r"C:\venv\python.exe -m pip install C:\edgecolor[train]"
    )


def test_environments_without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", no_version)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/uv")
    assert pip_install("av") == f"/usr/bin/uv pip install --python {sys.executable} av"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert pip_install("av") == f"{sys.executable} -m ensurepip && {sys.executable} -m pip install av"


@pytest.mark.parametrize(
    ("platform", "machine", "text"),
    [("darwin", "x86_64", "Intel Macs"), ("win32", "ARM64", "Windows on Arm"), ("darwin", "arm64", None)],
)
def test_systems_without_an_interpreter(
    platform: str, machine: str, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(platform_module, "machine", lambda: machine)
    for library in interpreter.LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingError, match="no TFLite interpreter is installed") as raised:
        interpreter.load_interpreter(b"")
    if text is None:
        assert "-m pip install ai-edge-litert" in str(raised.value)
    else:
        assert text in str(raised.value) and "pip install" not in str(raised.value)


def test_no_message_writes_a_pip_command_itself() -> None:
    """Every pip command comes from `pip_install`, which names the Python that is running."""
    written = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for folder in ("toolkit/edgecolor", "edge_runtime/edgecolor_runtime")
        for path in (REPOSITORY / folder).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"pip3? install\b", line) and path.name not in ("commands.py",)
    ]
    assert written == []
