"""How training goes: figures on the val photographs, and pictures of a few of them.

After the last epoch also histograms of the train photographs, for `edgecolor export`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray
from PIL import Image

from edgecolor.data.coverage import Histograms, build_histograms
from edgecolor.data.dataset import MIN_HELD_OUT, Dataset, Split, load_pairs
from edgecolor.network.fusion import HEAD, resized
from edgecolor.support.contact_sheet import contact_sheet
from edgecolor.support.progress import PrintLine
from edgecolor.training.loss import colorfulness
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_rgb
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SIZE
from edgecolor_runtime.system import files

HISTOGRAM_PHOTOGRAPHS = 400  # train photographs in the histograms
MIN_CENTERING_PHOTOGRAPHS = MIN_HELD_OUT  # with fewer val photographs the colors are not centered
MAX_CENTERING_PHOTOGRAPHS = 2000
SHEET_PHOTOGRAPHS = 12
SHEET_QUALITY = 85  # of the JPEG file
CHUNK = 16  # photographs per inference
MIN_GAIN = 0.25  # of saturation
MAX_GAIN = 4.0  # of saturation; a network that is hardly trained would need more
GAIN_SLACK = 0.02  # share by which the error may exceed its minimum
ERROR_FLOOR = 1.0 / AB_SCALE  # one Lab unit: the error that 8-bit colors leave


def figures(network: Any, data: Dataset) -> dict[str, float]:
    """Measure a network on all val photographs.

    Returns:
        Nothing if there are no val photographs. Otherwise:
        saturation: the gain on ab that matches colorfulness, see `matching_gain`;
        val_gain_db: mean gain over gray of the error in ab per picture, in dB;
        val_color_share: mean colorfulness as a share of that of the originals;
        val_colorfulness_error: mean difference of colorfulness per picture, as a share of the same.
    """
    rows = data.rows[Split.VAL]
    if not len(rows):
        return {}
    gain, predicted, original = [], [], []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        lightness, truth = load_pairs(data, chunk)
        guess = _predict(network, lightness)
        gain.append(_power(truth) - _power(guess - truth))
        predicted.append(ops.convert_to_numpy(colorfulness(guess)))
        original.append(ops.convert_to_numpy(colorfulness(truth)))
    p, o = np.concatenate(predicted), np.concatenate(original)
    return {
        "saturation": matching_gain(p, o),
        "val_gain_db": float(np.concatenate(gain).mean()),
        "val_color_share": float(p.mean() / o.mean()),
        "val_colorfulness_error": float(np.abs(p - o).mean() / o.mean()),
    }


def centered(network: Any, data: Dataset) -> Any:
    """Return a copy whose error has a median of 0 in a and in b, over all pixels of the val photographs.

    The weight of rare colors makes the other colors a little too red. In the many photographs that are nearly
    gray this costs more than it gains in the few red ones. The copy corrects the offsets of the last layer.

    With fewer than `MIN_CENTERING_PHOTOGRAPHS` the network itself is returned. The correction is about 1 Lab
    unit. The median over 6 photographs differs from that over many by 2 Lab units in a and 3 in b, over 200
    by 0.25 and 0.5 (root mean square).
    """
    rows = _spread(data.rows[Split.VAL], MAX_CENTERING_PHOTOGRAPHS)
    if len(rows) < MIN_CENTERING_PHOTOGRAPHS:
        return network
    errors = []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        lightness, truth = load_pairs(data, chunk)
        errors.append((truth - _predict(network, lightness)).reshape(-1, 2))
    copy = resized(network, None)
    offsets = copy.get_layer(f"{HEAD}_conv").bias
    offsets.assign_add(np.median(np.concatenate(errors), axis=0))  # tanh is linear where most colors are
    return copy


def report_missing(data: Dataset, on_progress: PrintLine) -> None:
    """Report what training leaves out for lack of val photographs."""
    count = len(data.rows[Split.VAL])
    if not count:
        on_progress(
            "no val photographs: no figures, no pictures, a saturation of 1, and colors are not centered"
        )
    elif count < MIN_CENTERING_PHOTOGRAPHS:
        on_progress(
            f"{count} val photographs: the colors are not centered, which needs {MIN_CENTERING_PHOTOGRAPHS}"
        )


def matching_gain(predicted: F32, original: F32) -> float:
    """Return the smallest gain at which sum |gain x predicted - original| is near its minimum.

    Near means within `GAIN_SLACK`. The error is flat about its minimum, and more color than needed costs
    accuracy.

    Args:
        predicted: colorfulness of each predicted picture; it grows in proportion to ab.
        original: colorfulness of each original.
    """
    gains = np.arange(MIN_GAIN, MAX_GAIN + 0.005, 0.01)
    errors = np.abs(gains[:, None] * predicted - original).sum(axis=1)
    return round(float(gains[np.argmax(errors <= (1 + GAIN_SLACK) * errors.min())]), 2)


def _power(ab: F32) -> F32:
    """Return the mean square of each picture's ab in dB: (n, h, w, 2) to (n,)."""
    decibel: F32 = 10 * np.log10(np.square(ab).mean(axis=(1, 2, 3)) + ERROR_FLOOR**2)
    return decibel


def _predict(network: Any, lightness: F32) -> F32:
    """Return the ab of at most `CHUNK` pictures, in a full batch because XLA compiles for each size."""
    full = np.concatenate([lightness, np.zeros((CHUNK - len(lightness), *lightness.shape[1:]), np.float32)])
    return np.asarray(network.predict_on_batch(full)[: len(lightness)], dtype=np.float32)


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` rows, evenly spread from the first to the last."""
    spread: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, min(len(rows), count)).round().astype(int)]
    return spread


def training_histograms(network: Any, data: Dataset) -> Histograms:
    """Return histograms of some train photographs and of the network's output for them."""
    rows = _spread(data.rows[Split.TRAIN], HISTOGRAM_PHOTOGRAPHS)
    chunks = np.array_split(rows, -(-len(rows) // CHUNK))
    outputs = [_predict(network, load_pairs(data, chunk)[0]) for chunk in chunks]
    return build_histograms(data.luma[rows], np.concatenate(outputs))


def write_sheet(network: Any, data: Dataset, path: Path) -> None:
    """Write gray, ours and original of the first val photographs as JPEG. Without any, write nothing."""
    rows = data.rows[Split.VAL][:SHEET_PHOTOGRAPHS]
    if not len(rows):
        return
    lightness, truth = load_pairs(data, rows)
    pictures = [
        [Image.fromarray(gray).convert("RGB"), _color(gray, guess), _color(gray, original)]
        for gray, guess, original in zip(data.luma[rows], _predict(network, lightness), truth, strict=True)
    ]
    sheet = contact_sheet(pictures, captions=["gray", "ours", "original at 56 x 56"], columns=2)
    jpeg = io.BytesIO()
    sheet.save(jpeg, "JPEG", quality=SHEET_QUALITY)
    files.write_bytes(path, jpeg.getvalue(), force=True)


def _color(luma: U8, ab: F32) -> Image.Image:
    """Return the picture of luma (224, 224) and network output (56, 56, 2)."""
    planes = [Image.fromarray(ab[..., i] * np.float32(AB_SCALE)) for i in (0, 1)]
    full = [np.asarray(p.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)) for p in planes]
    lab = np.stack([LIGHTNESS_OF_LUMA[luma], *full], axis=-1)
    return Image.fromarray(np.rint(lab_to_rgb(lab)).astype(np.uint8))
