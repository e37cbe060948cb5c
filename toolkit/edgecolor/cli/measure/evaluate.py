"""`edgecolor evaluate`: the color plane of a model on a folder of photographs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.fidelity_text import fidelity_lines, hue_error_text
from edgecolor.cli.common.inputs import verify_models, verify_photographs
from edgecolor.cli.common.messages import print_line, print_lines, progress_printer
from edgecolor.cli.common.options import AsJson, Force, Quiet, complete_model
from edgecolor_runtime.system import files

if TYPE_CHECKING:
    from PIL import Image

    from edgecolor.evaluation.scores import ColoredPhotograph, Evaluation, Recognition

SHEET_PHOTOGRAPHS = 24


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="An exported .tflite, a .keras, or the name of a shipped model.",
            autocompletion=complete_model,
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="A folder of color photographs that the model was not trained on."
        ),
    ],
    *,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The .keras file that MODEL was exported from. Adds the difference between both.",
        ),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="ImageNet classifier (.tflite). Adds how well it recognizes the colored photographs.",
        ),
    ] = None,
    as_json: AsJson = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the record to FILE, as JSON.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Draw gray, ours and original of up to {SHEET_PHOTOGRAPHS} photographs to FILE.",
        ),
    ] = None,
    extremes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the photographs that gain the least and the most over gray to FILE."
        ),
    ] = None,
    pictures: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Store thumbnails of up to 6 photographs whose names match PATTERN ('*' matches all). "
            "`edgecolor report` shows them.",
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Measure how well a model colors photographs.

    The true colors of the photographs must be known. More color costs PSNR. Therefore no single figure ranks
    models. The curve gives, for each saturation, the colorfulness as a share of the originals' and the PSNR
    gain over gray. G56 and G83 are the gains where that share is 56 % and 83 %.

    \b
    Examples:
      edgecolor evaluate s photos/
      edgecolor evaluate out.tflite photos/ --reference model.keras -o out.json --sheet sheet.jpg
      edgecolor evaluate out.tflite photos/ -o out.json --pictures 'holiday*'
      edgecolor evaluate s photos/ --classifier mobilenet_v2.tflite --extremes extremes.jpg
    """  # noqa: D301 - the mark that keeps the lines apart is not a backslash
    import edgecolor
    from edgecolor.data.photographs import list_photographs
    from edgecolor.evaluation.evaluator import draw_sheet
    from edgecolor_runtime.errors import UsageError
    from edgecolor_runtime.images.formats import format_of

    if pictures and not (output or as_json):
        raise UsageError("--pictures stores thumbnails in the JSON: add -o FILE or --json.")
    verify_models(model)
    verify_photographs(data)
    verify_models(*([reference] if reference else []))
    for target in filter(None, (output, sheet, extremes)):
        files.refuse_existing(target, force)
    for picture in filter(None, (sheet, extremes)):
        format_of(picture)  # fails now rather than after the work
    # A sheet of hundreds of photographs shows nothing: it shows some of them, evenly spread.
    every = -(-len(list_photographs(data)) // SHEET_PHOTOGRAPHS)
    colored: list[ColoredPhotograph] = []
    say = progress_printer(quiet)

    record = edgecolor.evaluate(
        model,
        data,
        reference=reference,
        classifier=classifier,
        pictures=pictures,
        on_progress=lambda done, total: say(f"{done} of {total} photographs"),
        on_picture=colored.append if sheet or extremes else None,
    )
    for entry in record.evaluation.left_out:
        print_line(f"{data / entry.name}: {entry.reason}; left out")
    text = json.dumps(record.to_json(), indent=1)
    if output:
        files.write_bytes(output, f"{text}\n".encode(), force=force)
    if sheet:
        _draw(sheet, draw_sheet(colored[::every]), force)
    if extremes:
        by_name = {one.photograph.name: one for one in colored}
        names = (*record.evaluation.worst, *record.evaluation.best)
        _draw(extremes, draw_sheet([by_name[name] for name in names]), force)
    if as_json:
        print(text)
    else:
        print_lines(*table(record.evaluation))


def _draw(path: Path, sheet: Image.Image, force: bool) -> None:
    from edgecolor_runtime.images.formats import format_of

    encoded = io.BytesIO()
    sheet.save(encoded, format_of(path), quality=90)
    files.write_bytes(path, encoded.getvalue(), force=force)


def table(result: Evaluation) -> list[str]:
    """Return the evaluation as the lines of a table, about 40."""
    plane = result.plane
    lines = [
        f"model        {result.model}, saturation {result.saturation:g}",
        f"photographs  {result.data.photographs}, sha256 {result.data.sha256[:16]}",
        *([f"left out     {len(result.left_out)} that cannot be read"] if result.left_out else []),
        f"protocol     {result.protocol}",
        "",
        "saturation   share   gain over gray",
        *(f"{p.saturation:10.1f}  {p.share:5.1%}   {p.gain:+.3f} dB" for p in plane.curve),
        "",
        f"G56          {_gain(plane.g56)}",
        f"G83          {_gain(plane.g83)}",
        f"best         {plane.best:+.3f} dB",
        f"as it is     {plane.gain:+.3f} dB at a share of {plane.share:.1%}",
        *_without_its_own(result),
        f"PSNR         {plane.psnr:.2f} dB; gray {plane.gray_psnr:.2f} dB",
        f"over a tint  {plane.gain_over_tint:+.3f} dB; the tint itself {plane.tint_gain:+.3f} dB over gray",
        f"SSIM         {plane.ssim:.4f}; gray {plane.gray_ssim:.4f}",
        f"CIEDE2000    {plane.ciede2000:.2f}, 95 % of pixels under {plane.ciede2000_p95:.2f}; "
        f"gray {plane.gray_ciede2000:.2f}",
        f"hue          {hue_error_text(plane.hue_error)}",
        f"colorfulness error, per photograph  {plane.colorfulness_error:.1%} of gray's; "
        f"mean {plane.colorfulness_difference:+.1%}",
        f"luma drift   {plane.luma_drift:.2f} of 255",
    ]
    if result.recognition:
        lines += ["", *_recognition_lines(result.recognition)]
    lines += ["", f"least gain   {', '.join(result.worst)}", f"most gain    {', '.join(result.best)}"]
    if result.fidelity:
        lines += ["", *fidelity_lines(result.fidelity)]
    return lines


def _without_its_own(result: Evaluation) -> Iterator[str]:
    from edgecolor.evaluation.color_plane import plain_point

    if plain := plain_point(result.plane.curve, result.saturation):
        yield f"at 1         {plain.gain:+.3f} dB at a share of {plain.share:.1%}, without its own saturation"


def _recognition_lines(recognition: Recognition) -> Iterator[str]:
    yield f"classifier   {recognition.classifier}: its first choice for the original is the truth"
    for title, recovery in (("first choice", recognition.top1), ("probability", recognition.probability)):
        if recovery is None:
            yield f"{title:13}gray loses nothing: no gap to recover"
            continue
        yield f"{title:13}gray {recovery.gray:.1%}, original {recovery.original:.1%}; recovered of this gap:"
        shares = (("ours", recovery.ours), ("one tint", recovery.tint), ("true ab", recovery.true_ab))
        for name, share in shares:
            yield f"{'':13}{name:9}{share.mean:6.1%} +- {share.error:.1%}"


def _gain(value: float | None) -> str:
    return "not reached: too little color at every saturation" if value is None else f"{value:+.3f} dB"
