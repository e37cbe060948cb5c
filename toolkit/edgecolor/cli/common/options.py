"""The options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def complete_model(incomplete: str) -> list[str]:
    """Return the names of shipped models, and the model files, that begin with the incomplete word."""
    from edgecolor_runtime.models.shipped import SHIPPED

    names = [name for name in sorted(SHIPPED, reverse=True) if name.startswith(incomplete)]
    files = (str(path) for path in Path(incomplete).parent.glob("*.tflite"))
    return names + sorted(path for path in files if path.startswith(incomplete))


Force = Annotated[bool, typer.Option("--force", "-f", help="Replace existing output files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not print progress.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="s (small, fast), m (medium, better colors), or a model file.",
        autocompletion=complete_model,
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Number of CPU threads (default: all cores).")
]
ThreadCounts = Annotated[
    list[int] | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="Number of CPU threads; may be repeated (default: 1 to 4, at most one per core).",
    ),
]
Delegate = Annotated[
    str | None,
    typer.Option(metavar="DELEGATE", help="`edgetpu`, or the path of a TFLite delegate (default: the CPU)."),
]
Trusted = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYS",
        help="Public keys of minisign. A model file that none of them signed is refused. Shipped "
        "models need no signature: they are pinned by their hash.",
    ),
]
FrameWidth = Annotated[
    int, typer.Option("--width", min=16, max=8192, metavar="PIXELS", help="Width of the frame.")
]
FrameHeight = Annotated[
    int, typer.Option("--height", min=16, max=8192, metavar="PIXELS", help="Height of the frame.")
]
Saturation = Annotated[
    float | None,
    typer.Option(min=0, metavar="GAIN", help="Gain on the colors; 0 is gray (default: the model's own)."),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Refuse photographs of more pixels, such as 100000000 (default: no limit)."
    ),
]
Recolor = Annotated[
    bool, typer.Option("--recolor", help="Give new colors also to what is in color (default: kept as it is).")
]
Quality = Annotated[int, typer.Option(min=1, max=100, metavar="N", help="JPEG and WebP quality.")]
PreparedData = Annotated[
    Path, typer.Argument(metavar="DATA", help="Prepared dataset, made by `edgecolor dataset`.")
]
Calibration = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder of calibration photographs (default: ./calibration)."),
]
RunFolder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the run. An unfinished run is resumed."),
]
Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Address that the page listens on; any but 127.0.0.1 needs a token."
    ),
]
Port = Annotated[
    int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of the page (0: any free port).")
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        help="Token of the page, at least 16 characters (default: EDGECOLOR_TOKEN of the "
        "environment, or a new token if the address needs one).",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="File that contains the token. Other users do not see this token in `ps`."
    ),
]
TOKEN_VARIABLE = "EDGECOLOR_TOKEN"


def read_token(token: str | None, file: Path | None) -> str | None:
    """Return the token of the page: from --token, from --token-file, or from the environment.

    Raises:
        UsageError: both options are given, or the file cannot be read.
    """
    from edgecolor_runtime.errors import UsageError

    if token is not None and file is not None:
        raise UsageError("--token and --token-file are both given; give one of them")
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None if token is None else token
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise UsageError(f"--token-file {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"--token-file {file}: not a text file") from None


def printable_address(address: str, token: str | None, file: Path | None) -> str:
    """Return the address of the page as it is printed, with a token from a file or the environment hidden.

    Args:
        address: the address with its token.
        token: the option --token.
        file: the option --token-file.
    """
    secret = read_token(None, file) if token is None else None
    return address.replace(f"token={secret}", "token=***") if secret else address
