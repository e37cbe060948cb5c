"""What the tests of training share: forty photographs, prepared once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecolor.dataset import prepare

CALIBRATION = Path(__file__).parents[2] / "calibration"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = tmp_path_factory.mktemp("photos")
    for file in sorted(CALIBRATION.rglob("*.jpg"))[:40]:
        (photos / file.name).symlink_to(file)
    out = photos.parent / f"{photos.name}-prepared"
    prepare(photos, out, val_every=6)
    return out
