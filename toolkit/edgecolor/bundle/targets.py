"""The systems that a bundle can be made for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BundleTarget:
    """A system that a bundle is made for.

    Attributes:
        architecture: Debian's name of the architecture.
        machines: values that Python's `platform.machine()` may have there; wheels are for the first.
        bits: size of a pointer.
        python: Python version of the release.
        glibc: minor version of the C library, 2.x.
        debian_packages: name of a distribution without a wheel for this system -> its Debian package.
        signing_packages: the same for what verifies signatures; only a bundle with trusted keys has them.
        constraints: requirements that keep all packages compatible with the numpy of the release.
    """

    architecture: str
    machines: tuple[str, ...]
    bits: int
    python: tuple[int, int]
    glibc: int
    debian_packages: dict[str, str] = field(default_factory=dict)
    signing_packages: dict[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()

    @property
    def python_version(self) -> str:
        """Python version as text, such as "3.11"."""
        return ".".join(map(str, self.python))


# From 0.6 ml_dtypes, which ai-edge-litert depends on, requires numpy 2; apt's packages are built for numpy 1.
_KEEP_NUMPY_1 = ("ml_dtypes<0.6",)

TARGETS = {
    "bookworm-arm64": BundleTarget(
        architecture="arm64",
        machines=("aarch64",),
        bits=64,
        python=(3, 11),
        glibc=36,
        constraints=_KEEP_NUMPY_1,
    ),
    "trixie-arm64": BundleTarget(
        architecture="arm64", machines=("aarch64",), bits=64, python=(3, 13), glibc=41
    ),
    "bookworm-armhf": BundleTarget(
        architecture="armhf",
        machines=("armv7l", "armv8l", "aarch64"),  # a 32-bit system may run under a 64-bit kernel
        bits=32,
        python=(3, 11),
        glibc=36,
        debian_packages={"numpy": "python3-numpy", "pillow": "python3-pil"},
        signing_packages={"cryptography": "python3-cryptography"},
    ),
    "bookworm-amd64": BundleTarget(
        architecture="amd64",
        machines=("x86_64",),
        bits=64,
        python=(3, 11),
        glibc=36,
        constraints=_KEEP_NUMPY_1,
    ),
    "trixie-amd64": BundleTarget(
        architecture="amd64", machines=("x86_64",), bits=64, python=(3, 13), glibc=41
    ),
}
"""Debian release and architecture -> the system. Raspberry Pi OS has the same names and versions."""
