"""Installs the bundles in emulated Raspberry Pis, colors there, and compares with the colors made here.

    make emulated            some minutes; pip and apt fetch about 400 MB
    python tests/emulated/emulate.py bookworm-armhf --json report.json

What is real: Debian's Python, C library, numpy and Pillow; the wheels for Arm; install.sh, from the checksums
to the check of the golden vectors. What is not: the processor (QEMU has its instructions, not its speed), the
kernel, systemd, a camera, and Raspberry Pi OS's own packages (it rebuilds some of Debian's).
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
from foreign import Root, fetch_qemu
from PIL import Image

from edgecolor.bundle import wheels
from edgecolor.bundle.targets import TARGETS
from edgecolor.cli import main as edgecolor
from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError

REPOSITORY = Path(__file__).resolve().parents[2]
PHOTOGRAPH = REPOSITORY / "examples/photographs/kodim03.jpg"
FRAMES = 10
FRAME = (320, 240)  # pixels


@dataclass(frozen=True)
class Case:
    """A device.

    Attributes:
        target: of its bundle.
        processor: as QEMU calls it.
        interpreter: the distribution.
        packages: what its owner installed from Debian besides Python.
        video: whether its bundle has PyAV; else frames come from a folder.
    """

    target: str
    processor: str
    interpreter: str
    packages: tuple[str, ...] = ()
    video: bool = True


CASES = {  # a Cortex-A72 is that of a Raspberry Pi 4, A76 of a 5, A7 of a 2
    "bookworm-arm64": Case("bookworm-arm64", "cortex-a72", "ai-edge-litert"),
    # As with picamera2: Debian's numpy 1.24 and Pillow 9.4 stay in use.
    "bookworm-arm64-tflite": Case(
        "bookworm-arm64", "cortex-a72", "tflite-runtime", ("python3-numpy", "python3-pil")
    ),
    "trixie-arm64": Case("trixie-arm64", "cortex-a76", "ai-edge-litert"),
    "bookworm-armhf": Case("bookworm-armhf", "cortex-a7", "tflite-runtime", video=False),
}


@dataclass(frozen=True)
class Difference:
    """Between colored pictures made there and here, in levels of 0 to 255 over R, G and B."""

    mean: float
    largest: float


LIMITS = {"ai-edge-litert": Difference(0.001, 4), "tflite-runtime": Difference(2, 40)}
"""Interpreter there (here it is ai-edge-litert) -> what is allowed."""


@dataclass(frozen=True)
class Result:
    """What one device did."""

    device: str
    processor: str
    python: str
    interpreter: str
    numpy: str
    pillow: str
    golden_mean: float  # in steps of 1/128 of the network's output
    golden_largest: float
    golden_allowed: dict[str, float]
    photograph: Difference
    frames: Difference
    allowed: Difference
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all colors are within their limits; `edgecolor check` has judged the golden vectors."""
        return all(
            found.mean <= self.allowed.mean and found.largest <= self.allowed.largest
            for found in (self.photograph, self.frames)
        )


def emulate(name: str, folder: Path, bundle: Path, qemu: Path) -> Result:
    """Make a device, install the bundle there, color, compare.

    Raises:
        EdgecolorError: something failed on the device.
    """
    begun = time.monotonic()
    case = CASES[name]
    suite = case.target.partition("-")[0]
    root = Root(
        folder / name,
        suite,
        TARGETS[case.target],
        case.packages,
        qemu=qemu,
        processor=case.processor,
    )
    with tarfile.open(bundle) as archive:
        archive.extractall(folder / f"{name}.bundle", filter="data")
    (unpacked,) = (folder / f"{name}.bundle").iterdir()
    prefix = folder / f"{name}.prefix"
    root.run("sh", unpacked / "install.sh", "--prefix", prefix)
    if case.packages and list(prefix.glob("current/venv/lib/*/site-packages/numpy")):
        raise EdgecolorError(f"{name}: the bundle brought a numpy in the place of Debian's")
    python, command = prefix / "current/venv/bin/python", prefix / "current/edgecolor"
    if case.interpreter != "ai-edge-litert" and not list(unpacked.glob("wheels/tflite_runtime*")):
        _exchange(root, python, unpacked, case)
    golden = json.loads(root.run(command, "check", "s", "--json"))["golden"]
    if not golden["interpreter"].startswith(case.interpreter):
        raise EdgecolorError(f"{name} runs {golden['interpreter']}, and was to run {case.interpreter}")
    here, there = folder / "here", folder / f"{name}.colored"
    root.run(command, "run", folder / "photograph.png", "-o", there / "photograph.png")
    frames = "video" if case.video else "frames"
    source = "video.mkv" if case.video else "frames"
    root.run(command, "run", folder / source, "-o", there / frames, "--threads", "1")
    versions = [
        root.run(python, "-c", f"from importlib.metadata import version as v; print(v('{package}'))").strip()
        for package in ("numpy", "pillow")
    ]
    return Result(
        device=name,
        processor=case.processor,
        python=root.run(python, "-c", "import platform; print(platform.python_version())").strip(),
        interpreter=golden["interpreter"],
        numpy=versions[0],
        pillow=versions[1],
        golden_mean=golden["mean"],
        golden_largest=golden["maximum"],
        golden_allowed=golden["limits"],
        photograph=compare(here, there, "*.png"),
        frames=compare(here / frames, there / frames, "*.jpg" if case.video else "*.png"),
        allowed=LIMITS[case.interpreter],
        seconds=time.monotonic() - begun,
    )


def _reach(folder: Path) -> Path:
    """Fetch QEMU through apt and a small wheel through pip, to see that both have a mirror.

    Raises:
        MissingError: one of them has none.
    """
    try:
        wheels.download(["pip"], folder / "probe", TARGETS["bookworm-arm64"])
        return fetch_qemu(folder / "qemu")
    except EdgecolorError as error:
        raise MissingError(f"the emulated devices need pip and apt with their mirrors: {error}") from error


def _exchange(root: Root, python: Path, unpacked: Path, case: Case) -> None:
    """Put another interpreter in the place of the bundle's, as an owner of the device could."""
    extra = unpacked.parent / "extra"
    wheels.download([case.interpreter], extra, TARGETS[case.target])
    (pip,) = unpacked.glob("wheels/pip-*.whl")
    root.run(python, pip / "pip", "uninstall", "--yes", "ai-edge-litert")
    root.run(python, pip / "pip", "--isolated", "install", "--no-index", "--no-deps", *extra.iterdir())


def compare(here: Path, there: Path, pattern: str) -> Difference:
    """Pictures of the same names in two folders."""
    names = sorted(path.name for path in here.glob(pattern))
    if not names or names != sorted(path.name for path in there.glob(pattern)):
        raise EdgecolorError(f"{there} holds other pictures than {here}")
    off = np.concatenate([np.abs(_levels(here / n) - _levels(there / n)).ravel() for n in names])
    return Difference(float(off.mean()), float(off.max()))


def _levels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float32)


def prepare(folder: Path) -> None:
    """A gray photograph, and frames that pan over it, as a video and as pictures; all colored here, too."""
    with Image.open(PHOTOGRAPH) as photograph:
        gray = photograph.convert("L")
    gray.save(folder / "photograph.png")
    (folder / "frames").mkdir()
    with av.open(str(folder / "video.mkv"), "w") as video:
        stream = video.add_stream("ffv1", rate=FRAMES, pix_fmt="gray")  # without loss
        stream.width, stream.height = FRAME
        for n in range(FRAMES):
            frame = gray.crop((16 * n, 8 * n, 16 * n + FRAME[0], 8 * n + FRAME[1]))
            frame.save(folder / f"frames/{n:02}.png")
            video.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), format="gray")))
        video.mux(stream.encode())
    for source in ("photograph.png", "frames"):
        _edgecolor("run", folder / source, "-o", folder / "here" / source)
    _edgecolor("run", folder / "video.mkv", "-o", folder / "here/video")


def _edgecolor(*words: str | Path) -> None:
    with redirect_stdout(sys.stderr):
        code = edgecolor([*map(str, words), "--quiet"])
    if code:
        raise SystemExit(code)  # it has said why


def table(results: list[Result]) -> str:
    """The results as Markdown."""
    head = (
        *("Device", "Processor", "Python", "Interpreter", "numpy", "Pillow"),
        *("Golden vectors: mean, largest step", "(allowed)"),
        *("Photograph: mean, largest level", f"{FRAMES} frames", "(allowed)", "Seconds"),
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
    """Emulate the named devices, or all. The exit code is that of `edgecolor`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("devices", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--json", type=Path, help="a file for the results")
    words = parser.parse_args()
    names = words.devices or list(CASES)
    if unknown := set(names) - set(CASES):
        parser.error(f"no such device: {', '.join(unknown)}")
    results = []
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            prepare(folder)
            qemu = _reach(folder)
            for name in names:
                bundle = folder / f"{CASES[name].target}.tar.gz"
                if not bundle.exists():
                    _edgecolor("bundle", "--target", CASES[name].target, "-o", bundle)
                print(f"{name}: installs and colors", file=sys.stderr, flush=True)
                results.append(emulate(name, folder, bundle, qemu))
        print(table(results))
        if words.json:
            words.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n", "utf-8")
        if failed := [r.device for r in results if not r.passed]:
            raise GateError(f"other colors than here: {', '.join(failed)}")
    except EdgecolorError as error:
        print(f"emulate: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
