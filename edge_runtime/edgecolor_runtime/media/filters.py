"""What FFmpeg's filters do to decoded frames: deinterlacing, and tone mapping of high dynamic range."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgecolor_runtime.media import hdr, pyav

_DEINTERLACE = ("bwdif", "mode=send_frame:deint=interlaced")  # one frame for each; others pass unchanged
_TO_RGB = ("scale", "in_color_matrix=bt2020")
_DEEP_RGB = ("format", "gbrp12le")
_TO_STANDARD = ("scale", "out_color_matrix=smpte170m:out_range=tv")
_STANDARD = ("format", "yuv420p")


class FrameFilters:
    """Filters the frames of one video. Frames that need nothing pass unchanged and at once.

    A deinterlaced frame is returned when the next one is there.

    Args:
        track: PyAV's stream of the video.

    Attributes:
        notes: what was done to the frames, one sentence each.
    """

    def __init__(self, track: Any) -> None:
        transfer = int(track.codec_context.color_trc or 0)
        self._transfer = transfer if transfer in hdr.NAMES else None
        self.notes: list[str] = []
        self._av = pyav.load()
        self._graph: Any = None
        self._layout: tuple[object, ...] = ()
        self._is_interlaced = False

    def process(self, frame: Any) -> list[Any]:
        """Return the frames that are complete after this one."""
        if frame.interlaced_frame and not self._is_interlaced:
            self._is_interlaced = True
            self.notes.append("its interlaced frames were deinterlaced")
        layout = (frame.width, frame.height, frame.format.name, self._is_interlaced)
        if layout == self._layout:
            return self._filter(frame)
        earlier = self.flush()
        if self._is_interlaced or self._transfer is not None:
            self._graph = self._build(frame)
        self._layout = layout
        return earlier + self._filter(frame)

    def flush(self) -> list[Any]:
        """Return the frames that wait for a next one."""
        frames = self._filter(None) if self._graph is not None else []
        self._graph, self._layout = None, ()
        return frames

    def _filter(self, frame: Any) -> list[Any]:
        if self._graph is None:
            return [frame]
        self._graph.push(frame)
        frames = []
        while True:
            try:
                frames.append(self._graph.pull())
            except (self._av.error.BlockingIOError, self._av.error.EOFError):
                return frames

    def _build(self, frame: Any) -> Any:
        graph = self._av.filter.Graph()
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        with tempfile.TemporaryDirectory() as folder:
            steps = [_DEINTERLACE] if self._is_interlaced else []
            if self._transfer is not None:
                table = Path(folder, "table.cube")
                hdr.write_table(table, self._transfer)
                steps += [_TO_RGB, _DEEP_RGB, ("lut3d", f"file={table}"), _TO_STANDARD, _STANDARD]
                name = hdr.NAMES[self._transfer]
                note = f"its high dynamic range ({name}) was mapped to that of ordinary video"
                if note not in self.notes:
                    self.notes.append(note)
            for name, arguments in [*steps, ("buffersink", None)]:
                step = graph.add(name, arguments)
                last.link_to(step)
                last = step
            graph.configure()
        return graph
