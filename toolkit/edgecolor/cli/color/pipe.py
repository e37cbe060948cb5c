"""`edgecolor run -`: a photograph from stdin, or to stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from edgecolor.cli.color.live import RunArguments
from edgecolor.cli.color.photo_arguments import PhotoArguments
from edgecolor.cli.common.messages import print_line, print_lines, working
from edgecolor_runtime.errors import PictureError, UsageError

PIPE = "-"
"""The word that stands for stdin as an input and for stdout as the output."""


def uses_pipe(names: list[str], output: Path | None) -> bool:
    """Return whether an input is stdin or the output is stdout."""
    return PIPE in names or str(output) == PIPE


def run_pipe(names: list[str], shared: RunArguments, photo: PhotoArguments, *, verify: bool) -> None:
    """Color one photograph that comes from stdin, or that goes to stdout.

    On stdout it has the format of the source, or PNG if that format cannot hold colors.

    Raises:
        UsageError: there is more than one input, or a terminal would have to hold the photograph.
        PictureError: the input is not a picture.
        EdgecolorError: the output cannot be written.
    """
    from edgecolor.batch.engines import Engine
    from edgecolor_runtime.system.files import refuse_existing, write_bytes

    if verify or photo.engine is not Engine.LOCAL:
        raise UsageError("- is for one photograph, without --verify and --engine")
    to_stdout = shared.output is None or str(shared.output) == PIPE
    _verify_arguments(names, shared, to_stdout=to_stdout)
    if to_stdout:
        content = _color(names[0], None, shared, photo)
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    elif shared.output is not None:
        refuse_existing(shared.output, shared.force)
        write_bytes(shared.output, _color(names[0], shared.output, shared, photo), force=shared.force)
        print_lines(shared.output)


def _verify_arguments(names: list[str], shared: RunArguments, *, to_stdout: bool) -> None:
    if len(names) != 1 or Path(names[0]).is_dir():
        raise UsageError("- stands for one photograph. Name one input.")
    if to_stdout and shared.as_json:
        raise UsageError("--json prints on stdout, where the photograph goes. Name a file with -o.")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("stdout is a terminal. Add > colored.jpg, or name a file with -o.")
    if names[0] == PIPE and sys.stdin.isatty():
        raise UsageError("stdin is a terminal. Add < photo.jpg, or name a photograph.")


def _color(source: str, target: Path | None, shared: RunArguments, photo: PhotoArguments) -> bytes:
    """Return the file of a colored photograph.

    Args:
        source: path of the photograph, or PIPE.
        target: the file to write; None: stdout.
        shared: the arguments of the command.
        photo: its arguments for photographs.
    """
    from edgecolor_runtime.images.formats import WRITTEN_FORMATS, find_format
    from edgecolor_runtime.images.reader import parse_picture
    from edgecolor_runtime.inference.color_picture import color_file
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.models.shipped import PHOTO_MODEL, open_model
    from edgecolor_runtime.system.machine import count_cores

    name = "stdin" if source == PIPE else source
    try:
        data = sys.stdin.buffer.read() if source == PIPE else Path(source).read_bytes()
    except OSError as error:
        raise PictureError(f"{name}: {error.strerror or error}") from error
    picture = parse_picture(
        data,
        name,
        page=photo.page,
        strict=photo.strict,
        max_pixels=photo.max_pixels,
        gray_range=photo.gray_range,
    )
    if target is None:
        form = find_format(data)
        target = Path("stdout").with_suffix(
            next((s for s, f in WRITTEN_FORMATS.items() if f == form), ".png")
        )
    with working("coloring", quiet=shared.quiet):
        colorizer = Colorizer(
            open_model(shared.model or PHOTO_MODEL),
            threads=shared.threads or count_cores(),
            saturation=shared.saturation,
            delegate=shared.delegate,
        )
        colored = color_file(
            colorizer,
            picture,
            lambda: data,
            target,
            quality=shared.quality,
            page=photo.page,
            label=photo.label,
            hints=photo.hints,
            recolor=shared.recolor,
        )
    if not shared.quiet:
        for note in colored.notes:
            print_line(f"{name}: {note}")
    return colored.data
