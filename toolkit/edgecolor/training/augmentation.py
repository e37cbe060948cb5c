"""Training pictures: random crops of prepared photographs, flipped, degraded as by a camera, and mixed."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgecolor.data.dataset import Dataset, Split
from edgecolor.training.recipe import Augmentation
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.inference.normalization import measure_tones, stretch
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT
from edgecolor_runtime.models.signature import AB_SCALE, CHROMA_STRIDE, INPUT_SIZE

MIN_MIXED_SHARE = 0.15  # of the second photograph in a mixed picture
MAX_MIXED_SHARE = 0.5
FLIP_SHARE = 0.5  # of pictures
JPEG_QUALITIES = (30, 96)  # lowest, and highest plus one
FADED_SPANS = (60, 150)  # levels between black and white in a faded or dark picture

F16 = NDArray[np.float16]
CropBox = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


@dataclass(frozen=True)
class AugmentedCrops:
    """Batches of `batch` crops. The order and every random choice follow from (seed, epoch, index) alone.

    The class needs neither Keras nor a backend, so that worker processes start fast.
    """

    data: Dataset
    batch: int
    seed: int
    augment: Augmentation

    def make_batch(self, epoch: int, size: int, index: int) -> tuple[F16, F16]:
        """Return batch `index` of an epoch at `size` pixels per side, a multiple of 32.

        Returns:
            L (n, size, size, 1) and ab (n, size / 4, size / 4, 2) on the scales of the network, as float16.
            That is within a twentieth of a gray level. It halves the bytes between worker and trainer, which
            limit the speed at thousands of pictures per second.
        """
        rng = np.random.default_rng([self.seed, epoch, index])
        rows = self._order(epoch)[index * self.batch : (index + 1) * self.batch]
        crops = [self._crop(int(row), size, rng) for row in rows]
        lightness = np.stack([c[0] for c in crops])[..., None]
        ab = np.stack([c[1] for c in crops])
        if self.augment.mixed:
            lightness, ab = self._mix(lightness, ab, rng)
        return lightness.astype(np.float16), ab.astype(np.float16)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch]).permutation(self.data.rows[Split.TRAIN])

    def _mix(self, lightness: F32, ab: F32, rng: np.random.Generator) -> tuple[F32, F32]:
        """Blend some pictures with another one of the batch, as in a double exposure, colors included.

        Zhang et al., "mixup: Beyond empirical risk minimization", 2018 (arXiv:1710.09412). No network has
        memorized such a picture, so a student learns how its teacher generalizes.
        """
        count = len(ab)
        others = (np.arange(count) + rng.integers(1, max(count, 2), size=count)) % count
        shares = rng.uniform(MIN_MIXED_SHARE, MAX_MIXED_SHARE, size=count)
        shares = shares * (rng.uniform(size=count) < self.augment.mixed)
        over = shares.astype(np.float32)[:, None, None, None]
        return lightness + over * (lightness[others] - lightness), ab + over * (ab[others] - ab)

    def _crop(self, row: int, size: int, rng: np.random.Generator) -> tuple[F32, F32]:
        box = self._choose_box(size, rng)
        gray = self.data.luma[row]
        if self.augment.spectral:
            gray = _blend(gray, self.data.lightness[row], int(rng.integers(257)))
        gray = _resize(gray, box, size)
        small = size // CHROMA_STRIDE
        chroma_box = (
            box[0] / CHROMA_STRIDE,
            box[1] / CHROMA_STRIDE,
            box[2] / CHROMA_STRIDE,
            box[3] / CHROMA_STRIDE,
        )
        offset = self.data.ab[row].view(np.uint8) ^ 128  # signed to offset binary, which Pillow can resize
        ab = np.stack([_resize(offset[..., i], chroma_box, small) for i in (0, 1)], axis=-1)
        if rng.uniform() < FLIP_SHARE:
            gray, ab = gray[:, ::-1], ab[:, ::-1]
        return self._degrade(gray, self.data.luma[row], rng), (ab.astype(np.float32) - 128) / np.float32(
            AB_SCALE
        )

    def _choose_box(self, size: int, rng: np.random.Generator) -> CropBox:
        """Return a random crop with a random aspect ratio. Below full size it is hardly enlarged."""
        a = self.augment
        smallest = a.full_size_cut if size == INPUT_SIZE else max(a.smallest_cut, size / INPUT_SIZE)
        side = rng.uniform(smallest, 1.0)
        stretch = a.aspect ** rng.uniform(-0.5, 0.5)
        width, height = INPUT_SIZE * min(side * stretch, 1.0), INPUT_SIZE * min(side / stretch, 1.0)
        left, top = rng.uniform(0, INPUT_SIZE - width), rng.uniform(0, INPUT_SIZE - height)
        return left, top, left + width, top + height

    def _degrade(self, gray: U8, whole: U8, rng: np.random.Generator) -> F32:
        """Apply the steps of a camera in order: focus, tone, noise, JPEG. Return L on the network's scale.

        The crop is stretched as the device would stretch the whole photograph.
        """
        a = self.augment
        focus = rng.uniform()
        if focus < a.blurred:
            gray = _filter(gray, ImageFilter.GaussianBlur(rng.uniform(0, a.blur)))
        elif focus < a.blurred + a.sharpened:
            gray = _filter(gray, ImageFilter.UnsharpMask(1.0, int(100 * rng.uniform(0, a.sharpen)), 0))
        tone = self._choose_tone(rng)
        gray = tone[gray]
        if rng.uniform() < a.noisy:
            noise = rng.standard_normal(gray.shape, dtype=np.float32) * np.float32(rng.uniform(0, a.noise))
            gray = np.clip(np.rint(gray + noise), 0, 255).astype(np.uint8)
        if a.compressed and rng.uniform() < a.compressed:
            gray = _compress(gray, int(rng.integers(*JPEG_QUALITIES)))
        return NETWORK_INPUT[stretch(gray, measure_tones(tone[whole]))]

    def _choose_tone(self, rng: np.random.Generator) -> U8:
        """Return a tone curve of 256 grays: gamma, then contrast about middle gray, then fading."""
        gamma = 2.0 ** rng.normal(0, self.augment.gamma)
        contrast = 2.0 ** rng.normal(0, self.augment.contrast)
        curve = ((np.arange(256) / 255) ** gamma - 0.5) * contrast + 0.5
        levels = 255 * curve.clip(0, 1)
        if self.augment.faded and rng.uniform() < self.augment.faded:
            span = rng.uniform(*FADED_SPANS)
            levels = rng.uniform(0, 255 - span) + levels * (span / 255)
        return np.asarray(np.rint(levels), dtype=np.uint8)


def _blend(luma: U8, lightness: U8, share: int) -> U8:
    """Return `share` / 256 of luma and the rest of lightness. Integers are faster than floats here."""
    blend = luma.astype(np.uint16) * share + lightness.astype(np.uint16) * (256 - share)
    return (blend >> 8).astype(np.uint8)


def _resize(plane: U8, box: CropBox, size: int) -> U8:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))


def _filter(gray: U8, kernel: ImageFilter.MultibandFilter) -> U8:
    return np.asarray(Image.fromarray(np.ascontiguousarray(gray)).filter(kernel))


def _compress(gray: U8, quality: int) -> U8:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(gray)).save(file, "JPEG", quality=quality)
    with open_image(file) as picture:
        return np.asarray(picture)
