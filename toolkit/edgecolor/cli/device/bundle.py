"""`edgecolor bundle`: an archive that installs edgecolor on a device without a network."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edgecolor.cli.common.messages import print_lines, progress_printer, working
from edgecolor.cli.common.options import AsJson, Force, ModelName, OutputFile, Quiet, Trusted


def bundle(
    *,
    target: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="Debian or Raspberry Pi OS release and architecture of the device: bookworm-arm64, "
            "trixie-arm64, bookworm-armhf, bookworm-amd64 or trixie-amd64.",
        ),
    ],
    output: OutputFile,
    model: ModelName = "s",
    trusted: Trusted = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Pack an archive for a device without a network.

    The archive holds wheels, model, installer and service. This machine needs a network: pip and apt fetch
    the packages for the device. On the device, unpack the archive and run `sudo sh install.sh`, or without
    root rights `sh install.sh --prefix FOLDER`. The service colors with --model. On the device, `dpkg
    --print-architecture` and /etc/os-release name the target. With --trusted, the device gets the keys, and
    the installer and the service refuse every model file that none of them signed.

    \b
    Examples:
      edgecolor bundle --target bookworm-arm64 -o bundle.tar.gz
      edgecolor bundle --target trixie-arm64 --model mine.tflite -o bundle.tar.gz
      edgecolor bundle --target trixie-arm64 --model mine.tflite --trusted workshop.pub -o bundle.tar.gz
    """
    from edgecolor.bundle.archive import make_bundle
    from edgecolor.support.extras import need_module
    from edgecolor_runtime.errors import UsageError
    from edgecolor_runtime.system.files import refuse_existing, write_bytes

    for name in ("packaging", "pip"):
        need_module("bundle", name, extra="bundle")
    if not output.name.endswith((".tar.gz", ".tgz")):
        raise UsageError(f"{output}: the name of a bundle must end with .tar.gz or .tgz")
    refuse_existing(output, force)
    with working(f"making a bundle for {target}", quiet=quiet) as print_progress:
        packed = make_bundle(model, target, print_progress, trusted=trusted)
        write_bytes(output, packed.data, force=force)
    if as_json:
        print(json.dumps({"output": str(output), "bytes": len(packed.data), "files": packed.files}, indent=1))
    else:
        print_lines(output)
    progress_printer(quiet)(f"{len(packed.files)} files, {len(packed.data) / 1e6:.0f} MB")
