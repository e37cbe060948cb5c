"""The live loop: colors, rotates, stabilizes and counts; and starts afresh when a source was reconnected."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageOps

from edgecolor_runtime import Colorizer
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.live.loop import LiveLoop
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.live.statistics import STAGES, Percentiles
from edgecolor_runtime.sources import latest
from edgecolor_runtime.sources.frames import Frame
from edgecolor_runtime.sources.latest import AllFrames, LatestFrames
from edgecolor_runtime.sources.orientation import Orientation
from edgecolor_runtime.sources.playback import Playback
from edgecolor_runtime.sources.stepwise import StepwiseSource


class Recording(StepwiseSource):
    """A source that gives these pictures once."""

    def __init__(self, pictures: list[Image.Image], *, live: bool = False) -> None:
        super().__init__("recording", live=live, framerate=30.0)
        self._pictures = list(pictures)
        self._given = 0

    def _step(self) -> Frame | None:
        if self._given == len(self._pictures):
            raise EOFError
        self._given += 1
        seconds = time.monotonic() if self.live else self._given / 30
        return Frame(self._pictures[self._given - 1], seconds)

    def _release(self) -> None:
        """Nothing is held."""


class GrayStabilizer(Stabilizer):
    """Makes every color gray, and records the shapes that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def stabilize(self, seen: U8, ab: F32) -> F32:
        self.shapes.append((seen.shape, ab.shape))
        return ab * 0


def test_the_loop_colors_rotates_stabilizes_and_counts(colorizer: Colorizer, cloud: Image.Image) -> None:
    stabilizer = GrayStabilizer()
    loop = LiveLoop(
        AllFrames(Recording([cloud] * 7)),
        colorizer,
        stabilizer=stabilizer,
        orientation=Orientation(90),
        max_frames=5,
    )
    assert loop.statistics.snapshot().frames == 0
    for shot in loop:
        assert shot.frame.y.size == (240, 320)
        chroma = np.ptp(np.asarray(shot.frame.to_rgb()).astype(int), axis=2)
        assert chroma.max() <= 1, "the stabilizer made it gray"
        assert set(shot.times) == set(STAGES) - {"encode"}
        shot.times["encode"] = 0.5
    assert stabilizer.shapes == [((224, 224), (56, 56, 2))] * 5
    statistics = loop.statistics.snapshot()
    assert (statistics.frames, statistics.dropped, statistics.size) == (5, 0, (240, 320))
    assert (statistics.source, statistics.model) == ("recording", "tiny")
    assert statistics.stages_ms["encode"] == Percentiles(500, 500, 500)
    assert statistics.latency_ms is not None
    assert statistics.fps > 0 and statistics.latency_ms.p50 >= 500
    assert statistics.to_json()["size"] == [240, 320]


def test_the_network_runs_on_every_third_frame_and_on_each_new_scene(
    colorizer: Colorizer, cloud: Image.Image
) -> None:
    other = ImageOps.invert(cloud)
    pictures = [cloud] * 7 + [other] * 4
    loop = LiveLoop(AllFrames(Recording(pictures)), colorizer, stabilizer=Stabilizer(), every=3)
    shots = list(loop)
    assert [shot.number for shot in shots if "invoke" in shot.times] == [0, 3, 6, 7, 10]
    assert len(shots) == 11
    np.testing.assert_array_equal(shots[8].frame.chroma, shots[7].frame.chroma)
    np.testing.assert_allclose(shots[7].frame.chroma, colorizer.colorize(other).chroma, atol=1e-4)


@pytest.fixture
def similar(cloud: Image.Image) -> Image.Image:
    """Another scene that differs too little from the cloud to count as a cut."""
    return Image.blend(cloud, ImageOps.mirror(cloud), 0.2)


def stabilized_chroma(feed: LatestFrames | AllFrames, colorizer: Colorizer, frames: int) -> list[F32]:
    loop = LiveLoop(feed, colorizer, stabilizer=Stabilizer(), max_frames=frames)
    return [shot.frame.chroma for shot in loop]


def test_the_scene_before_a_reconnect_leaves_no_trace(
    colorizer: Colorizer, cloud: Image.Image, similar: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "_RETRY_SECONDS", 0.01)
    alone = colorizer.colorize(similar).chroma
    blended = stabilized_chroma(AllFrames(Recording([cloud, similar])), colorizer, 2)[1]
    assert np.abs(blended - alone).max() > 0.1, "without a reconnect the second picture is averaged"

    sources = iter([Recording([cloud], live=True), Recording([similar], live=True)])
    reasons: list[str] = []
    feed = LatestFrames(lambda: next(sources), name="camera", on_disconnect=reasons.append)
    chroma = stabilized_chroma(feed, colorizer, 2)
    assert reasons == ["camera: ended"]
    np.testing.assert_array_equal(chroma[1], alone)


def test_the_scene_before_a_new_round_leaves_no_trace(
    colorizer: Colorizer, cloud: Image.Image, similar: Image.Image
) -> None:
    alone = colorizer.colorize(similar).chroma
    playback = Playback(lambda: Recording([similar, cloud]), framerate=200, rounds=2)
    chroma = stabilized_chroma(AllFrames(playback), colorizer, 4)
    np.testing.assert_array_equal(chroma[2], alone)


def test_the_mark_of_a_restart_survives_dropped_frames(cloud: Image.Image) -> None:
    class Restarted(Recording):
        def __iter__(self) -> Iterator[Frame]:
            yield Frame(cloud, 1.0, restarted=True)
            yield Frame(cloud, 2.0)
            yield Frame(cloud, 3.0)

    mailbox = latest.Mailbox(lambda: Restarted([]), name="recording")
    deadline = time.monotonic() + 60
    while mailbox.dropped < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    never_stopped = threading.Event()
    frame = mailbox.take(never_stopped)
    mailbox.close()
    assert frame is not None and (frame.seconds, frame.restarted) == (3.0, True)
