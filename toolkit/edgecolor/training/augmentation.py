"""What a training step looks at: random cuts of prepared photographs, flipped, disturbed and mixed."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgecolor.data.dataset import Dataset
from edgecolor.training.recipe import Augmentation
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT
from edgecolor_runtime.models.signature import AB_SCALE, CHROMA_STRIDE, INPUT_SIZE

MIXED_LEAST = 0.15  # share of the other photograph in a double exposure; at most a half

F16 = NDArray[np.float16]
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


@dataclass(frozen=True)
class Cuts:
    """Batches of `batch` cuts. The order and every random choice follow from (seed, epoch, index) alone.

    It needs neither Keras nor a backend, so that several processes can make cuts beside a training one.
    """

    data: Dataset
    batch: int
    seed: int
    augment: Augmentation

    def of(self, epoch: int, size: int, index: int) -> tuple[F16, F16]:
        """Batch `index` of an epoch at `size` pixels a side, a multiple of 32.

        Returns:
            L (n, size, size, 1) and ab (n, size / 4, size / 4, 2), float16, on the network's scales. That is
            within a twentieth of a step of gray, and half the bytes from a worker to the trainer, which at
            thousands of pictures a second does little else than take them in.
        """
        rng = np.random.default_rng([self.seed, epoch, index])
        rows = self._order(epoch)[index * self.batch : (index + 1) * self.batch]
        cuts = [self._cut(int(row), size, rng) for row in rows]
        lightness = np.stack([c[0] for c in cuts])[..., None]
        ab = np.stack([c[1] for c in cuts])
        if self.augment.mixed:
            lightness, ab = self._mix(lightness, ab, rng)
        return lightness.astype(np.float16), ab.astype(np.float16)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch]).permutation(self.data.rows["train"])

    def _mix(self, lightness: F32, ab: F32, rng: np.random.Generator) -> tuple[F32, F32]:
        """Lays another photograph of the batch over some, as in a double exposure, colors and all.

        Zhang et al., "mixup: Beyond empirical risk minimization", 2018 (arXiv:1710.09412). No network knows
        such a picture by heart, so a student learns there how its teacher sees.
        """
        count = len(ab)
        others = (np.arange(count) + rng.integers(1, max(count, 2), size=count)) % count
        shares = rng.uniform(MIXED_LEAST, 0.5, size=count) * (rng.uniform(size=count) < self.augment.mixed)
        over = shares.astype(np.float32)[:, None, None, None]
        return lightness + over * (lightness[others] - lightness), ab + over * (ab[others] - ab)

    def _cut(self, row: int, size: int, rng: np.random.Generator) -> tuple[F32, F32]:
        a = self.augment
        box = self._box(size, rng)
        gray = self.data.luma[row]
        if a.spectral:
            share = int(rng.integers(257))  # of 256: integers are several times faster than floats here
            blend = gray.astype(np.uint16) * share + self.data.lightness[row].astype(np.uint16) * (
                256 - share
            )
            gray = (blend >> 8).astype(np.uint8)
        gray = _resize(gray, box, size)
        small = size // CHROMA_STRIDE
        chroma_box = (
            box[0] / CHROMA_STRIDE,
            box[1] / CHROMA_STRIDE,
            box[2] / CHROMA_STRIDE,
            box[3] / CHROMA_STRIDE,
        )
        offset = self.data.ab[row].view(np.uint8) ^ 128  # signed to offset binary, which Pillow resizes
        ab = np.stack([_resize(offset[..., i], chroma_box, small) for i in (0, 1)], axis=-1)
        if rng.uniform() < 0.5:
            gray, ab = gray[:, ::-1], ab[:, ::-1]
        return self._disturb(gray, rng), (ab.astype(np.float32) - 128) / np.float32(AB_SCALE)

    def _box(self, size: int, rng: np.random.Generator) -> Box:
        """A random cut of another aspect than the photograph's; before full size it is hardly enlarged."""
        a = self.augment
        full = size == INPUT_SIZE
        smallest = a.full_size_cut if full else max(a.smallest_cut, size / INPUT_SIZE)
        side = rng.uniform(smallest, 1.0)
        wider = a.aspect ** rng.uniform(-0.5, 0.5)
        width, height = INPUT_SIZE * min(side * wider, 1.0), INPUT_SIZE * min(side / wider, 1.0)
        left, top = rng.uniform(0, INPUT_SIZE - width), rng.uniform(0, INPUT_SIZE - height)
        return left, top, left + width, top + height

    def _disturb(self, gray: U8, rng: np.random.Generator) -> F32:
        """What cameras do to gray, in their order: focus, tone, noise, JPEG; then the network's scale."""
        a = self.augment
        focus = rng.uniform()
        if focus < a.blurred:
            gray = _filter(gray, ImageFilter.GaussianBlur(rng.uniform(0, a.blur)))
        elif focus < a.blurred + a.sharpened:
            gray = _filter(gray, ImageFilter.UnsharpMask(1.0, int(100 * rng.uniform(0, a.sharpen)), 0))
        gray = self._tone(rng)[gray]
        if rng.uniform() < a.noisy:
            noise = rng.standard_normal(gray.shape, dtype=np.float32) * np.float32(rng.uniform(0, a.noise))
            gray = np.clip(np.rint(gray + noise), 0, 255).astype(np.uint8)
        if a.compressed and rng.uniform() < a.compressed:
            gray = _compress(gray, int(rng.integers(30, 96)))
        return NETWORK_INPUT[gray]

    def _tone(self, rng: np.random.Generator) -> U8:
        """A curve of 256 grays: gamma, then contrast about middle gray."""
        gamma, contrast = (
            2.0 ** rng.normal(0, self.augment.gamma),
            2.0 ** rng.normal(0, self.augment.contrast),
        )
        curve = ((np.arange(256) / 255) ** gamma - 0.5) * contrast + 0.5
        return np.asarray(np.rint(255 * curve.clip(0, 1)), dtype=np.uint8)


def _resize(plane: U8, box: Box, size: int) -> U8:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))


def _filter(gray: U8, kernel: ImageFilter.MultibandFilter) -> U8:
    return np.asarray(Image.fromarray(np.ascontiguousarray(gray)).filter(kernel))


def _compress(gray: U8, quality: int) -> U8:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(gray)).save(file, "JPEG", quality=quality)
    with Image.open(file) as picture:
        return np.asarray(picture)
