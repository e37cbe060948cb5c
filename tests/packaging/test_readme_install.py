"""The install section of the README, executed as a stranger does: a fresh clone and environment, `env -i`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_INSTALL_MEGABYTES = 350
MAX_CPU_SECONDS = 60  # time on the wall depends on the connection and on what else the machine does

# How this machine reaches its package index. A stranger's machine has its own settings.
NETWORK = re.compile(r"(?i)PIP_.*|.*_PROXY|SSL_CERT_.*|REQUESTS_CA_BUNDLE")


def install_section() -> str:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    return text.split("\n## Install\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", install_section(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh clone. `python3` in the folder bin beside it is the Python of these tests."""
    target = tmp_path / "edgecolor"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, target], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(Path(sys.executable).resolve())
    return target


def run_block(block: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run a block of shell commands with an empty environment."""
    path = f"{checkout.parent}/bin:/usr/local/bin:/usr/bin:/bin"
    settings = [f"{name}={value}" for name, value in os.environ.items() if NETWORK.fullmatch(name)]
    return subprocess.run(
        ["env", "-i", f"HOME={checkout.parent}", f"PATH={path}", *settings, "sh", "-e", "-c", block],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )


def megabytes(folder: Path) -> float:
    """Return what the files of a folder take on the disk, as `du -sm` counts it."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


@pytest.mark.slow
def test_first_block_colors_a_photograph(checkout: Path) -> None:
    resource = pytest.importorskip("resource", reason="the block is for Linux and macOS")
    cpu_before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = run_block(blocks("bash")[0], checkout)
    seconds, cpu_after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    cpu = sum(getattr(cpu_after, part) - getattr(cpu_before, part) for part in ("ru_utime", "ru_stime"))
    size = megabytes(checkout / ".venv")
    print(f"first block: {seconds:.0f} s, {cpu:.0f} s of CPU, {size:.0f} MB")

    with Image.open(checkout / "parrots.jpg") as picture:
        chroma = np.asarray(picture.convert("YCbCr"), float)[..., 1:] - 128
    assert np.abs(chroma).mean() > 2
    assert size < MAX_INSTALL_MEGABYTES
    assert cpu < MAX_CPU_SECONDS


@pytest.mark.slow
def test_make_demo_in_a_fresh_clone(checkout: Path) -> None:
    """`make test`, the second line of this block, runs the tests: it is how they were started."""
    (block,) = (block for block in blocks("bash") if "make demo" in block)
    assert block.splitlines() == ["make demo", "make test"]
    done = run_block("make demo", checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("This is what you get: 12 gray photographs in color")
    assert len(list((checkout / "examples/out/sheets").glob("*.jpg"))) == 12
    assert megabytes(checkout / ".venv") < MAX_INSTALL_MEGABYTES
    again = run_block("make demo", checkout)
    assert again.returncode == 0 and "pip install" not in again.stdout


def test_windows_gets_the_same_commands() -> None:
    (windows,) = blocks("bat")
    unix = blocks("bash")[0]
    assert windows.splitlines()[2:] == unix.splitlines()[2:]
    assert not re.search(r"['\\]\S*'|&&", windows)  # cmd.exe knows no single quotes


def test_extras_of_the_table_exist() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    commands = re.findall(r"`(pip install [^`]*)`", install_section())
    extras = {name for command in commands for name in re.findall(r"\.\[(\w+)\]", command)}
    assert extras == {"demo", "train"}
    for name in extras:
        assert re.search(rf"^{name} = \[", project, re.MULTILINE)
    for command in commands:
        assert all(Path(REPOSITORY / word.split("[")[0]).is_dir() for word in shlex.split(command)[2:])
