"""The live session: colors a camera, a stream or a video until it ends, and shows or writes the result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from edgecolor_runtime import __version__
from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.errors import CameraError, UsageError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.live.loop import LiveLoop
from edgecolor_runtime.live.model_choice import ModelChoice, choose_model
from edgecolor_runtime.live.stabilizer import Stabilizer
from edgecolor_runtime.live.statistics import LiveStatistics
from edgecolor_runtime.live.writers import open_writer
from edgecolor_runtime.media import pyav
from edgecolor_runtime.media.gray_levels import GrayLevels
from edgecolor_runtime.models.shipped import SHIPPED, open_model
from edgecolor_runtime.outputs.film_job import identify_source
from edgecolor_runtime.outputs.film_writer import WARM_UP_FRAMES, FilmWriter
from edgecolor_runtime.preview.server import Preview, PreviewControls
from edgecolor_runtime.sources.cameras import CameraRequest, find_camera
from edgecolor_runtime.sources.frames import Film
from edgecolor_runtime.sources.latest import AllFrames, Feed, LatestFrames
from edgecolor_runtime.sources.orientation import UPRIGHT, Orientation
from edgecolor_runtime.sources.picture_sequence import PictureSequence, is_pattern
from edgecolor_runtime.sources.video import VideoFile
from edgecolor_runtime.system.machine import count_cores


@dataclass(frozen=True)
class LiveOptions:
    """The options of a live session.

    Attributes:
        every_frame: the source is a video file, a folder of pictures or a pattern such as img%04d.png; color
            every frame of it, as fast as possible. False: the source is a camera, or is played like one; if
            processing cannot keep up, frames are dropped.
        width: width in pixels to ask a camera for; None: 640.
        height: height in pixels to ask a camera for; None: 480.
        framerate: frames per second to ask a camera for, or of pictures and videos without time stamps;
            None: chosen by the camera, the rate that the video specifies, or 25.
        gray_range: the gray values of more than 8 bits that become black and white; None: they follow the
            pictures of a camera or a video.
        orientation: how the frames are rotated and mirrored.
        reconnect: wait for a camera that is gone, and continue when it is back.
        model: name of a shipped model, or path of a model file; None: `m` if this machine colors 25 frames
            per second with it, and `s` otherwise.
        threads: number of CPU threads; None: all cores.
        delegate: "edgetpu", or path of a TFLite delegate; None: the CPU.
        saturation: gain on the predicted colors, at least 0 (gray); None: that of the model.
        recolor: give new colors also to frames that are in color; by default they keep their own.
        stabilize: keep the colors from flickering.
        every: run the network on every N-th frame only, and move the colors along with the picture in
            between; needs `stabilize`. A new scene is always colored.
        output: video file, or folder of numbered pictures (a path without extension); for a camera also the
            address of an RTSP server (rtsp://...), a playlist of HLS (.m3u8) or a virtual camera
            (/dev/video10). None: write nothing.
        quality: JPEG quality of numbered pictures, 1 to 100.
        force: replace existing output files.
        segment_seconds: divide the recording of a camera into numbered files of this length; None: one file.
        quota_bytes: delete the oldest segments if all segments together are larger; None: no limit.
        preview: show the frames in a browser; None: for a camera without an output.
        host: address of the preview. Any address but 127.0.0.1 needs a token.
        port: port of the preview; 0: any free port.
        token: token of the preview; None: a token is generated if one is needed.
        max_frames: end after this number of frames; None: no limit.
        timeout_seconds: end a camera this long after its first frame; None or 0: no limit.
        stall_seconds: a camera that gives no frame for this long counts as gone; None: 5 s, or the time of
            three frames at `framerate`.
    """

    every_frame: bool = False
    width: int | None = None
    height: int | None = None
    framerate: float | None = None
    gray_range: tuple[float, float] | None = None
    orientation: Orientation = UPRIGHT
    reconnect: bool = False
    model: str | Path | None = None
    threads: int | None = None
    delegate: str | None = None
    saturation: float | None = None
    recolor: bool = False
    stabilize: bool = True
    every: int = 1
    output: str | Path | None = None
    quality: int = 95
    force: bool = False
    segment_seconds: float | None = None
    quota_bytes: int | None = None
    preview: bool | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    max_frames: int | None = None
    timeout_seconds: float | None = None
    stall_seconds: float | None = None


@dataclass(frozen=True)
class LiveResult:
    """What a live session did.

    Attributes:
        output: the video file, folder or address that was written to, without user and password; None if
            nothing was written.
        notes: what the user should know about the output, one sentence each.
        statistics: number of frames, speed and latency.
        missing_frames: number of frames that are missing at the end of the video, because its file is cut
            off; 0 for a camera, and if the session ended before the end of the video.
        kept_frames: number of frames that were in color and kept their colors.
        resumable_frames: number of frames of a stopped video that the next run need not color again.
    """

    output: Path | str | None
    notes: tuple[str, ...]
    statistics: LiveStatistics
    missing_frames: int = 0
    kept_frames: int = 0
    resumable_frames: int = 0


class LiveSession:
    """Colors a camera or a video, and shows it in a browser, writes it to files, or both.

        with LiveSession("/dev/video0", LiveOptions(output="door.mp4", preview=True)) as session:
            print(session.address)
            result = session.run()

    The constructor opens the model, the output and the preview. `run` opens the camera.

    Args:
        source: a camera as for `open_camera`, or a video file; None: the first camera.
        options: the options; None: the defaults.

    Raises:
        CameraError: there is no such camera.
        MissingError: PyAV, an interpreter or a delegate is missing, or the port is in use.
        ModelFileError: the model file is damaged, or not one of ours.
        PictureError: the video cannot be read.
        UsageError: an option is not valid, or does not fit the source; or the output exists.
    """

    def __init__(self, source: str | Path | None = None, options: LiveOptions | None = None) -> None:
        self._options = options = options or LiveOptions()
        if options.every < 1 or (options.every > 1 and not options.stabilize):
            raise UsageError(f"every is {options.every}; expected 1, or a larger number with stabilize")
        self._on_message: Callable[[str], None] | None = None
        self._on_wait: Callable[[], None] | None = None
        self._stopped = False
        self._reported: set[str] = set()  # notes of the camera
        self._video: Film | None = None
        self._choice: ModelChoice | None = None
        self._chosen_model: str | None = None
        self._done_before = 0  # frames of a film that an earlier run has colored
        with ExitStack() as stack:
            self._feed, orientation = self._open_source(source, stack)
            self._writer = open_writer(options, self._video, self._report)
            if self._writer is not None:
                stack.callback(self._writer.discard)
            colorizer = self._open_model()
            first = self._resume(colorizer)
            self._loop = LiveLoop(
                self._feed,
                colorizer,
                stabilizer=Stabilizer() if options.stabilize else None,
                every=options.every,
                recolor=options.recolor,
                orientation=orientation,
                max_frames=options.max_frames,
                first=first,
            )
            self._preview = self._open_preview(colorizer)
            if self._preview is not None:
                stack.callback(self._preview.close)
            self._resources = stack.pop_all()

    def __enter__(self) -> LiveSession:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        self.close()

    @property
    def address(self) -> str | None:
        """Address of the preview, to open in a browser; None without a preview."""
        return self._preview.address if self._preview is not None else None

    @property
    def frame_count(self) -> int | None:
        """Number of frames according to the video file; None for a camera, or if the file does not say."""
        return self._video.count if self._video is not None else None

    @property
    def done_before(self) -> int:
        """Number of frames of the film that an interrupted run has colored before."""
        return self._done_before

    @property
    def statistics(self) -> LiveStatistics:
        """Number of frames, speed and latency up to now. Any thread may read it."""
        return self._loop.statistics.snapshot()

    def run(
        self,
        *,
        on_frame: Callable[[Shot], None] | None = None,
        on_message: Callable[[str], None] | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> LiveResult:
        """Color frames until the source ends, `stop` is called, or a limit of the options is reached.

        At the end the session is closed. The recording of a camera is kept whatever ends it. If a video with
        `every_frame` is stopped before its end, there is no output yet. What is done is kept in a folder
        beside it, and a session with the same options resumes it.

        Args:
            on_frame: called after each frame is written and shown.
            on_message: called with one line of text: at the start if the model was chosen by a measurement,
                when the frames of a camera are changed, and when a camera is gone and is waited for.
            on_wait: called several times per second while a camera gives no frame: the session is alive.

        Raises:
            CameraError: the camera cannot be opened, stalls or goes away, and `reconnect` is not set.
            PictureError: the video cannot be read, or the output cannot be written.
            MissingError: PyAV or picamera2 is not installed, or PyAV lacks an encoder.
        """
        self._on_message, self._on_wait = on_message, on_wait
        if on_message is not None and self._choice is not None:
            on_message(self._choice.reason)
        if on_message is not None and self._done_before:
            on_message(f"{self._done_before} frames are done; this run continues after them")
        with self, _limited(self._options.timeout_seconds, self.stop) as start_limit:
            try:
                for shot in self._loop:
                    if shot.number == 0:
                        start_limit()
                    self._show(shot)
                    self._report_notes()
                    if on_frame is not None and shot.number >= self._done_before:
                        on_frame(shot)
            except CameraError:
                if self._writer is not None:
                    self._writer.finish()
                raise
            is_stopped = self._video is not None and self._stopped
            done = self._writer.suspend() if is_stopped and isinstance(self._writer, FilmWriter) else 0
            if self._writer is not None and not is_stopped:
                self._writer.finish(whole=self._options.max_frames is None)
            return self._result(is_stopped, done)

    def stop(self) -> None:
        """End `run` after the current frame. May be called from a signal handler or another thread."""
        self._stopped = True
        self._loop.stop()

    def close(self) -> None:
        """Close the output and the preview. May be called twice.

        The unfinished output of a video is discarded. The recording of a camera is kept.
        """
        self._resources.close()

    def _open_source(self, source: str | Path | None, stack: ExitStack) -> tuple[Feed, Orientation]:
        """Return the frames, and how the loop has to rotate and mirror them."""
        options = self._options
        name = str(source) if source is not None else None
        if options.every_frame:
            self._video = _open_video(name, options)
            stack.callback(self._video.close)
            return AllFrames(self._video), options.orientation
        request = CameraRequest(
            options.width,
            options.height,
            options.framerate,
            options.orientation,
            levels=GrayLevels(options.gray_range),
            stall_seconds=options.stall_seconds,
        )
        camera = find_camera(name, request)
        on_disconnect = self._report_disconnect if options.reconnect else None
        feed = LatestFrames(
            camera.open,
            name=camera.name,
            stall_seconds=camera.stall_seconds,
            on_disconnect=on_disconnect,
            on_wait=self._report_wait,
        )
        return feed, camera.orientation

    def _open_model(self) -> Colorizer:
        """Open the model of the options, or the one that this machine is fast enough for."""
        options = self._options
        if options.model is not None:
            return self._open_colorizer(options.model)
        if isinstance(self._writer, FilmWriter):
            earlier = self._writer.job.read_identity().get("chosen_model")
            if isinstance(earlier, str) and earlier in SHIPPED:  # a resumed film keeps its model
                self._chosen_model = earlier
                return self._open_colorizer(earlier)
        size = (
            self._video.size if self._video is not None else CameraRequest(options.width, options.height).size
        )
        self._choice = choose_model(self._open_colorizer, size)
        self._chosen_model = self._choice.name
        return self._choice.colorizer

    def _resume(self, colorizer: Colorizer) -> int:
        """Take over what an interrupted run has done of the film. Returns the number of the first frame."""
        if not isinstance(self._writer, FilmWriter) or not isinstance(self._feed, AllFrames):
            return 0
        options = asdict(self._options)
        identity = {
            "source": identify_source(Path(self._feed.name)),
            "model": colorizer.model.sha256,
            "chosen_model": self._chosen_model,
            "versions": [__version__, pyav.load().__version__],
            "options": {name: str(value) for name, value in options.items() if name not in _NEUTRAL_OPTIONS},
        }
        self._done_before = self._writer.resume(identity)
        first = max(0, self._done_before - WARM_UP_FRAMES)
        self._feed.skipped = first
        return first

    def _open_colorizer(self, model: str | Path) -> Colorizer:
        options = self._options
        return Colorizer(
            open_model(model),
            threads=options.threads or count_cores(),
            delegate=options.delegate,
            saturation=options.saturation,
        )

    def _report(self, line: str) -> None:
        if self._on_message is not None:
            self._on_message(line)

    def _open_preview(self, colorizer: Colorizer) -> Preview | None:
        options = self._options
        is_shown = options.preview
        if is_shown is None:
            is_shown = not options.every_frame and options.output is None
        if not is_shown:
            return None
        controls = PreviewControls(colorizer, self._read_statistics)
        return Preview(controls=controls, host=options.host, port=options.port, token=options.token)

    def _read_statistics(self) -> Mapping[str, object]:
        return self.statistics.to_json()

    def _report_disconnect(self, reason: str) -> None:
        if self._on_message is not None:
            self._on_message(f"{reason.rstrip('.')}; waiting for it")

    def _report_wait(self) -> None:
        if self._on_wait is not None:
            self._on_wait()

    def _report_notes(self) -> None:
        """Report each note on the frames of a camera once. Those of a film are part of the result."""
        if self._on_message is None or self._video is not None:
            return
        for note in self._feed.notes:
            if note not in self._reported:
                self._reported.add(note)
                self._on_message(f"{self._feed.name}: {note}")

    def _show(self, shot: Shot) -> None:
        """Write a frame and show it."""
        if self._writer is not None:
            begun = time.monotonic()
            self._writer.write(shot)
            shot.times["encode"] = time.monotonic() - begun
        if self._preview is not None:
            self._preview.show(shot)

    def _result(self, is_stopped: bool, resumable_frames: int) -> LiveResult:
        statistics = self.statistics
        notes = list(self._writer.notes) if self._writer is not None else []
        if self._video is not None:
            notes = [*self._video.notes, *notes]
        if self._video is not None and self._video.damaged:
            kind = "packets" if isinstance(self._video, VideoFile) else "pictures"
            notes.append(f"{self._video.damaged} damaged {kind} were left out")
        output: Path | str | None = None
        if self._writer is not None and statistics.frames > 0 and not is_stopped:
            output = self._writer.path
        missing = self._video.missing if self._video is not None else 0
        return LiveResult(
            output,
            tuple(notes),
            statistics,
            missing_frames=missing,
            kept_frames=self._loop.kept,
            resumable_frames=resumable_frames,
        )


_CAMERA_OPTIONS = (
    *("width", "height", "reconnect", "timeout_seconds", "stall_seconds"),
    *("segment_seconds", "quota_bytes"),
)


_NEUTRAL_OPTIONS = frozenset(
    (
        *("model", "threads", "output", "quality", "force", "preview", "host", "port", "token"),
        *("reconnect", "timeout_seconds", "stall_seconds", "segment_seconds", "quota_bytes"),
    )
)
"""Options that do not change the frames of a film; the model is compared by its hash."""


def _open_video(name: str | None, options: LiveOptions) -> VideoFile | PictureSequence:
    if name is None:
        raise UsageError("every_frame needs a video file or pictures as the source")
    for option in _CAMERA_OPTIONS:
        if getattr(options, option):
            raise UsageError(f"{option} is for a camera; leave it out, or leave out every_frame")
    if Path(name).is_dir() or is_pattern(Path(name)):
        return PictureSequence(name, framerate=options.framerate, gray_range=options.gray_range)
    return VideoFile(name, framerate=options.framerate, levels=GrayLevels(options.gray_range))


@contextmanager
def _limited(seconds: float | None, stop: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Call `stop` if the body takes longer than a time limit.

    Yields:
        The function that starts the time; without it there is no limit.
    """
    timer = threading.Timer(seconds, stop) if seconds else None
    try:
        yield timer.start if timer is not None else lambda: None
    finally:
        if timer is not None:
            timer.cancel()
            if timer.is_alive():
                timer.join()
