"""Install the bundles in emulated Raspberry Pis, color there, and compare with the colors of this machine.

    make emulated            some minutes; pip and apt fetch about 400 MB
    python tests/emulated/emulate.py bookworm-armhf --json report.json

These parts are real: Debian's Python, C library, numpy and Pillow; the wheels for Arm; install.sh, from the
checksums to the check of the golden vectors. These parts are not: the processor (QEMU has its instructions,
not its speed), the kernel, systemd, a camera, and the packages that Raspberry Pi OS rebuilds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from foreign import ForeignRoot, fetch_qemu
from PIL import Image

from edgecolor.bundle import wheels
from edgecolor.bundle.targets import TARGETS
from edgecolor.cli import main as edgecolor
from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError

REPOSITORY = Path(__file__).resolve().parents[2]
PHOTOGRAPH = REPOSITORY / "examples/photographs/kodim03.jpg"
FRAME_COUNT = 10
FRAME_SIZE = (320, 240)  # pixels


@dataclass(frozen=True)
class EmulatedDevice:
    """A device.

    Attributes:
        target: target of its bundle.
        processor: QEMU's name of the processor.
        interpreter: name of the interpreter's distribution.
        packages: Debian packages that its owner installed in addition to Python.
        video: whether its bundle has PyAV; without PyAV the frames come from a folder.
    """

    target: str
    processor: str
    interpreter: str
    packages: tuple[str, ...] = ()
    video: bool = True


DEVICES = {  # Raspberry Pi 4: Cortex-A72, 5: A76, 2: A7
    "bookworm-arm64": EmulatedDevice("bookworm-arm64", "cortex-a72", "ai-edge-litert"),
    # As with picamera2: Debian's numpy 1.24 and Pillow 9.4 stay in use.
    "bookworm-arm64-tflite": EmulatedDevice(
        "bookworm-arm64", "cortex-a72", "tflite-runtime", ("python3-numpy", "python3-pil")
    ),
    "trixie-arm64": EmulatedDevice("trixie-arm64", "cortex-a76", "ai-edge-litert"),
    "bookworm-armhf": EmulatedDevice("bookworm-armhf", "cortex-a7", "tflite-runtime", video=False),
}


@dataclass(frozen=True)
class PictureDifference:
    """The difference between pictures colored there and here, in levels of 0 to 255 over R, G and B."""

    mean: float
    largest: float


LIMITS = {"ai-edge-litert": PictureDifference(0.001, 4), "tflite-runtime": PictureDifference(2, 40)}
"""Interpreter of the device -> allowed difference from this machine, which has ai-edge-litert."""


@dataclass(frozen=True)
class DeviceResult:
    """The measurements of one device."""

    device: str
    processor: str
    python: str
    interpreter: str
    numpy: str
    pillow: str
    golden_mean: float  # in steps of 1/128 of the network's output
    golden_largest: float
    golden_allowed: dict[str, float]
    photograph: PictureDifference
    frames: PictureDifference
    allowed: PictureDifference
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all colors are within their limits; `edgecolor check` has verified the golden vectors."""
        return all(
            difference.mean <= self.allowed.mean and difference.largest <= self.allowed.largest
            for difference in (self.photograph, self.frames)
        )


def emulate(name: str, folder: Path, bundle: Path, qemu: Path) -> DeviceResult:
    """Make a device, install the bundle there, color pictures, and compare them.

    Raises:
        EdgecolorError: something failed on the device.
    """
    begun = time.monotonic()
    device = DEVICES[name]
    suite = device.target.partition("-")[0]
    root = ForeignRoot(
        folder / name,
        suite,
        TARGETS[device.target],
        packages=device.packages,
        qemu=qemu,
        processor=device.processor,
    )
    with tarfile.open(bundle) as archive:
        archive.extractall(folder / f"{name}.bundle", filter="data")
    (unpacked,) = (folder / f"{name}.bundle").iterdir()
    prefix = folder / f"{name}.prefix"
    root.run("sh", unpacked / "install.sh", "--prefix", prefix)
    if device.packages and list(prefix.glob("current/venv/lib/*/site-packages/numpy")):
        raise EdgecolorError(f"{name}: the bundle installed a numpy in place of Debian's")
    python, command = prefix / "current/venv/bin/python", prefix / "current/edgecolor"
    if device.interpreter != "ai-edge-litert" and not list(unpacked.glob("wheels/tflite_runtime*")):
        _replace_interpreter(root, python, unpacked, device)
    golden = json.loads(root.run(command, "check", "s", "--json"))["golden"]
    if not golden["interpreter"].startswith(device.interpreter):
        raise EdgecolorError(f"{name} runs {golden['interpreter']} instead of {device.interpreter}")
    here, there = folder / "here", folder / f"{name}.colored"
    root.run(command, "run", folder / "photograph.png", "-o", there / "photograph.png", "--model", "s")
    frames = "video" if device.video else "frames"
    source = "video.mkv" if device.video else "frames"
    options = ("--model", "s", "--threads", "1")  # the default for a film depends on the speed of the machine
    root.run(command, "run", folder / source, "-o", there / frames, *options)
    versions = [
        root.run(python, "-c", f"from importlib.metadata import version as v; print(v('{package}'))").strip()
        for package in ("numpy", "pillow")
    ]
    return DeviceResult(
        device=name,
        processor=device.processor,
        python=root.run(python, "-c", "import platform; print(platform.python_version())").strip(),
        interpreter=golden["interpreter"],
        numpy=versions[0],
        pillow=versions[1],
        golden_mean=golden["mean"],
        golden_largest=golden["maximum"],
        golden_allowed=golden["limits"],
        photograph=compare_pictures(here, there, "*.png"),
        frames=compare_pictures(here / frames, there / frames, "*.jpg" if device.video else "*.png"),
        allowed=LIMITS[device.interpreter],
        seconds=time.monotonic() - begun,
    )


def _fetch_emulator(folder: Path) -> Path:
    """Fetch QEMU with apt, and a small wheel with pip to see that both have a mirror.

    Raises:
        MissingError: apt or pip has no mirror.
    """
    try:
        wheels.download(["pip"], folder / "probe", TARGETS["bookworm-arm64"])
        return fetch_qemu(folder / "qemu")
    except EdgecolorError as error:
        raise MissingError(f"the emulated devices need pip and apt with mirrors: {error}") from error


def _replace_interpreter(root: ForeignRoot, python: Path, unpacked: Path, device: EmulatedDevice) -> None:
    """Install another interpreter in place of the bundle's, as an owner of the device could."""
    extra = unpacked.parent / "extra"
    wheels.download([device.interpreter], extra, TARGETS[device.target])
    (pip,) = unpacked.glob("wheels/pip-*.whl")
    root.run(python, pip / "pip", "uninstall", "--yes", "ai-edge-litert")
    root.run(python, pip / "pip", "--isolated", "install", "--no-index", "--no-deps", *extra.iterdir())


def compare_pictures(here: Path, there: Path, pattern: str) -> PictureDifference:
    """Compare the pictures of the same names in two folders."""
    names = sorted(path.name for path in here.glob(pattern))
    if not names or names != sorted(path.name for path in there.glob(pattern)):
        raise EdgecolorError(f"{there} does not have the same pictures as {here}")
    differences = np.concatenate([np.abs(_levels(here / n) - _levels(there / n)).ravel() for n in names])
    return PictureDifference(float(differences.mean()), float(differences.max()))


def _levels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float32)


def prepare_pictures(folder: Path) -> None:
    """Make a gray photograph, and frames that pan over it as a video and as pictures; color them here."""
    with Image.open(PHOTOGRAPH) as photograph:
        gray = photograph.convert("L")
    gray.save(folder / "photograph.png")
    (folder / "frames").mkdir()
    with av.open(str(folder / "video.mkv"), "w") as video:
        stream = video.add_stream("ffv1", rate=FRAME_COUNT, pix_fmt="gray")  # without loss
        stream.width, stream.height = FRAME_SIZE
        for n in range(FRAME_COUNT):
            frame = gray.crop((16 * n, 8 * n, 16 * n + FRAME_SIZE[0], 8 * n + FRAME_SIZE[1]))
            frame.save(folder / f"frames/{n:02}.png")
            video.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), format="gray")))
        video.mux(stream.encode())
    for source in ("photograph.png", "frames"):
        _edgecolor("run", folder / source, "-o", folder / "here" / source, "--model", "s")
    _edgecolor("run", folder / "video.mkv", "-o", folder / "here/video", "--model", "s")


def _edgecolor(*words: str | Path) -> None:
    with redirect_stdout(sys.stderr):
        code = edgecolor([*map(str, words), "--quiet"])
    if code:
        raise SystemExit(code)  # the command has printed the reason


def format_table(results: list[DeviceResult]) -> str:
    """Return the results as a Markdown table."""
    head = (
        *("Device", "Processor", "Python", "Interpreter", "numpy", "Pillow"),
        *("Golden vectors: mean, largest step", "(allowed)"),
        *("Photograph: mean, largest level", f"{FRAME_COUNT} frames", "(allowed)", "Seconds"),
    )
    rows = [head, ("---",) * len(head)]
    for r in results:
        steps = [(r.golden_mean, r.golden_largest), (r.golden_allowed["mean"], r.golden_allowed["maximum"])]
        golden = [f"{mean:.3g}, {largest:g}" for mean, largest in steps]
        levels = [f"{d.mean:.3f}, {d.largest:g}" for d in (r.photograph, r.frames, r.allowed)]
        versions = (r.python, r.interpreter, r.numpy, r.pillow)
        rows.append((r.device, r.processor, *versions, *golden, *levels, f"{r.seconds:.0f}"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Emulate the named devices, or all. Exit codes are those of `edgecolor`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("devices", nargs="*", help=f"names of {', '.join(DEVICES)} (default: all)")
    parser.add_argument("--json", type=Path, help="file for the results")
    words = parser.parse_args()
    names = words.devices or list(DEVICES)
    if unknown := set(names) - set(DEVICES):
        parser.error(f"no such device: {', '.join(unknown)}")
    results = []
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            prepare_pictures(folder)
            qemu = _fetch_emulator(folder)
            for name in names:
                bundle = folder / f"{DEVICES[name].target}.tar.gz"
                if not bundle.exists():
                    _edgecolor("bundle", "--target", DEVICES[name].target, "-o", bundle)
                print(f"{name}: installing and coloring", file=sys.stderr, flush=True)
                results.append(emulate(name, folder, bundle, qemu))
        print(format_table(results))
        if words.json:
            words.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n", "utf-8")
        if failed := [r.device for r in results if not r.passed]:
            raise GateError(f"colors differ from those of this machine: {', '.join(failed)}")
    except EdgecolorError as error:
        print(f"emulate: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
