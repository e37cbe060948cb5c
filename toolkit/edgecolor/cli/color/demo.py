"""`edgecolor demo`: a web page that colors photographs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from edgecolor.cli.common.messages import print_address, print_line, working
from edgecolor.cli.common.options import (
    Host,
    ModelName,
    Port,
    Quiet,
    Token,
    TokenFile,
    printable_address,
    read_token,
)


def demo(
    *,
    model: ModelName = "m",
    host: Host = "127.0.0.1",
    port: Port = 8501,
    token: Token = None,
    token_file: TokenFile = None,
    browser: Annotated[
        bool | None,
        typer.Option(
            "--browser/--no-browser",
            help="Open the page in a browser of this machine (default: not over SSH or without a display).",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    r"""Serve a web page that colors photographs.

    The photographs are uploads, samples, or taken with the webcam. The page shows gray beside colored with a
    divider to drag. The download has the full size and is the same file that `edgecolor run` writes. Several
    photographs are downloaded together as a zip file. Photographs stay on this machine, and the page loads
    nothing from other sites. --model is selected at the start. Press Ctrl-C to stop. A browser gives a webcam
    only to 127.0.0.1 and to encrypted pages.

    \b
    Examples:
      edgecolor demo
      edgecolor demo --model mine.tflite --no-browser
      edgecolor demo --host 0.0.0.0 --port 8600
    """
    from edgecolor.support.extras import need_module

    need_module("demo", "streamlit", extra="demo")

    from edgecolor.demo.browser import has_browser, open_browser
    from edgecolor.demo.coloring import open_models
    from edgecolor.demo.server import serve
    from edgecolor.tflite.trial import try_model

    with ExitStack() as start:
        start.enter_context(working("starting the page", quiet=quiet))

        def announce(address: str) -> None:
            start.close()
            printed = printable_address(address, token, token_file)
            print_address("open", printed, quiet=quiet)
            if has_browser() if browser is None else browser:
                if not quiet:
                    print_line("opening it in the browser; --no-browser prevents this")
                open_browser(address)

        page_token = read_token(token, token_file)
        try_model(model)
        open_models(model)  # report a model that is not intact before the page is served
        serve(model, host=host, port=port, token=page_token, on_ready=announce)
