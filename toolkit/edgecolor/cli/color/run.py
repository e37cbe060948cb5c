"""`edgecolor run`: pictures, videos and cameras to color."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.color import live_options
from edgecolor.cli.color.live import Common, print_cameras, run_camera, run_video
from edgecolor.cli.common.messages import progress_bar

if TYPE_CHECKING:
    from edgecolor.batch.plan import Job, Options, Outcome
    from edgecolor_runtime.models.info import ModelInfo
    from edgecolor_runtime.models.model_file import ModelFile

    ColorAll = Callable[[Sequence[Job], ModelFile, Options, Callable[[Outcome], None]], list[Outcome]]


class Engine(str, Enum):
    """What colors the photographs of a folder."""

    local = "local"  # the threads of this process
    ray = "ray"  # the Ray cluster at RAY_ADDRESS; without one, processes on this machine


def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Photos and folders of them, or one video, or a camera."),
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A file for one photo or video, a folder for several. Else beside each; a camera is shown.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A shipped model's name, or the path of a model file.")] = "s",
    saturation: Annotated[
        float | None, typer.Option(min=0, help="Gain on the color; 0 is gray. Else the model's own.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU cores to use. Else all.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="What colors a folder: this process, or the Ray cluster at RAY_ADDRESS.")
    ] = Engine.local,
    delegate: Annotated[
        str | None, typer.Option(help="edgetpu, or the path of a TFLite delegate's library. Else the CPU.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG and WebP.")] = 95,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the results' paths.")
    ] = False,
    camera: live_options.Camera = False,
    list_cameras: live_options.ListCameras = False,
    width: live_options.Width = None,
    height: live_options.Height = None,
    framerate: live_options.Framerate = None,
    timeout: live_options.Timeout = None,
    frames: live_options.Frames = None,
    hflip: live_options.HFlip = False,
    vflip: live_options.VFlip = False,
    rotation: live_options.Rotation = 0,
    stats: live_options.Stats = False,
    preview: live_options.Preview = None,
    host: live_options.Host = "127.0.0.1",
    port: live_options.Port = 8000,
    token: live_options.Token = None,
    reconnect: live_options.Reconnect = False,
    calm: live_options.Calm = True,
) -> None:
    r"""Color photographs, videos and cameras; size and brightness stay as they are.

    EXIF, XMP, color profile and resolution of a photograph stay, too, and time stamps and sound of a video.
    A folder is searched with its sub-folders. A format that cannot hold the colors becomes PNG. Without -o,
    photo.jpg becomes photo.color.jpg beside it. For a video or a camera, an -o without an extension is a
    folder of numbered pictures.

    In a folder of results, manifest.jsonl says what became of each photo. The same command again goes on
    where the last was stopped, and tries again what failed. With --engine ray a cluster shares the work; all
    its machines must see both folders under the same names.

    With --camera, INPUT is an index or a part of a name of --list-cameras, a device such as /dev/video0, the
    address of a stream, or a folder of pictures or a video that is played like a camera. Without -o it is
    shown in a browser. Ctrl-C ends it.

    \b
    Examples:
      edgecolor run grandfather.jpg
      edgecolor run scan.tif -o colored.png --saturation 1.2
      edgecolor run photos/ -o colored/
      edgecolor run /mnt/photos -o /mnt/colored --engine ray
      edgecolor run film.mp4 -o film-in-color.mp4
      edgecolor run --list-cameras
      edgecolor run --camera
      edgecolor run --camera /dev/video0 --width 1280 --height 720 -o door.mp4 --timeout 60
      edgecolor run --camera rtsp://192.168.1.9/live --reconnect --host 0.0.0.0
    """
    from edgecolor_runtime.errors import UsageError

    named = inputs or []
    common = Common(output, model, saturation, threads, delegate, quality, force, quiet, as_json)
    words = live_options.Words(
        width, height, framerate, timeout, frames, hflip, vflip, rotation, stats, preview, host, port, token,
        reconnect, calm,
    )  # fmt: skip
    if list_cameras:
        return print_cameras(as_json)
    if engine is not Engine.local and (camera or any(_is_video(name) for name in named)):
        raise UsageError("--engine is for photographs")
    if camera:
        if len(named) > 1:
            raise UsageError(f"--camera takes one camera, not {len(named)}")
        return run_camera(named[0] if named else None, common, words)
    if not named:
        raise typer.BadParameter("name a photo, a folder or a video, or say --camera")
    if any("://" in name for name in named):
        raise UsageError(f"{named[0]}: for a stream say edgecolor run --camera {named[0]}")
    if any(_is_video(name) for name in named):
        if len(named) > 1:
            raise UsageError("a video is colored alone; name one")
        words.refuse_for_video()
        return run_video(Path(named[0]), common, words)
    words.refuse_for_photos()
    return _run_photos([Path(name) for name in named], common, engine)


def _is_video(name: str) -> bool:
    from edgecolor_runtime.sources.video import SUFFIXES

    return Path(name).suffix.lower() in SUFFIXES and not Path(name).is_dir()


def _run_photos(inputs: list[Path], common: Common, engine: Engine) -> None:
    from edgecolor.batch.plan import Options, are_many, plan
    from edgecolor_runtime.errors import EdgecolorError
    from edgecolor_runtime.models.shipped import open_model
    from edgecolor_runtime.system.machine import cores

    folder = common.output if are_many(inputs) else None
    color_all = _color_all(engine, folder, common)
    jobs = plan(inputs, common.output)
    network = open_model(common.model)
    options = Options(
        common.threads or cores(),
        common.saturation,
        common.quality,
        common.force,
        common.delegate,
        same=folder is not None,
    )
    begun = time.monotonic()
    outcomes, before = _go_on(color_all, jobs, network, options, folder, common.quiet)
    done = [outcome for outcome in outcomes if outcome.error is None]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if common.as_json:
        print(json.dumps({"model": _model(network.info, network.sha256), **_report(outcomes)}, indent=1))
    else:
        for outcome in done:
            print(outcome.job.target)
    if not common.quiet:
        for outcome in done:
            for note in outcome.notes:
                print(f"{outcome.job.source}: {note}", file=sys.stderr)
        if len(jobs) > 1:
            seconds = time.monotonic() - begun
            earlier = f", {before} of them earlier" if before else ""
            print(f"{len(done)} of {len(jobs)} colored in {seconds:.1f} s{earlier}", file=sys.stderr)
    if len(jobs) == 1 and failed and failed[0].error:
        raise failed[0].error
    if failed:
        for outcome in failed:
            print(f"edgecolor: {outcome.error}", file=sys.stderr)
        raise EdgecolorError(f"{len(failed)} of {len(jobs)} pictures failed")


def _color_all(engine: Engine, folder: Path | None, common: Common) -> ColorAll:
    """The function that colors many pictures.

    Raises:
        UsageError: What was said does not go with it.
        MissingError: Ray is not installed.
    """
    from edgecolor.support.extras import need_module
    from edgecolor_runtime.errors import UsageError

    if engine is Engine.local:
        from edgecolor.batch import local_engine

        return local_engine.color_all
    if folder is None:
        raise UsageError("--engine ray is for a folder, or several photos, and a folder named with -o")
    if common.delegate:
        raise UsageError("--delegate is for --engine local")
    if common.threads and "RAY_ADDRESS" in os.environ:
        raise UsageError("--threads is for this machine; a Ray cluster works with all its cores")
    for module in ("ray", "pyarrow"):
        need_module("run --engine ray", module, extra="ray")
    from edgecolor.batch import ray_engine

    return ray_engine.color_all


def _go_on(
    color_all: ColorAll,
    jobs: list[Job],
    network: ModelFile,
    options: Options,
    folder: Path | None,
    quiet: bool,
) -> tuple[list[Outcome], int]:
    """Color what no earlier run into this folder did.

    Returns:
        The outcomes, in the order of the jobs, and how many of them are those of an earlier run.
    """
    from edgecolor.batch.manifest import Manifest

    with ExitStack() as stack:
        manifest = stack.enter_context(Manifest(folder, network, options)) if folder else None
        found = manifest.done(jobs) if manifest else {}
        before = len(found)
        left = [job for job in jobs if job not in found]
        advance = stack.enter_context(progress_bar("coloring", len(left), quiet=quiet))

        def note(outcome: Outcome) -> None:
            found[outcome.job] = outcome
            if manifest:
                manifest.append(outcome)
            advance()

        try:
            if left:
                color_all(left, network, options, note)
        except KeyboardInterrupt:
            if manifest and not quiet:
                told = f"{len(found)} of {len(jobs)} done; the same command goes on from there"
                print(told, file=sys.stderr)
            raise
    return [found[job] for job in jobs], before


def _model(info: ModelInfo, sha256: str) -> dict[str, object]:
    return {"name": info.name, "version": info.version, "sha256": sha256}


def _report(outcomes: list[Outcome]) -> dict[str, list[dict[str, object]]]:
    return {
        "pictures": [
            {"input": str(o.job.source), "output": str(o.job.target), "size": o.size, "notes": o.notes}
            for o in outcomes
            if o.error is None
        ],
        "failed": [
            {"input": str(o.job.source), "error": str(o.error)} for o in outcomes if o.error is not None
        ],
    }
