"""The cameras of Video4Linux, what each can do, and who holds one. Constants are those of videodev2.h."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/class/video4linux")
PROCESSES = Path("/proc")

_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES = 0x80685600, 0xC0405602, 0xC02C564A
_VIDEO_CAPTURE, _DISCRETE = 1, 1  # V4L2_CAP_VIDEO_CAPTURE and V4L2_BUF_TYPE_VIDEO_CAPTURE; V4L2_FRMSIZE_TYPE_
_MOST = 32  # formats, and sizes of each, that are asked for

PI_CHAIN = ("unicam", "bcm2835-isp", "bcm2835-codec", "rp1-cfe", "pispbe", "rpivid", "rpi-hevc-dec")
"""Drivers of the Pi's own camera chain: raw sensor data and image processors, which libcamera drives."""

Ioctl = Callable[[int, int, bytearray], object]


@dataclass(frozen=True)
class Device:
    """One device file that gives frames.

    Attributes:
        path: Such as /dev/video0.
        name: What its driver calls it.
        formats: Pixel formats with their sizes, such as "YUYV 640x480 1280x720"; empty if not known.
    """

    path: str
    name: str
    formats: tuple[str, ...] = ()


def devices(system: Path = SYSTEM, folder: Path = Path("/dev"), ioctl: Ioctl = fcntl.ioctl) -> list[Device]:
    """The cameras, by number. One that may not be opened is listed without its formats."""
    found = []
    for entry in sorted(system.glob("video*"), key=lambda entry: int(entry.name.removeprefix("video") or 0)):
        path = folder / entry.name
        try:
            name = (entry / "name").read_text(errors="replace").strip()
        except OSError:
            name = entry.name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError:
            if path.exists():
                found.append(Device(str(path), name))
            continue
        try:
            driver, abilities = _abilities(descriptor, ioctl)
            if abilities & _VIDEO_CAPTURE and driver not in PI_CHAIN:
                found.append(Device(str(path), name, tuple(_formats(descriptor, ioctl))))
        except OSError:
            continue  # no camera
        finally:
            os.close(descriptor)
    return found


def _abilities(descriptor: int, ioctl: Ioctl) -> tuple[str, int]:
    """Driver and V4L2_CAP_ flags of one device file: struct v4l2_capability, 104 bytes, device_caps at 88."""
    answer = bytearray(104)
    ioctl(descriptor, _QUERYCAP, answer)
    (flags,) = struct.unpack_from("=I", answer, 88)
    return answer[:16].split(b"\0")[0].decode(errors="replace"), flags


def _formats(descriptor: int, ioctl: Ioctl) -> Iterator[str]:
    """Struct v4l2_fmtdesc, 64 bytes: index, type, ..., pixelformat at 44."""
    for index in range(_MOST):
        answer = bytearray(struct.pack("=II", index, _VIDEO_CAPTURE).ljust(64, b"\0"))
        try:
            ioctl(descriptor, _ENUM_FMT, answer)
        except OSError:  # EINVAL behind the last
            return
        code = bytes(answer[44:48])
        yield " ".join([code.decode("ascii", "replace").strip(), *_sizes(descriptor, code, ioctl)])


def _sizes(descriptor: int, code: bytes, ioctl: Ioctl) -> Iterator[str]:
    """Struct v4l2_frmsizeenum, 44 bytes: index, pixel_format, type, then width and height."""
    for index in range(_MOST):
        answer = bytearray(struct.pack("=I4s", index, code).ljust(44, b"\0"))
        try:
            ioctl(descriptor, _ENUM_FRAMESIZES, answer)
        except OSError:
            return
        kind, width, height = struct.unpack_from("=III", answer, 8)
        if kind != _DISCRETE:
            return  # any size in a range
        yield f"{width}x{height}"


def holders(wanted: Callable[[str], bool]) -> list[tuple[int, str]]:
    """Other processes that have such a file open: (pid, command). Those of other users only root sees."""
    found = []
    for process in PROCESSES.glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            targets = [os.readlink(link) for link in (process / "fd").iterdir()]  # noqa: PTH115
            if any(wanted(target) for target in targets):
                found.append((int(process.name), (process / "comm").read_text(errors="replace").strip()))
    return sorted(found)


def in_use(wanted: Callable[[str], bool]) -> str:
    """What to say of a busy camera: who holds it, as far as this user may see."""
    names = ", ".join(f"{command} (pid {pid})" for pid, command in holders(wanted))
    return f"in use by {names or 'another program'}; end that first"
