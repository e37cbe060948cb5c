"""How training goes, on the val rows after every epoch: figures, and pictures of the same few photographs.

After the last one also what the train rows are like, for `edgecolor export`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray
from PIL import Image

from edgecolor.data.coverage import Histograms, build_histograms
from edgecolor.data.dataset import MIN_HELD_OUT, Dataset, whole
from edgecolor.network.fusion import HEAD, resized
from edgecolor.support.contact_sheet import contact_sheet
from edgecolor.training.loss import colorfulness
from edgecolor_runtime.colors.spaces import F32, LIGHTNESS_OF_LUMA, U8, lab_to_rgb
from edgecolor_runtime.models.signature import AB_SCALE, INPUT_SIZE

SAMPLED = 400  # photographs that tell what the training data is like
CENTERED_BY = (
    MIN_HELD_OUT,
    2000,
)  # val photographs: the least that centring needs, the most that it looks at
SHOWN = 12  # photographs on the sheet
CHUNK = 16  # photographs through the network at once
GAINS = (0.25, 4.0)  # of saturation; a network that is hardly trained is not shown with more
SLACK = 0.02
FLOOR = 1.0 / AB_SCALE  # error of one Lab unit: what 8-bit colors leave


def figures(network: Any, data: Dataset) -> dict[str, float]:
    """Figures over the whole val photographs; empty where there are none.

    Returns:
        saturation: the gain on ab that matches colorfulness, see `matching_gain`;
        val_gain_db: mean gain over gray of the error in ab, dB, a picture at a time;
        val_color_share: mean colorfulness as a share of the originals';
        val_colorfulness_error: mean per-picture difference of colorfulness, likewise.
    """
    rows = data.rows["val"]
    if not len(rows):
        return {}
    gain, ours, theirs = [], [], []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        lightness, truth = whole(data, chunk)
        guess = _predict(network, lightness)
        gain.append(_power(truth) - _power(guess - truth))
        ours.append(ops.convert_to_numpy(colorfulness(guess)))
        theirs.append(ops.convert_to_numpy(colorfulness(truth)))
    o, t = np.concatenate(ours), np.concatenate(theirs)
    return {
        "saturation": matching_gain(o, t),
        "val_gain_db": float(np.concatenate(gain).mean()),
        "val_color_share": float(o.mean() / t.mean()),
        "val_colorfulness_error": float(np.abs(o - t).mean() / t.mean()),
    }


def centered(network: Any, data: Dataset) -> Any:
    """A copy whose error has a median of zero in a and in b, over all pixels of the val photographs.

    Lifting rare colors makes the others a little too red, and in the many photographs that are nearly gray
    this costs more than it gives in the few that are red. The last layer's offsets put it right.
    Where there are fewer than `CENTERED_BY` has it is the network itself: a median over 6 would stray from
    that of many by 2 Lab units in a and 3 in b, over 200 by a quarter and a half (root mean square), and what
    it puts right is about 1.
    """
    least, most = CENTERED_BY
    rows = _spread(data.rows["val"], most)
    if len(rows) < least:
        return network
    errors = []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        lightness, truth = whole(data, chunk)
        errors.append((truth - _predict(network, lightness)).reshape(-1, 2))
    copy = resized(network, None)
    offsets = copy.get_layer(f"{HEAD}_conv").bias
    offsets.assign_add(np.median(np.concatenate(errors), axis=0))  # tanh is straight where most colors lie
    return copy


def say_what_is_missing(data: Dataset, say: Callable[[str], None]) -> None:
    """Says what cannot be done, where there are too few val photographs for it."""
    found, least = len(data.rows["val"]), CENTERED_BY[0]
    if not found:
        say("no val photographs: without figures and pictures, at a saturation of 1, and not centered")
    elif found < least:
        say(f"{found} val photographs: the colors are not centered, which takes {least}")


def matching_gain(ours: F32, truth: F32) -> float:
    """The least gain at which sum |gain x ours - truth| is within `SLACK` of the least that any gain reaches.

    The error is flat about its least, and color beyond what is needed costs accuracy.

    Args:
        ours: colorfulness of each picture; it grows in proportion to ab.
        truth: of the originals.
    """
    gains = np.arange(GAINS[0], GAINS[1] + 0.005, 0.01)
    errors = np.abs(gains[:, None] * ours - truth).sum(axis=1)
    return round(float(gains[np.argmax(errors <= (1 + SLACK) * errors.min())]), 2)


def _power(ab: F32) -> F32:
    """Mean square of each picture's ab in dB: (n, h, w, 2) to (n,)."""
    decibel: F32 = 10 * np.log10(np.square(ab).mean(axis=(1, 2, 3)) + FLOOR**2)
    return decibel


def _predict(network: Any, lightness: F32) -> F32:
    """Answers for at most `CHUNK` pictures; filled up to so many, since XLA compiles anew for each number."""
    full = np.concatenate([lightness, np.zeros((CHUNK - len(lightness), *lightness.shape[1:]), np.float32)])
    return np.asarray(network.predict_on_batch(full)[: len(lightness)], dtype=np.float32)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of them, evenly spread from the first to the last."""
    spread: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int)]
    return spread


def training_histograms(network: Any, data: Dataset) -> Histograms:
    """What the training data is like: histograms of some train photographs and of the network's answers."""
    rows = _spread(data.rows["train"], SAMPLED)
    chunks = np.array_split(rows, -(-len(rows) // CHUNK))
    answers = [_predict(network, whole(data, chunk)[0]) for chunk in chunks]
    return build_histograms(data.luma[rows], np.concatenate(answers))


def write_sheet(network: Any, data: Dataset, path: Path) -> None:
    """Writes gray, ours and original of the first val photographs; nothing where there are none."""
    rows = data.rows["val"][:SHOWN]
    if not len(rows):
        return
    lightness, truth = whole(data, rows)
    pictures = [
        [Image.fromarray(gray).convert("RGB"), _colored(gray, guess), _colored(gray, true)]
        for gray, guess, true in zip(data.luma[rows], _predict(network, lightness), truth, strict=True)
    ]
    sheet = contact_sheet(pictures, captions=["gray", "ours", "original at 56 x 56"], columns=2)
    partial = path.with_name(f".partial-{path.name}")
    sheet.save(partial, quality=85)
    partial.replace(path)


def _colored(luma: U8, output: F32) -> Image.Image:
    """Luma (224, 224) and network output (56, 56, 2) to a picture."""
    planes = [Image.fromarray(output[..., i] * np.float32(AB_SCALE)) for i in (0, 1)]
    ab = [np.asarray(p.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)) for p in planes]
    lab = np.stack([LIGHTNESS_OF_LUMA[luma], *ab], axis=-1)
    return Image.fromarray(np.rint(lab_to_rgb(lab)).astype(np.uint8))
