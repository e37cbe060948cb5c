"""The license of the weights: one text in every place, and cards that the Hugging Face Hub can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecolor_runtime.models.shipped import WEIGHTS_LICENSE

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"
FOLDERS = sorted(path.parent for path in MODELS.glob("*/*.keras"))


def test_the_runtime_and_models_have_the_same_text() -> None:
    text = (MODELS / "LICENSE-WEIGHTS").read_text("utf-8")
    assert WEIGHTS_LICENSE.read_text("utf-8") == text
    for statement in ("does not cover the weights", "research only", "LicenseRef-edgecolor-weights"):
        assert statement in text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_folder_with_weights_has_their_license(folder: Path) -> None:
    link = "../LICENSE-WEIGHTS"  # what a checkout without symbolic links holds
    text = (folder / "LICENSE").read_text("utf-8")
    assert text in {(MODELS / "LICENSE-WEIGHTS").read_text("utf-8"), link}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_card_starts_with_metadata_for_the_hub(folder: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="Ray brings it with the [dev] extra")
    empty, front_matter, text = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    assert empty == "" and text.startswith("\n# ")
    metadata = yaml.safe_load(front_matter)
    assert metadata["license"] == "other"
    assert metadata["license_name"] == "edgecolor-weights"
    assert (folder / metadata["license_link"]).exists()
    assert metadata["library_name"] in {"litert", "keras"}
    assert metadata["pipeline_tag"] == "image-to-image"
    assert "image-colorization" in metadata["tags"]


def test_the_first_page_names_the_license() -> None:
    assert "(models/LICENSE-WEIGHTS)" in (REPOSITORY / "README.md").read_text("utf-8")
