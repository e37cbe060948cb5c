"""Cut the power of a disk while edgecolor writes to it, and check that the same command repairs everything.

The disk is a file with a file system of its own, mounted through a loop device. The cut is the ioctl by which
ext4 and XFS shut a mounted file system down at once: what was not written to the disk is lost, as in a power
cut. What the file system had sent to the disk counts as written, so the loss of a disk's own cache is not
simulated. Root, mkfs and loop devices are needed.

    sudo python scripts/simulate_power_cut.py run --cuts 20 --file-system ext4
    sudo python scripts/simulate_power_cut.py run --cuts 20 --file-system xfs
    sudo python scripts/simulate_power_cut.py train --cuts 10
    sudo python scripts/simulate_power_cut.py record --cuts 20 --file-system ext4

`run` colors a folder of photographs, is cut at a random moment, and is repeated: afterwards every photograph
has its result, byte for byte as in an undisturbed run, and nothing else is in the folder. `train` is cut
again and again at random moments and resumed: no epoch that was reported as done is lost. `record` records a
camera and is cut at a random moment: the file plays, and at most two seconds are missing at its end.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import av

from edgecolor_runtime.images.formats import open_image

REPOSITORY = Path(__file__).parents[1]
PHOTOGRAPHS = REPOSITORY / "calibration"
EDGECOLOR = (sys.executable, "-m", "edgecolor")

SHUT_DOWN = 0x8004587D  # the ioctl EXT4_IOC_SHUTDOWN, of which XFS has the same number
WITHOUT_LOG = 2  # its argument: do not even write the journal
DISK_BYTES = 400 << 20  # XFS refuses less than 300 MB
TRAIN_EPOCHS = 40
TRAIN_OPTIONS = ("--trunk", "none", "--full-size-epochs", "1", "--size", "64", "--batch", "32")
EPOCH_DONE = re.compile(rb"epoch (\d+)/\d+ done")
RECORDING_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")
MAX_MISSING_SECONDS = 2.0
RESUMED = re.compile(rb"resumed after epoch (\d+) ")


class CutDisk:
    """A mounted file system whose power can be cut.

    Attributes:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path, file_system: str) -> None:
        """Make the image beside `folder`, and mount it there."""
        self.folder = folder
        self._image = folder.with_suffix(".img")
        folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(DISK_BYTES)
        subprocess.run([f"mkfs.{file_system}", "-q", self._image], check=True)
        self._mount()

    def cut(self, writer: subprocess.Popen[str]) -> None:
        """Cut the power, end the process that writes, and start the disk again."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(descriptor)
        writer.kill()
        writer.communicate()
        self.unmount()
        self._mount()

    def unmount(self) -> None:
        """Unmount the disk, once no process uses it."""
        for _ in range(50):
            if subprocess.run(["umount", self.folder], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit(f"{self.folder}: cannot be unmounted")

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self.folder], check=True)


@contextmanager
def mounted_disk(folder: Path, file_system: str) -> Iterator[CutDisk]:
    """Yield a mounted disk; unmount it afterwards."""
    disk = CutDisk(folder, file_system)
    try:
        yield disk
    finally:
        disk.unmount()


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, without the manifest."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.jsonl"
    }


def count_false_lines(folder: Path, wanted: dict[str, str]) -> tuple[int, int]:
    """Return the number of results that the manifest calls done, and how many of them are not whole."""
    manifest, present = folder / "manifest.jsonl", hash_files(folder)
    if not manifest.exists():
        return 0, 0
    lines = [line for line in manifest.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    done = {json.loads(line)["result"] for line in lines}
    return len(done), sum(present.get(name) != wanted[name] for name in done)


def cut_run(work: Path, *, cuts: int, file_system: str, chance: random.Random) -> int:
    """Cut `edgecolor run` several times; return the number of cuts after which something was wrong."""
    album, wrong = PHOTOGRAPHS, 0
    command = [*EDGECOLOR, "run", str(album), "-q", "-o"]
    process = start([*command, str(work / "undisturbed")])
    wait_for(work / "undisturbed" / "manifest.jsonl")
    begun = time.monotonic()
    if process.wait():
        raise SystemExit(process.communicate()[1])
    seconds = time.monotonic() - begun
    wanted = hash_files(work / "undisturbed")
    with mounted_disk(work / "disk", file_system) as disk:
        for number in range(1, cuts + 1):
            output = disk.folder / f"out-{number}"
            process = start([*command, str(output)])
            wait_for(output / "manifest.jsonl")
            time.sleep(chance.uniform(0, 1.2) * seconds)  # also right after the end
            disk.cut(process)
            results = len([name for name in hash_files(output) if not name.endswith(".part")])
            done, false = count_false_lines(output, wanted)
            again = subprocess.run([*command, str(output)], capture_output=True, text=True, check=False)
            whole = again.returncode == 0 and hash_files(output) == wanted and not false
            wrong += not whole
            print(
                f"cut {number}: {results} results and {done} lines survived, {false} lines were false; "
                f"the same command again: {'whole' if whole else f'WRONG {again.returncode} {again.stderr}'}",
                flush=True,
            )
            for path in sorted(output.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
    return wrong


def cut_train(work: Path, *, cuts: int, file_system: str, chance: random.Random) -> int:
    """Cut `edgecolor train` several times; return the number of cuts after which a done epoch was lost."""
    subprocess.run([*EDGECOLOR, "dataset", str(PHOTOGRAPHS), "-o", work / "data", "-q"], check=True)
    wrong = reported = 0
    with mounted_disk(work / "disk", file_system) as disk:
        options = ["--epochs", str(TRAIN_EPOCHS), *TRAIN_OPTIONS]
        command = [*EDGECOLOR, "train", str(work / "data"), "-o", str(disk.folder / "run"), *options]
        for number in range(1, cuts + 2):
            is_last = number > cuts
            process = start(command)
            resumed, newest = follow(process, None if is_last else chance.uniform(0, 3))
            if not is_last:
                disk.cut(process)
            lost = reported - resumed
            if lost > 0:
                wrong += 1
            print(
                f"{'no cut' if is_last else f'cut {number}'}: resumed after epoch {resumed} of {reported} "
                f"that were done, then trained to epoch {max(newest, resumed)}",
                flush=True,
            )
            reported = max(newest, resumed)
        state = json.loads((disk.folder / "run" / "state.json").read_text(encoding="utf-8"))
        if state["done"] != TRAIN_EPOCHS or process.returncode:
            print(f"WRONG: the run ended with {process.returncode} after {state['done']} epochs")
            wrong += 1
    return wrong


def cut_record(work: Path, *, cuts: int, file_system: str, chance: random.Random) -> int:
    """Cut the recording of a camera several times; return the number of cuts that lost too much."""
    camera, wrong = work / "camera", 0
    camera.mkdir()
    for path in sorted(PHOTOGRAPHS.glob("*.jpg"))[:20]:
        with open_image(path) as picture:
            picture.convert("L").resize((320, 240)).save(camera / f"{path.stem}.png")
    command = [*EDGECOLOR, "run", "--camera", str(camera), "--framerate", "15", "--no-preview", "-o"]
    with mounted_disk(work / "disk", file_system) as disk:
        for number in range(1, cuts + 1):
            output = disk.folder / f"out{RECORDING_SUFFIXES[number % len(RECORDING_SUFFIXES)]}"
            process = start([*command, str(output)])
            while not output.exists():
                if process.poll() is not None:
                    raise SystemExit(process.communicate()[1])
                time.sleep(0.005)
            begun = time.monotonic()
            time.sleep(chance.uniform(2.5, 10))
            recorded = time.monotonic() - begun
            disk.cut(process)
            missing = recorded - last_frame_time(output)
            wrong += missing > MAX_MISSING_SECONDS
            print(
                f"cut {number}: {output.name}, {recorded:.2f} s recorded, {missing:.2f} s missing", flush=True
            )
            output.unlink(missing_ok=True)
    return wrong


def last_frame_time(path: Path) -> float:
    """Return the time stamp of the last frame of a video that can be decoded; 0 if there is none."""
    last = 0.0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                last = frame.time or 0.0
    except (av.error.FFmpegError, IndexError):
        pass  # what comes after the last whole part
    return last


def wait_for(path: Path) -> None:
    """Wait until a file exists."""
    while not path.exists():
        time.sleep(0.005)


def start(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a command whose messages can be read."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def follow(process: subprocess.Popen[str], seconds: float | None) -> tuple[int, int]:
    """Read the messages of a training run until `seconds` after its first epoch, or to its end.

    Returns:
        The epoch after which it resumed, and the last epoch that it reported as done; 0 for none.
    """
    assert process.stderr is not None
    resumed = newest = 0
    end = None
    os.set_blocking(process.stderr.fileno(), False)
    messages = b""
    while end is None or time.monotonic() < end:
        ended = process.poll() is not None
        with suppress(BlockingIOError):
            messages += os.read(process.stderr.fileno(), 1 << 16)
        for match in RESUMED.finditer(messages):
            resumed = int(match[1])
        for match in EPOCH_DONE.finditer(messages):
            newest = int(match[1])
        if seconds is not None and end is None and newest:
            end = time.monotonic() + seconds
        if ended:
            break
        time.sleep(0.02)
    os.set_blocking(process.stderr.fileno(), True)
    return resumed, newest


def main(arguments: Sequence[str] | None = None) -> int:
    """Cut one command several times; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("run", "train", "record"))
    parser.add_argument("--cuts", type=int, default=20, help="number of power cuts (default: 20)")
    parser.add_argument("--file-system", choices=("ext4", "xfs"), default="ext4")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (default: 0)")
    options = parser.parse_args(arguments)
    work = {"run": cut_run, "train": cut_train, "record": cut_record}[options.command]
    with tempfile.TemporaryDirectory(prefix="power-cut-") as folder:
        wrong = work(
            Path(folder),
            cuts=options.cuts,
            file_system=options.file_system,
            chance=random.Random(options.seed),
        )
    print(f"{options.cuts} cuts of `edgecolor {options.command}` on {options.file_system}: {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
