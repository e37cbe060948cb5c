"""`edgecolor bundle`: an archive that installs edgecolor on a device without a network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def bundle(
    *,
    target: Annotated[
        str,
        typer.Option(
            help="bookworm-arm64, trixie-arm64, bookworm-armhf, bookworm-amd64 or trixie-amd64: "
            "the device's Debian or Raspberry Pi OS."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .tar.gz file to write.")],
    model: Annotated[
        str, typer.Option(help="What the service colors with: a shipped model's name, or a model file.")
    ] = "s",
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is in it as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Pack all that a device without a network needs, from Python packages to a systemd service.

    This machine needs the network: pip and apt fetch packages for the device. There, unpack the archive and
    run `sudo sh install.sh`, or without root rights `sh install.sh --prefix FOLDER`. On the device,
    `dpkg --print-architecture` and /etc/os-release say which target it is.

    \b
    Examples:
      edgecolor bundle --target bookworm-arm64 -o bundle.tar.gz
      edgecolor bundle --target trixie-arm64 --model mine.tflite -o bundle.tar.gz
    """
    from edgecolor.bundle.archive import make_bundle
    from edgecolor.support.extras import need_module
    from edgecolor_runtime.errors import UsageError
    from edgecolor_runtime.system.files import refuse_existing, write_bytes

    for name in ("packaging", "pip"):
        need_module("bundle", name, extra="bundle")
    if not output.name.endswith((".tar.gz", ".tgz")):
        raise UsageError(f"{output}: a bundle is a .tar.gz file")
    refuse_existing(output, force)
    made = make_bundle(target, model, _silent if quiet else _progress)
    write_bytes(output, made.data, force=force)
    if as_json:
        print(json.dumps({"output": str(output), "bytes": len(made.data), "files": made.files}, indent=1))
    else:
        print(output)
    if not quiet:
        print(f"{len(made.files)} files, {len(made.data) / 1e6:.0f} MB", file=sys.stderr)


def _silent(text: str) -> None:
    pass


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
