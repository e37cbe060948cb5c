"""Files of this machine for the examples in messages, which work when they are pasted."""

from __future__ import annotations

from pathlib import Path

_NETWORKS = ("*.keras", "models/s/s.keras", "runs/*/model.keras")


def sample_photograph() -> Path:
    """Return a photograph of the checkout that is the current folder, or one that comes with edgecolor."""
    from edgecolor.data.calibration import CHECK_PICTURES

    in_checkout = sorted(Path("examples/photographs").glob("*.jpg"))
    return in_checkout[0] if in_checkout else _short(CHECK_PICTURES / "057.jpg")


def sample_photographs() -> Path:
    """Return a folder of color photographs, as `sample_photograph`."""
    from edgecolor.data.calibration import CHECK_PICTURES

    in_checkout = Path("examples/photographs")
    return in_checkout if in_checkout.is_dir() else _short(CHECK_PICTURES)


def sample_network() -> Path | None:
    """Return a .keras file in or below the current folder; None if there is none in the usual places."""
    for pattern in _NETWORKS:
        if networks := sorted(Path().glob(pattern)):
            return networks[0]
    return None


def _short(path: Path) -> Path:
    """Return the path relative to the current folder if it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
