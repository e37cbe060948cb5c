"""`edgecolor demo`: a page to try it on one's own photographs."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    *,
    model: Annotated[
        str, typer.Option(help="Chosen at first: a shipped model's name, or the path of a model file.")
    ] = "s",
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but 127.0.0.1 takes a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 8501,
    token: Annotated[
        str | None, typer.Option(help="Token of the page. Else one is made where it is needed.")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in this machine's browser, too.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.")] = False,
) -> None:
    r"""Serve a page on which anybody colors photographs: their own, the webcam's, or a sample.

    It shows gray beside colored, with a divider to drag, and gives the colored picture at its own size, as
    `edgecolor run` writes it. Photographs stay on this machine, and the page asks no other one for anything.
    Ctrl-C ends it. A browser gives a webcam only to 127.0.0.1 and to encrypted pages.

    \b
    Examples:
      edgecolor demo
      edgecolor demo --model mine.tflite --browser
      edgecolor demo --host 0.0.0.0 --port 8600
    """
    import webbrowser

    from edgecolor.cli.common.messages import print_address
    from edgecolor.support.extras import need_module

    need_module("demo", "streamlit", extra="demo")

    from edgecolor.demo import coloring
    from edgecolor.demo.server import serve

    def ready(address: str) -> None:
        print_address("open", address, quiet=quiet)
        if browser:
            webbrowser.open(address)

    coloring.offer(model)
    serve(host, port, token, ready)
