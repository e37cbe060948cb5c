"""A video is normalized alike from frame to frame, slowly adapting, and afresh after a cut."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecolor_runtime import Colorizer
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.inference.normalization import WHOLE, Box, Normalization, measure_normalization
from edgecolor_runtime.live.loop import LiveLoop
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.live.steady_normalization import MOUNT_FRAMES, SteadyNormalization
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import AllFrames
from edgecolor_runtime.sources.stepwise import StepwiseSource


@pytest.fixture
def scene() -> U8:
    """A faded scene, shape (224, 224)."""
    coarse = np.random.default_rng(1).integers(90, 190, (14, 14), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC))


def with_lamp(scene: U8) -> U8:
    lit = scene.copy()
    lit[20:60, 20:60] = 250
    return lit


def test_a_lamp_that_goes_out_changes_the_rest_slowly(scene: U8) -> None:
    steady, lit = SteadyNormalization(), with_lamp(scene)
    for _ in range(60):
        before = steady.follow(lit)
    alone = measure_normalization(scene)
    assert before.tones.white - alone.tones.white > 30
    whites = [steady.follow(scene).tones.white for _ in range(200)]
    steps = -np.diff([before.tones.white, *whites])
    assert steps.min() >= 0 and steps.max() < 4, "no pumping"
    assert whites[-1] == pytest.approx(alone.tones.white, abs=1)


def test_a_lamp_that_goes_on_is_not_clipped_for_long(scene: U8) -> None:
    steady, lit = SteadyNormalization(), with_lamp(scene)
    for _ in range(20):
        steady.follow(scene)
    whites = [steady.follow(lit).tones.white for _ in range(12)]
    assert measure_normalization(lit).tones.white - whites[-1] < 4


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_or_a_reset_starts_afresh(scene: U8, reset: bool) -> None:
    steady = SteadyNormalization()
    for _ in range(20):
        steady.follow(scene)
    other = (scene // 2 if not reset else scene - 5)[::-1].copy()
    if reset:
        steady.reset()
    assert steady.follow(other) == measure_normalization(other)


def test_the_mount_stays_until_another_is_there_for_long(scene: U8) -> None:
    bars = scene.copy()
    bars[:30], bars[-30:] = 16, 16
    steady = SteadyNormalization()
    box = steady.follow(bars).inside
    assert box == Box(0, 30, 224, 194)
    dark = bars.copy()
    dark[30:60] = 16
    for _ in range(3):
        for _ in range(MOUNT_FRAMES - 1):
            assert steady.follow(dark).inside == box
        assert steady.follow(bars).inside == box
    insides = [steady.follow(scene).inside for _ in range(MOUNT_FRAMES)]
    assert insides == [box] * (MOUNT_FRAMES - 1) + [WHOLE]


class Clip(StepwiseSource):
    """A source of these pictures."""

    def __init__(self, pictures: list[U8]) -> None:
        super().__init__("clip", live=False, framerate=30.0)
        self._pictures = iter(pictures)
        self._count = 0

    def _step(self) -> Frame | None:
        picture = next(self._pictures, None)
        if picture is None:
            raise EOFError
        self._count += 1
        return Frame(Image.fromarray(picture), self._count / 30, restarted=self._count == 3)

    def _release(self) -> None:
        """Nothing is held."""


def test_the_loop_normalizes_frames_alike_and_afresh_after_a_restart(
    scene: U8, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Normalization | None] = []
    predict = Colorizer.predict

    def record(self: Colorizer, seen: U8, normalization: Normalization | None = None) -> F32:
        given.append(normalization)
        return predict(self, seen, normalization)

    monkeypatch.setattr(Colorizer, "predict", record)
    clip = [with_lamp(scene), scene, scene]
    assert len(list(LiveLoop(AllFrames(Clip(clip)), colorizer, stabilizer=Stabilizer()))) == 3
    first, second, third = given
    assert first == measure_normalization(clip[0]) and third == measure_normalization(scene)
    assert second is not None and second.tones.white > measure_normalization(scene).tones.white + 30
    given.clear()
    list(LiveLoop(AllFrames(Clip(clip)), colorizer))
    assert given == [None, None, None], "without a stabilizer each frame is on its own"
