"""The systems that a bundle can be made for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """A system that a bundle is made for.

    Attributes:
        architecture: Debian's word for it.
        machines: what Python's `platform.machine()` may be there; wheels are for the first.
        bits: of a pointer.
        python: the version that its release has.
        glibc: the minor version of its C library, 2.x.
        debs: distributions without a wheel for it -> their Debian packages.
        also: requirements by which everything goes with the numpy that its release has.
    """

    architecture: str
    machines: tuple[str, ...]
    bits: int
    python: tuple[int, int]
    glibc: int
    debs: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Of Python, as a word."""
        return ".".join(map(str, self.python))


_BOOKWORM = ((3, 11), 36)
_TRIXIE = ((3, 13), 41)

_NUMPY_1 = ("ml_dtypes<0.6",)  # litert's; from 0.6 it wants numpy 2, and what apt built for numpy 1 breaks
_ARM32 = ("armv7l", "armv8l", "aarch64")  # 32-bit Raspberry Pi OS may run under a 64-bit kernel
_NO_WHEELS = {"numpy": "python3-numpy", "pillow": "python3-pil"}

TARGETS = {
    "bookworm-arm64": Target("arm64", ("aarch64",), 64, *_BOOKWORM, also=_NUMPY_1),
    "trixie-arm64": Target("arm64", ("aarch64",), 64, *_TRIXIE),
    "bookworm-armhf": Target("armhf", _ARM32, 32, *_BOOKWORM, debs=_NO_WHEELS),
    "bookworm-amd64": Target("amd64", ("x86_64",), 64, *_BOOKWORM, also=_NUMPY_1),
    "trixie-amd64": Target("amd64", ("x86_64",), 64, *_TRIXIE),
}
"""Debian release and architecture -> what it is. Raspberry Pi OS has the same names and versions."""
