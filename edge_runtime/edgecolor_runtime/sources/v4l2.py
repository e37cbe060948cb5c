"""The cameras of Video4Linux: what they offer, and who uses them. Constants are those of videodev2.h."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/class/video4linux")
PROCESSES = Path("/proc")

PI_CHAIN = ("unicam", "bcm2835-isp", "bcm2835-codec", "rp1-cfe", "pispbe", "rpivid", "rpi-hevc-dec")
"""Drivers of the Pi's own camera chain: raw sensor data and image processors, which libcamera controls."""

_VIDIOC_QUERYCAP = 0x80685600
_VIDIOC_ENUM_FMT = 0xC0405602
_VIDIOC_ENUM_FRAMESIZES = 0xC02C564A
_VIDEO_CAPTURE = 1  # V4L2_CAP_VIDEO_CAPTURE, and V4L2_BUF_TYPE_VIDEO_CAPTURE
_DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE
_MAX_FORMATS = 32  # formats of a device, and sizes of a format, that are queried

Ioctl = Callable[[int, int, bytearray], object]


@dataclass(frozen=True)
class V4l2Device:
    """A device file that gives frames.

    Attributes:
        path: the device file, such as /dev/video0.
        name: the name that its driver gives it.
        formats: pixel formats with their sizes, such as "YUYV 640x480 1280x720"; empty if they are unknown.
    """

    path: str
    name: str
    formats: tuple[str, ...] = ()


def list_devices(
    system: Path = SYSTEM, folder: Path = Path("/dev"), ioctl: Ioctl | None = None
) -> list[V4l2Device]:
    """Return the cameras in the order of their numbers.

    A device file that this user may not open is listed without its formats.

    Args:
        system: folder with an entry for each device.
        folder: folder of the device files.
        ioctl: sends a request to an open device; the answer is written to its third argument. None:
            the kernel's.
    """
    ioctl = ioctl or _load_ioctl()
    if ioctl is None:
        return []
    devices = []
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
                devices.append(V4l2Device(str(path), name))
            continue
        try:
            driver, capabilities = _query_capabilities(descriptor, ioctl)
            if capabilities & _VIDEO_CAPTURE and driver not in PI_CHAIN:
                devices.append(V4l2Device(str(path), name, tuple(_query_formats(descriptor, ioctl))))
        except OSError:
            continue  # not a camera
        finally:
            os.close(descriptor)
    return devices


def _load_ioctl() -> Ioctl | None:
    """Return the kernel's ioctl; None on Windows, which has neither ioctl nor V4L2."""
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl.ioctl


def _query_capabilities(descriptor: int, ioctl: Ioctl) -> tuple[str, int]:
    """Return driver and V4L2_CAP_ flags: struct v4l2_capability, 104 bytes, device_caps at byte 88."""
    answer = bytearray(104)
    ioctl(descriptor, _VIDIOC_QUERYCAP, answer)
    (flags,) = struct.unpack_from("=I", answer, 88)
    return answer[:16].split(b"\0")[0].decode(errors="replace"), flags


def _query_formats(descriptor: int, ioctl: Ioctl) -> Iterator[str]:
    """Yield formats with their sizes: struct v4l2_fmtdesc, 64 bytes: index, type, ..., pixelformat at 44."""
    for index in range(_MAX_FORMATS):
        answer = bytearray(struct.pack("=II", index, _VIDEO_CAPTURE).ljust(64, b"\0"))
        try:
            ioctl(descriptor, _VIDIOC_ENUM_FMT, answer)
        except OSError:  # EINVAL after the last format
            return
        code = bytes(answer[44:48])
        sizes = _query_sizes(descriptor, code, ioctl)
        yield " ".join([code.decode("ascii", "replace").strip(), *sizes])


def _query_sizes(descriptor: int, code: bytes, ioctl: Ioctl) -> Iterator[str]:
    """Yield sizes: struct v4l2_frmsizeenum, 44 bytes: index, pixel_format, type, then width and height."""
    for index in range(_MAX_FORMATS):
        answer = bytearray(struct.pack("=I4s", index, code).ljust(44, b"\0"))
        try:
            ioctl(descriptor, _VIDIOC_ENUM_FRAMESIZES, answer)
        except OSError:
            return
        kind, width, height = struct.unpack_from("=III", answer, 8)
        if kind != _DISCRETE:
            return  # any size in a range
        yield f"{width}x{height}"


def find_holders(is_wanted: Callable[[str], bool]) -> list[tuple[int, str]]:
    """Return the other processes that have a file open: their numbers and commands.

    Only root sees the files of other users' processes.

    Args:
        is_wanted: whether a path of an open file is the wanted one.
    """
    holders = []
    for process in PROCESSES.glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            targets = [os.readlink(link) for link in (process / "fd").iterdir()]  # noqa: PTH115
            if any(is_wanted(target) for target in targets):
                holders.append((int(process.name), (process / "comm").read_text(errors="replace").strip()))
    return sorted(holders)


def describe_busy(is_wanted: Callable[[str], bool]) -> str:
    """Return the message about a busy camera: which programs use it, as far as this user may see."""
    names = ", ".join(f"{command} (pid {pid})" for pid, command in find_holders(is_wanted))
    return f"in use by {names or 'another program'}. End that program first."
