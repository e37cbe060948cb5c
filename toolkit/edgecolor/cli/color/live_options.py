"""The words of `edgecolor run` for cameras and videos, and which of them go with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

Camera = Annotated[
    bool, typer.Option("--camera", help="INPUT names a camera; the first that is found without one.")
]
ListCameras = Annotated[bool, typer.Option("--list-cameras", help="Print the cameras, and end.")]
Width = Annotated[int | None, typer.Option(min=16, help="Pixels to ask the camera for. Else 640.")]
Height = Annotated[int | None, typer.Option(min=16, help="Pixels to ask the camera for. Else 480.")]
Framerate = Annotated[
    float | None, typer.Option(min=0.1, help="Frames a second to ask the camera for. Else its own choice.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0, help="Seconds after which the camera is left; 0: never.")
]
Frames = Annotated[int | None, typer.Option(min=1, help="Frames after which to end.")]
HFlip = Annotated[bool, typer.Option("--hflip", help="Mirror: left becomes right.")]
VFlip = Annotated[bool, typer.Option("--vflip", help="Mirror: top becomes bottom.")]
Rotation = Annotated[int, typer.Option(help="Degrees clockwise: 0, 90, 180 or 270.")]
Stats = Annotated[
    bool, typer.Option("--stats", help="Print speed and latency as JSON, a line a second and a last one.")
]
Preview = Annotated[
    bool | None,
    typer.Option("--preview/--no-preview", help="Show it in a browser. Else: for a camera without -o."),
]
Host = Annotated[str, typer.Option(help="Address of the preview. Any but 127.0.0.1 takes a token.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the preview; 0: a free one.")]
Token = Annotated[str | None, typer.Option(help="Token of the preview. Else one is made where it is needed.")]
Reconnect = Annotated[bool, typer.Option("--reconnect", help="Wait for a camera that is gone, and go on.")]
Calm = Annotated[bool, typer.Option("--calm/--no-calm", help="Keep the colors from flickering.")]


@dataclass(frozen=True)
class Words:
    """What was said of a camera or a video; as in the options above."""

    width: int | None
    height: int | None
    framerate: float | None
    timeout: float | None
    frames: int | None
    hflip: bool
    vflip: bool
    rotation: int
    stats: bool
    preview: bool | None
    host: str
    port: int
    token: str | None
    reconnect: bool
    calm: bool

    def refuse_for_video(self) -> None:
        """Raise UsageError at a word that only a camera understands."""
        _refuse(
            "for a camera: edgecolor run --camera",
            width=self.width,
            height=self.height,
            framerate=self.framerate,
            timeout=self.timeout,
            reconnect=self.reconnect,
        )

    def refuse_for_photos(self) -> None:
        """Raise UsageError at a word that only a camera or a video understands."""
        self.refuse_for_video()
        _refuse(
            "for a camera or a video",
            frames=self.frames,
            hflip=self.hflip,
            vflip=self.vflip,
            rotation=self.rotation,
            stats=self.stats,
            preview=self.preview,
            token=self.token,
        )


def _refuse(what: str, **words: object) -> None:
    from edgecolor_runtime.errors import UsageError

    for name, value in words.items():
        if value:
            raise UsageError(f"--{name} is {what}")
