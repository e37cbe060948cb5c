"""The small pictures in an evaluation record."""

from __future__ import annotations

import io
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from PIL import Image

from edgecolor.data.photographs import list_photographs
from edgecolor.evaluation.scores import ColoredPhotograph
from edgecolor.records.types import MAX_THUMBNAILS, Thumbnail
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.signature import INPUT_SIZE

QUALITY = 90  # of the JPEG, with chroma at full size


def choose_thumbnails(folder: Path, pattern: str) -> tuple[str, ...]:
    """Return the names of up to MAX_THUMBNAILS photographs, evenly spread, the same for every model.

    Args:
        folder: photographs.
        pattern: shell pattern of their names, such as "holiday*".

    Raises:
        DataError: there are no photographs.
        UsageError: no name matches the pattern.
    """
    names = [path.relative_to(folder).as_posix() for path in list_photographs(folder)]
    matching = [name for name in names if fnmatchcase(name, pattern)]
    if not matching:
        raise UsageError(
            f"--pictures {pattern}: no photograph in {folder} has a name that matches. Name another pattern."
        )
    count = min(MAX_THUMBNAILS, len(matching))
    return tuple(matching[i * len(matching) // count] for i in range(count))


def make_thumbnail(colored: ColoredPhotograph) -> Thumbnail:
    """Return the thumbnail of a photograph."""
    photograph = colored.photograph
    return Thumbnail(photograph.name, _encode(photograph.rgb), _encode(colored.finished))


def decode_thumbnail(jpeg: bytes) -> U8:
    """Return the pixels of a picture of a thumbnail, uint8 (224, 224, 3).

    Raises:
        ValueError: it is not a JPEG of this size.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if (image.mode, image.size) == ("RGB", (INPUT_SIZE, INPUT_SIZE)):  # before pixels are decoded
                return np.asarray(image)
    except Exception as error:  # Pillow raises anything on a damaged file
        raise ValueError("not a readable JPEG") from error
    raise ValueError(f"a picture of mode {image.mode} and size {image.size}")


def _encode(rgb: U8) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(rgb).save(encoded, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return encoded.getvalue()
