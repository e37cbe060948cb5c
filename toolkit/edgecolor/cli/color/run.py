"""`edgecolor run`: color photographs, a video or a camera."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.batch.engines import Engine
from edgecolor.cli.color import hint_options, live_options
from edgecolor.cli.color.film_inputs import find_film
from edgecolor.cli.color.live import RunArguments, print_cameras, run_camera, run_video
from edgecolor.cli.color.photo_arguments import PhotoArguments
from edgecolor.cli.color.pipe import PIPE, run_pipe, uses_pipe
from edgecolor.cli.color.summary import print_summary
from edgecolor.cli.color.verify import verify_photos
from edgecolor.cli.common.messages import progress_bar, resumable, working
from edgecolor.cli.common.options import (
    AsJson,
    Delegate,
    Force,
    Host,
    MaxPixels,
    Port,
    Quality,
    Quiet,
    Recolor,
    Saturation,
    Threads,
    Token,
    TokenFile,
    Trusted,
)

if TYPE_CHECKING:
    from edgecolor.batch.folder_run import ColoringSummary


PANELS = {
    "Output": ("output", "force", "quiet", "as_json"),
    "Model and colors": ("model", "saturation", "recolor", "threads", "delegate", "trusted"),
    "Photographs": ("engine", "quality", "label", "max_pixels", "page", "strict", "verify"),
    "Colors by hand": ("hint", "hint_file", "hint_reach"),
    "Videos and cameras": (
        "framerate",
        "gray_range",
        "frames",
        "hflip",
        "vflip",
        "rotation",
        "stabilize",
        "every",
        "stats",
    ),
    "Cameras": (
        "camera",
        "list_cameras",
        "width",
        "height",
        "timeout",
        "stall",
        "reconnect",
        "segment",
        "quota",
    ),
    "Browser preview": ("preview", "host", "port", "token", "token_file"),
}
"""Title in the help -> the options below it."""


def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Photographs and folders, or one video, or one camera. img%04d.png names numbered pictures, "
            "- is stdin.",
        ),
    ] = None,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File for one photograph or video, folder for several photographs (default: beside each "
            "input; - is stdout). A camera can also be sent to rtsp://host/name, HLS (name.m3u8) or "
            "/dev/videoN.",
        ),
    ] = None,
    model: live_options.Model = None,
    saturation: Saturation = None,
    recolor: Recolor = False,
    threads: Threads = None,
    engine: Annotated[
        Engine,
        typer.Option(help="Color in this process, or on the Ray cluster at RAY_ADDRESS."),
    ] = Engine.LOCAL,
    delegate: Delegate = None,
    trusted: Trusted = None,
    quality: Quality = 95,
    label: Annotated[
        bool,
        typer.Option(help="State in the XMP of each photograph that its colors are computed."),
    ] = True,
    max_pixels: MaxPixels = None,
    page: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Page or frame of the photograph to color (default: the first; all pages into a TIFF file).",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse photographs that are cut off or damaged."),
    ] = False,
    hint: hint_options.HintTexts = None,
    hint_file: hint_options.HintFile = None,
    hint_reach: hint_options.HintReach = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Color nothing. Check that every photograph has its result in the folder -o, with the "
            "length and the SHA-256 of its line in manifest.jsonl.",
        ),
    ] = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    camera: live_options.Camera = False,
    list_cameras: live_options.ListCameras = False,
    width: live_options.Width = None,
    height: live_options.Height = None,
    framerate: live_options.Framerate = None,
    gray_range: live_options.GrayRange = None,
    timeout: live_options.Timeout = None,
    stall: live_options.Stall = None,
    frames: live_options.Frames = None,
    hflip: live_options.HFlip = False,
    vflip: live_options.VFlip = False,
    rotation: live_options.Rotation = 0,
    stats: live_options.Stats = False,
    preview: live_options.Preview = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    token_file: TokenFile = None,
    reconnect: live_options.Reconnect = False,
    segment: live_options.Segment = None,
    quota: live_options.Quota = None,
    stabilize: live_options.Stabilize = True,
    every: live_options.Every = 1,
) -> None:
    r"""Color photographs, a video or a camera. Size and brightness stay the same.

    What is in color keeps its colors: a color photograph is copied unchanged, and the color frames of a video
    or a camera are shown as they are. --recolor gives new colors to all.

    A photograph keeps its EXIF, XMP, color profile and resolution; a video keeps its time, its sound, its
    subtitles and its tags. Of a photograph that is cut off, the part that is there is colored, and a note
    says which part is missing. A folder is searched with its subfolders. If a format cannot hold the
    colors, the result is a PNG file. Without -o, photo.jpg becomes photo.color.jpg beside it. For a video
    or a camera, a -o without an extension is a folder of numbered pictures.

    The same command resumes a video that was interrupted.

    The file manifest.jsonl in a folder of results records the result of each photograph. The same command
    resumes an interrupted run, tries failed photographs again, and repairs damaged results. With --engine
    ray a cluster shares the work; all its machines must see both folders under the same names.

    With --camera, INPUT is an index or a part of a name from --list-cameras, a device such as /dev/video0,
    the address of a stream, or a folder of pictures or a video to play like a camera. Without -o the result
    is shown in a browser. Press Ctrl-C to stop. A recording stays playable whatever ends it; after a kill or
    a power cut at most its last two seconds are missing.

    \b
    Examples:
      edgecolor run grandfather.jpg
      edgecolor run scan.tif -o colored.png --saturation 1.2
      edgecolor run grandfather.jpg --hint 320,200=#3355aa --hint 50,80=gray
      edgecolor run photos/ -o colored/
      edgecolor run - < gray.jpg > colored.jpg
      edgecolor run photos/ -o colored/ --verify
      edgecolor run /mnt/photos -o /mnt/colored --engine ray
      edgecolor run film.mp4 -o film-in-color.mp4
      edgecolor run frames/ -o film.mp4 --framerate 18
      edgecolor run --list-cameras
      edgecolor run --camera
      edgecolor run --camera /dev/video0 --width 1280 -o door.mp4 -t 10min
      edgecolor run --camera 0 -o door.mp4 --segment 10min --quota 20000
      edgecolor run --camera rtsp://192.168.1.9/live --reconnect --host 0.0.0.0
      edgecolor run --camera 0 -o rtsp://192.168.1.9:8554/door --reconnect
    """
    from edgecolor.support.minisign import verify_signed
    from edgecolor.tflite.trial import try_model
    from edgecolor_runtime.errors import PictureError, UsageError
    from edgecolor_runtime.sources.address import hide_secrets, is_address

    names = inputs or []
    limits = live_options.parse_gray_range(gray_range)
    path, stream = live_options.parse_output(output, is_camera=camera)
    shared = RunArguments(
        output=path,
        stream=stream,
        model=model,
        saturation=saturation,
        recolor=recolor,
        threads=threads,
        delegate=delegate,
        quality=quality,
        force=force,
        quiet=quiet,
        as_json=as_json,
    )
    arguments = live_options.LiveArguments(
        width=width,
        height=height,
        framerate=framerate,
        gray_range=limits,
        timeout=timeout,
        stall=stall,
        frames=frames,
        hflip=hflip,
        vflip=vflip,
        rotation=rotation,
        stats=stats,
        preview=preview,
        host=host,
        port=port,
        token=token,
        token_file=token_file,
        reconnect=reconnect,
        segment=segment,
        quota=quota,
        stabilize=stabilize,
        every=every,
    )
    if every > 1 and not stabilize:
        raise UsageError("--every needs --calm: the stabilizer carries the colors between two predictions")
    if list_cameras:
        return print_cameras(as_json)
    if trusted is not None and model is not None:
        verify_signed(model, trusted, "run")
    pipe = uses_pipe(names, path)
    film = find_film(names, path) if names and not camera and not pipe else None
    if camera or film:
        given = {
            "--verify": verify,
            "--engine": engine is not Engine.LOCAL,
            "--page": page is not None,
            "--strict": strict,
            PIPE: pipe,
        }
        _refuse_photo_options(given)
    hints = hint_options.build_hints(hint or [], hint_file, hint_reach)
    single_photograph = len(names) == 1 and not (camera or film or Path(names[0]).is_dir())
    hint_options.refuse_hints(hints, is_single_photograph=single_photograph)
    if camera:
        if len(names) > 1:
            raise UsageError(f"--camera takes one camera, not {len(names)}")
        try_model(model)
        return run_camera(names[0] if names else None, shared, arguments)
    if not names:
        raise UsageError(_missing_input())
    if addresses := [hide_secrets(name) for name in names if is_address(name)]:
        raise UsageError(f"{addresses[0]}: to color a stream, run: edgecolor run --camera {addresses[0]}")
    if film is not None:
        arguments.refuse_for_video()
        try_model(model)
        return run_video(film, shared, arguments)
    arguments.refuse_for_photos()
    try_model(model)
    photo = PhotoArguments(
        engine=engine,
        label=label,
        max_pixels=max_pixels,
        page=page,
        strict=strict,
        gray_range=limits,
        hints=hints,
    )
    if pipe:
        return run_pipe(names, shared, photo, verify=verify)
    if len(names) == 1 and not Path(names[0]).exists():
        raise PictureError(f"{names[0]}: No such file or directory")
    if verify:
        return verify_photos([Path(name) for name in names], shared)
    return _run_photos([Path(name) for name in names], shared, photo)


def _refuse_photo_options(given: dict[str, bool]) -> None:
    """Raise UsageError for the first option for photographs that is given with a camera or a video."""
    from edgecolor_runtime.errors import UsageError

    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"{option} is for photographs")


def _missing_input() -> str:
    """Return what to add to `edgecolor run`, with an example that runs."""
    from edgecolor.cli.common.samples import sample_photograph

    return (
        "Name a photograph, a folder or a video, or add --camera. "
        f"For example: edgecolor run {shlex.quote(str(sample_photograph()))} --recolor -o colored.jpg"
    )


def _run_photos(inputs: list[Path], shared: RunArguments, photo: PhotoArguments) -> None:
    begun = time.monotonic()
    summary = _color_photos(inputs, shared, photo)
    if photo.hints is not None:
        hint_options.repeat_hints(summary, photo.hints)
    print_summary(summary, shared, time.monotonic() - begun)


def _color_photos(inputs: list[Path], shared: RunArguments, photo: PhotoArguments) -> ColoringSummary:
    from edgecolor.batch.folder_run import color_pictures
    from edgecolor_runtime.models.shipped import PHOTO_MODEL

    done, total = 0, 0
    with ExitStack() as stack, ExitStack() as start:
        start.enter_context(working("coloring", quiet=shared.quiet))
        advance: Callable[[], None] | None = None

        def on_progress(pictures_done: int, pictures: int) -> None:
            nonlocal done, total, advance
            done, total = pictures_done, pictures
            if advance is None:
                if total > 1:
                    start.close()  # the progress bar replaces the spinner
                advance = stack.enter_context(progress_bar("coloring", total - done, quiet=shared.quiet))
            else:
                advance()

        if (len(inputs) > 1 or inputs[0].is_dir()) and shared.output and not shared.quiet:
            stack.enter_context(resumable(lambda: f"{done} of {total} done"))
        return color_pictures(
            inputs,
            shared.output,
            model=shared.model or PHOTO_MODEL,
            saturation=shared.saturation,
            engine=photo.engine,
            workers=shared.threads,
            delegate=shared.delegate,
            quality=shared.quality,
            label=photo.label,
            max_pixels=photo.max_pixels,
            page=photo.page,
            strict=photo.strict,
            gray_range=photo.gray_range,
            hints=photo.hints,
            force=shared.force,
            recolor=shared.recolor,
            on_progress=on_progress,
        )
