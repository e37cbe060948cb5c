"""The record of an evaluation: the figures, the file they are about, and a few pictures if asked for.

`evaluation.schema.json` describes it; `report` reads it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from PIL import Image

import edgecolor_runtime
from edgecolor.data.photographs import list_photographs
from edgecolor.evaluation.evaluator import Evaluation, Shown, evaluate
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.recognition import Classifier
from edgecolor.records.identity import identify
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import UsageError

SCHEMA = "edgecolor-evaluation/1"
SCHEMA_FILE = Path(__file__).with_name("evaluation.schema.json")
PICTURES = 6  # photographs kept at most
QUALITY = 90  # of their JPEG, with chroma at full size


def evaluate_file(
    model: str,
    folder: Path,
    *,
    reference: str | None = None,
    classifier: Path | None = None,
    pictures: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    show: Callable[[Shown], None] | None = None,
) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluates a file, with the record of it.

    Args:
        model: a .keras, an exported .tflite, or a shipped model's name.
        folder: of photographs.
        reference: what `model` was made from, likewise.
        classifier: a .tflite that recognizes; adds that part.
        pictures: keep the pictures of photographs whose names match this pattern; None: of none.
        progress: as of `evaluate`.
        show: as of `evaluate`.

    Raises:
        ModelFileError: no such file, or a broken or foreign one.
        DataError: no photographs, an unreadable one, or none with color.
        UsageError: the pattern matches no photograph.
        MissingError: a .keras without TensorFlow.
    """
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    predictor = open_predictor(model)
    against = open_predictor(reference) if reference else None
    recognizer = Classifier.open(classifier) if classifier else None
    identity = identify(model)
    names = chosen(folder, pictures) if pictures else ()
    kept: list[dict[str, str]] = []

    def keep(shown: Shown) -> None:
        if shown.photograph.name in names:
            kept.append(_kept(shown))
        if show:
            show(shown)

    result = evaluate(
        predictor,
        folder,
        reference=against,
        classifier=recognizer,
        progress=progress,
        show=keep,
    )
    return result, {
        "schema": SCHEMA,
        "created_by": created_by(),
        "started": started,
        "file": asdict(identity),
        **result.to_json(),
        "pictures": kept,
    }


def created_by() -> str:
    """What a record of this version says that made it."""
    return f"edgecolor {edgecolor_runtime.__version__}"


def chosen(folder: Path, pattern: str) -> tuple[str, ...]:
    """Up to PICTURES names of those that match, evenly spread: the same for every model.

    Raises:
        DataError: no photographs.
        UsageError: none matches.
    """
    names = [path.relative_to(folder).as_posix() for path in list_photographs(folder)]
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise UsageError(f"--pictures {pattern}: no photograph of {folder} is called so.")
    count = min(PICTURES, len(found))
    return tuple(found[i * len(found) // count] for i in range(count))


def _kept(shown: Shown) -> dict[str, str]:
    photograph = shown.photograph
    return {"name": photograph.name, "original": _jpeg(photograph.rgb), "finished": _jpeg(shown.finished)}


def _jpeg(rgb: U8) -> str:
    encoded = io.BytesIO()
    Image.fromarray(rgb).save(encoded, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return base64.b64encode(encoded.getvalue()).decode()
