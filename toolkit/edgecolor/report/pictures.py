"""The pictures of a report: gray, original, each file's picture, and a map of its color errors."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgecolor.evaluation.metrics import ciede2000
from edgecolor.records.thumbnails import decode_thumbnail
from edgecolor.report.contents import ComparedFile
from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.inference.preprocess import block_mean

QUALITY = 80  # of JPEG: a page shows twelve and more pictures of one photograph
MAX_PICTURES = 160  # of a page; at about 15 kB each the page stays below 5 MB
WHITE_ERROR = 30.0  # CIEDE2000 that an error map shows as white; 0 is black


@dataclass(frozen=True)
class ColoredVersion:
    """One file's picture of a photograph, as data URIs.

    Attributes:
        map: CIEDE2000 against the original, of blocks of 4 x 4 pixels: black 0, white WHITE_ERROR and more.
        error: mean of the map.
    """

    file: ComparedFile
    picture: str
    map: str
    error: float


@dataclass(frozen=True)
class PhotographPictures:
    """All pictures of one photograph, as data URIs."""

    name: str
    gray: str
    original: str
    colored: tuple[ColoredVersion, ...]


def collect_pictures(files: Sequence[ComparedFile]) -> tuple[PhotographPictures, ...]:
    """Return the photographs that all records with thumbnails contain; fewer if there are many files."""
    kept = [
        (file, {thumbnail.name: thumbnail for thumbnail in file.record.pictures})
        for file in files
        if file.record and file.record.pictures
    ]
    if not kept:
        return ()
    names = sorted(set.intersection(*(set(thumbnails) for _, thumbnails in kept)))
    names = names[: max(1, MAX_PICTURES // (len(kept) + 2))]
    return tuple(
        _photograph(
            name,
            decode_thumbnail(kept[0][1][name].original),
            [(file, decode_thumbnail(thumbnails[name].finished)) for file, thumbnails in kept],
        )
        for name in names
    )


def _photograph(name: str, original: U8, finished: Sequence[tuple[ComparedFile, U8]]) -> PhotographPictures:
    # The finished picture has the luma of the gray picture that it was made from.
    gray = np.asarray(Image.fromarray(finished[0][1]).convert("L"))
    return PhotographPictures(
        name=name,
        gray=_data_uri(gray, "JPEG"),
        original=_data_uri(original, "JPEG"),
        colored=tuple(_colored(file, rgb, original) for file, rgb in finished),
    )


def _colored(file: ComparedFile, rgb: U8, original: U8) -> ColoredVersion:
    # Means of blocks: JPEG changes single pixels, and these changes are not errors of the network.
    errors = ciede2000(_blocks(rgb), _blocks(original))
    shade = np.rint(np.clip(errors / WHITE_ERROR, 0, 1) * 255).astype(np.uint8)
    return ColoredVersion(file, _data_uri(rgb, "JPEG"), _data_uri(shade, "PNG"), float(errors.mean()))


def _blocks(rgb: U8) -> F32:
    lab = rgb_to_lab(rgb)
    return np.stack([block_mean(lab[..., i]) for i in range(3)], axis=-1)


def _data_uri(pixels: U8, form: str) -> str:
    encoded = io.BytesIO()
    options = {"quality": QUALITY, "optimize": True} if form == "JPEG" else {"optimize": True}
    Image.fromarray(pixels).save(encoded, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(encoded.getvalue()).decode()}"
