"""The options of `edgecolor run` for cameras and videos, and which of them fit which input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecolor.cli.common.durations import duration_parser
from edgecolor.cli.common.options import complete_model

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="s (small, fast), m (medium, better colors), or a model file (default: m; for a video or a "
        "camera, s if this machine colors fewer than 25 frames per second with m).",
        autocompletion=complete_model,
    ),
]
Camera = Annotated[
    bool, typer.Option("--camera", help="Color a camera. INPUT names it (default: the first camera).")
]
ListCameras = Annotated[bool, typer.Option("--list-cameras", help="Print the cameras of this machine.")]
Width = Annotated[
    int | None,
    typer.Option(
        min=16, metavar="PIXELS", help="Frame width to ask the camera for, in pixels (default: 640)."
    ),
]
Height = Annotated[
    int | None,
    typer.Option(
        min=16, metavar="PIXELS", help="Frame height to ask the camera for, in pixels (default: 480)."
    ),
]
Framerate = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="FPS",
        help="Frames per second of the camera (default: the camera's choice), or of numbered "
        "pictures and raw video (default: the video's own rate, or 25).",
    ),
]
GrayRange = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LOW:HIGH",
        help="Gray values to show as black and white where gray has more than 8 bits, such as 7200:8100 "
        "(default: the range that a camera or a video uses, followed over time; a photograph's whole type).",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        "-t",
        metavar="TIME",
        parser=duration_parser("s"),
        help="Stop the camera this long after its first frame: 10s, 500ms, 2min; a bare number is in seconds "
        "(0: never).",
    ),
]
Stall = Annotated[
    float | None,
    typer.Option(
        metavar="TIME",
        parser=duration_parser("s", minimum=0.1),
        help="Count a camera as gone after this time without a frame (default: 5s, or three frames at "
        "--framerate).",
    ),
]
Frames = Annotated[int | None, typer.Option(min=1, help="Stop after N frames.", metavar="N")]
HFlip = Annotated[bool, typer.Option("--hflip", help="Mirror horizontally: left becomes right.")]
VFlip = Annotated[bool, typer.Option("--vflip", help="Mirror vertically: top becomes bottom.")]
Rotation = Annotated[
    int, typer.Option(metavar="DEGREES", help="Rotate clockwise by 0, 90, 180 or 270 degrees.")
]
Stats = Annotated[
    bool,
    typer.Option("--stats", help="Print speed and latency as JSON: one line per second, and a last line."),
]
Preview = Annotated[
    bool | None,
    typer.Option(
        "--preview/--no-preview", help="Show the frames in a browser (default: for a camera without -o)."
    ),
]
Reconnect = Annotated[
    bool, typer.Option("--reconnect", help="Wait for a camera that is gone, and continue when it is back.")
]
Segment = Annotated[
    float | None,
    typer.Option(
        metavar="TIME",
        parser=duration_parser("s", minimum=1),
        help="Divide a recording into numbered files of this length: 10min, 600s; a bare number is in "
        "seconds.",
    ),
]
Quota = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="MB", help="Delete the oldest segments when all segments together exceed MB megabytes."
    ),
]
Stabilize = Annotated[bool, typer.Option("--calm/--no-calm", help="Keep the colors from flickering.")]
Every = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Run the network on every N-th frame only. In between, the colors follow the motion.",
    ),
]


def parse_gray_range(text: str | None) -> tuple[float, float] | None:
    """Return the two numbers of --range; None without the option.

    Raises:
        UsageError: the text is not LOW:HIGH.
    """
    if text is None:
        return None
    from edgecolor_runtime.media.gray_levels import parse_range

    return parse_range(text)


@dataclass(frozen=True)
class LiveArguments:
    """The arguments for a camera or a video; each is described by the option above."""

    width: int | None
    height: int | None
    framerate: float | None
    gray_range: tuple[float, float] | None
    timeout: float | None
    stall: float | None
    frames: int | None
    hflip: bool
    vflip: bool
    rotation: int
    stats: bool
    preview: bool | None
    host: str
    port: int
    token: str | None
    token_file: Path | None
    reconnect: bool
    segment: float | None
    quota: float | None
    stabilize: bool
    every: int

    def refuse_for_video(self) -> None:
        """Raise UsageError if an option is given that needs a camera."""
        _refuse(
            "for a camera: edgecolor run --camera",
            width=self.width,
            height=self.height,
            timeout=self.timeout,
            stall=self.stall,
            reconnect=self.reconnect,
            segment=self.segment,
            quota=self.quota,
        )

    def refuse_for_photos(self) -> None:
        """Raise UsageError if an option is given that needs a camera or a video."""
        self.refuse_for_video()
        _refuse(
            "for a camera or a video",
            every=self.every > 1,
            framerate=self.framerate,
            frames=self.frames,
            hflip=self.hflip,
            vflip=self.vflip,
            rotation=self.rotation,
            stats=self.stats,
            preview=self.preview,
            token=self.token,
            token_file=self.token_file,
        )


def parse_output(output: str | None, *, is_camera: bool) -> tuple[Path | None, str | None]:
    """Return the path of -o, or the address of a server; the other one is None.

    Raises:
        UsageError: an address is given without --camera.
    """
    from edgecolor_runtime import UsageError
    from edgecolor_runtime.sources.address import hide_secrets, is_address

    if output is None or not is_address(output):
        return Path(output) if output is not None else None, None
    if not is_camera:
        raise UsageError(
            f"{hide_secrets(output)} is for a camera: edgecolor run --camera -o rtsp://host/name"
        )
    return None, output


def _refuse(purpose: str, **values: object) -> None:
    from edgecolor_runtime import UsageError

    for name, value in values.items():
        if value:
            raise UsageError(f"--{name.replace('_', '-')} is {purpose}")
