"""The README, executed as a stranger does: a fresh copy, a fresh environment, each block in order."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .shown_blocks import EXECUTED, REPOSITORY, Block, Directive, Outcome, Session, matches, read_blocks

README = REPOSITORY / "README.md"
MAX_INSTALL_MEGABYTES = 350
MAX_CPU_SECONDS = 60  # time on the wall depends on the connection and on what else the machine does

BLOCKS = [block for block in read_blocks(README) if block.language in EXECUTED]


def install_section() -> str:
    return README.read_text("utf-8").split("\n## Install\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", install_section(), re.MULTILINE | re.DOTALL)


def megabytes(folder: Path) -> float:
    """Return what the files of a folder take on the disk, as `du -sm` counts it."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


@dataclass
class Reading:
    """A reader of the README who has executed the blocks up to `next_block`."""

    session: Session
    next_block: int = 0

    def execute(self, block: Block) -> Outcome:
        """Execute a block. The blocks before it have been executed."""
        assert BLOCKS.index(block) == self.next_block, "a block before this one failed"
        outcome = self.session.run(block)
        if outcome.exit_code == block.directive.exit_code:
            self.next_block += 1
        return outcome


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    if shutil.which("bash") is None or shutil.which("make") is None:
        pytest.skip("needs bash and make")
    yield Reading(Session(tmp_path_factory.mktemp("readme")))


@pytest.mark.slow
def test_first_block_colors_a_photograph(reading: Reading) -> None:
    resource = pytest.importorskip("resource", reason="the block is for Linux and macOS")
    cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = reading.execute(BLOCKS[0])
    assert outcome.exit_code == 0, outcome.output
    cpu_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(getattr(cpu_after, part) - getattr(cpu_before, part) for part in ("ru_utime", "ru_stime"))
    size = megabytes(reading.session.checkout / ".venv")
    print(f"first block: {outcome.seconds:.0f} s, {cpu:.0f} s of CPU, {size:.0f} MB")

    with Image.open(reading.session.checkout / "parrots.jpg") as picture:
        chroma = np.asarray(picture.convert("YCbCr"), float)[..., 1:] - 128
    assert np.abs(chroma).mean() > 2
    assert size < MAX_INSTALL_MEGABYTES
    assert cpu < MAX_CPU_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS[1:], ids=lambda block: f"line {block.line}")
def test_the_other_blocks_work(reading: Reading, block: Block) -> None:
    outcome = reading.execute(block)
    where = f"README.md:{block.line}, {outcome.seconds:.0f} s\n{outcome.output}"
    print(where)
    assert outcome.exit_code == block.directive.exit_code, where
    assert block.expected is None or matches(block.expected, outcome.output), where
    if "make demo" in block.source:
        checkout = reading.session.checkout
        assert outcome.output.startswith("This is what you get: 12 gray photographs in color")
        assert len(list((checkout / "examples/out/sheets").glob("*.jpg"))) == 12
        assert megabytes(checkout / ".venv") < MAX_INSTALL_MEGABYTES
        again = reading.session.run(replace(block, source="make demo\n", directive=Directive()))
        assert again.exit_code == 0 and "pip install" not in again.output


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
