"""Batches: repeatable, the same from workers, and gray and color in register after every augmentation."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecolor.data.dataset import Dataset, Split, load_pairs, open_dataset
from edgecolor.training.batches import Batches
from edgecolor.training.recipe import Augmentation
from edgecolor_runtime.errors import MissingError
from edgecolor_runtime.inference.preprocess import block_mean

PLAIN = Augmentation(
    full_size_cut=1.0,
    aspect=1.0,
    spectral=False,
    gamma=0.0,
    contrast=0.0,
    noisy=0.0,
    blurred=0.0,
    sharpened=0.0,
    compressed=0.0,
)


@pytest.fixture
def data(prepared: Path) -> Dataset:
    return open_dataset(prepared)


def test_batches_repeat_and_epochs_differ(data: Dataset) -> None:
    first, second = (Batches(data, batch=4, size=64, seed=5) for _ in range(2))
    for batches in (first, second):
        batches.start_epoch(3, 64)
    second[0]  # a batch does not depend on the batches that were read before
    np.testing.assert_array_equal(first[1][0], second[1][0])
    second.start_epoch(4, 64)
    assert not np.array_equal(first[1][0], second[1][0])


def test_workers_make_the_same_batches(data: Dataset) -> None:
    with closing(Batches(data, batch=4, size=64, seed=5, workers=2)) as ahead:
        here = Batches(data, batch=4, size=64, seed=5)
        for epoch, size in ((0, 64), (1, 96)):
            for batches in (here, ahead):
                batches.start_epoch(epoch, size)
            for i in range(len(here)):
                for a, b in zip(here[i][1], ahead[i][1], strict=True):
                    np.testing.assert_array_equal(a, b)
                np.testing.assert_array_equal(here[i][0], ahead[i][0])


def test_a_killed_worker_is_reported(data: Dataset) -> None:
    with closing(Batches(data, batch=4, size=64, seed=5, workers=1)) as batches:
        batches[0]
        (worker,) = multiprocessing.active_children()
        worker.kill()
        worker.join()
        batches.start_epoch(1, 64)
        with pytest.raises(MissingError, match="fewer --workers"):
            batches[0]


def test_a_worker_loads_no_keras() -> None:
    program = "import sys, edgecolor.training.augmentation; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_full_size_batch_is_the_photograph_or_its_mirror(data: Dataset) -> None:
    batches = Batches(data, batch=4, size=224, seed=5, augment=PLAIN)
    lightness, (ab, again) = batches[0]
    assert ab is again
    gray, truth = (a.astype(np.float16) for a in load_pairs(data, data.rows[Split.TRAIN]))
    for crop_l, crop_ab in zip(lightness, ab, strict=True):
        pairs = [(gray[i][:, ::s], truth[i][:, ::s]) for i in range(len(gray)) for s in (1, -1)]
        match = [t for g, t in pairs if np.array_equal(g, crop_l)]
        assert match
        np.testing.assert_array_equal(match[0], crop_ab)


@pytest.mark.parametrize(("size", "aspect"), [(96, 1.0), (96, 1.8), (224, 1.8)])
def test_a_crop_keeps_gray_and_color_together(data: Dataset, size: int, aspect: float) -> None:
    """If color is a function of gray, it is the same function of gray after the crop."""
    ramp = data.luma.copy()
    ab = np.stack([ramp[:, ::4, ::4] // 2, 64 - (ramp[:, ::4, ::4] // 4).astype(np.int16)], -1).astype(
        np.int8
    )
    smooth = np.repeat(np.repeat(ramp[:, ::4, ::4], 4, 1), 4, 2)
    ramps = Dataset(smooth, smooth, ab, data.names, data.rows, data.sha256, data.path)
    augment = replace(PLAIN, aspect=aspect, full_size_cut=0.7)
    lightness, (target, _) = Batches(ramps, batch=8, size=size, seed=1, augment=augment)[0]
    for picture, colors in zip(block_mean(lightness[..., 0]), target, strict=True):
        assert np.corrcoef(picture.ravel(), colors[..., 0].ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    "degraded",
    [
        replace(PLAIN, blurred=1.0, compressed=1.0),
        replace(PLAIN, sharpened=1.0),
        replace(PLAIN, gamma=0.3),
        replace(PLAIN, contrast=0.3),
        replace(PLAIN, noisy=1.0),
    ],
)
def test_a_camera_degrades_only_gray(data: Dataset, degraded: Augmentation) -> None:
    (clean, (ab, _)), (degraded_l, (same, _)) = (
        Batches(data, batch=8, size=224, seed=5, augment=a)[0] for a in (PLAIN, degraded)
    )
    # The photographs draw their random numbers in turn, so only the first one has the same crop and flip.
    np.testing.assert_array_equal(ab[0], same[0])
    assert 0.001 < np.abs(clean[0] - degraded_l[0]).mean() < 0.2
    assert np.corrcoef(clean[0].ravel(), degraded_l[0].ravel())[0, 1] > 0.9


def test_faded_photographs_are_normalized_as_on_the_device(data: Dataset) -> None:
    (clean, (ab, _)), (faded, (same, _)) = (
        Batches(data, batch=8, size=224, seed=5, augment=a)[0] for a in (PLAIN, replace(PLAIN, faded=1.0))
    )
    np.testing.assert_array_equal(ab[0], same[0])
    first, second = clean[0].astype(np.float32), faded[0].astype(np.float32)
    assert 0.001 < np.abs(first - second).mean() < 0.15
    assert np.ptp(second) > 0.8 * np.ptp(first), "a faded picture has the tones of a good one"
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.98


def test_no_rows_give_no_pairs(data: Dataset) -> None:
    lightness, ab = load_pairs(data, np.array([], np.int64))
    assert (lightness.shape, ab.shape) == ((0, 224, 224, 1), (0, 56, 56, 2))


def test_mixing_blends_gray_and_color_alike(data: Dataset) -> None:
    batches = [
        Batches(data, batch=8, size=224, seed=5, augment=replace(PLAIN, mixed=share))[0]
        for share in (0.0, 1.0, 0.5)
    ]
    plain, mixed, some = ((x.astype(np.float32), [a.astype(np.float32) for a in y]) for x, y in batches)
    for i, (lightness, ab) in enumerate(zip(mixed[0], mixed[1][0], strict=True)):
        shares = []
        for j in set(range(8)) - {i}:
            difference = plain[0][j] - plain[0][i]
            share = float(((lightness - plain[0][i]) * difference).sum() / np.square(difference).sum())
            if np.allclose(lightness, plain[0][i] + share * difference, atol=1e-3):
                shares.append(share)
                colors = plain[1][0]
                np.testing.assert_allclose(ab, colors[i] + share * (colors[j] - colors[i]), atol=1e-3)
        assert len(shares) == 1
        assert 0.15 <= shares[0] <= 0.5
    untouched = [np.array_equal(a, b) for a, b in zip(some[0], plain[0], strict=True)]
    assert any(untouched)
    assert not all(untouched)
