"""The pictures of a report: gray, original and what each file made of it, with a map of where it is wrong."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgecolor.evaluation.metrics import ciede2000
from edgecolor.report.choice import Variant
from edgecolor_runtime.colors.spaces import F32, U8, rgb_to_lab
from edgecolor_runtime.inference.preprocess import block_mean

QUALITY = 80  # of JPEG: pictures to be looked at, twelve of one photograph and more
MOST = 160  # pictures on a page, at about 15 kB: it stays below 5 MB
WRONG = 30.0  # CIEDE2000 that a map shows as white; 0 is black


@dataclass(frozen=True)
class Colored:
    """What one file made of a photograph, as data URIs."""

    variant: Variant
    picture: str
    map: str  # CIEDE2000 against the original, blocks of 4 x 4 pixels: black 0, white WRONG and more
    wrong: float  # its mean


@dataclass(frozen=True)
class Shown:
    """One photograph."""

    name: str
    gray: str
    original: str
    colored: tuple[Colored, ...]


def pictures_of(variants: Sequence[Variant]) -> tuple[Shown, ...]:
    """The photographs whose pictures are in the records of all that keep any; fewer where files are many."""
    kept = [
        (v, {p.name: p for p in v.evaluation.pictures})
        for v in variants
        if v.evaluation and v.evaluation.pictures
    ]
    if not kept:
        return ()
    names = sorted(set.intersection(*(set(pictures) for _, pictures in kept)))
    names = names[: max(1, MOST // (len(kept) + 2))]
    return tuple(
        _shown(name, [(v, pictures[name].finished) for v, pictures in kept], kept[0][1][name].original)
        for name in names
    )


def _shown(name: str, finished: Sequence[tuple[Variant, U8]], original: U8) -> Shown:
    # The finished picture has the luma of the gray one that it was made from.
    gray = np.asarray(Image.fromarray(finished[0][1]).convert("L"))
    return Shown(
        name=name,
        gray=_uri(gray, "JPEG"),
        original=_uri(original, "JPEG"),
        colored=tuple(_colored(variant, rgb, original) for variant, rgb in finished),
    )


def _colored(variant: Variant, rgb: U8, original: U8) -> Colored:
    # Means of blocks first: what JPEG changed in single pixels is none of the network's.
    wrong = ciede2000(_blocks(rgb), _blocks(original))
    shade = np.rint(np.clip(wrong / WRONG, 0, 1) * 255).astype(np.uint8)
    return Colored(variant, _uri(rgb, "JPEG"), _uri(shade, "PNG"), float(wrong.mean()))


def _blocks(rgb: U8) -> F32:
    lab = rgb_to_lab(rgb)
    return np.stack([block_mean(lab[..., i]) for i in range(3)], axis=-1)


def _uri(pixels: U8, form: str) -> str:
    encoded = io.BytesIO()
    options = {"quality": QUALITY, "optimize": True} if form == "JPEG" else {"optimize": True}
    Image.fromarray(pixels).save(encoded, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(encoded.getvalue()).decode()}"
