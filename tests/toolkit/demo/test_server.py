"""`edgecolor demo`: wrong usage, and the logic of the page without a browser."""

from __future__ import annotations

import http.client
import io
import queue
import re
import resource
import signal
import socket
import subprocess
import sys
import webbrowser
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.data.calibration import CHECK_PICTURES
from edgecolor.demo import coloring, server
from edgecolor.support.extras import install_extra
from edgecolor_runtime.models.shipped import open_model

if find_spec("streamlit") is None:
    pytest.skip("no Streamlit here; pip install '.[demo]' brings it", allow_module_level=True)

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests/edge_runtime/data/tiny-int8.tflite"
PHOTOGRAPH = ROOT / "examples/photographs/kodim23.jpg"


def test_without_streamlit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("edgecolor.support.extras.importlib.util.find_spec", lambda name: None)
    assert main(["demo"]) == 4
    assert capsys.readouterr().err == (
        f"edgecolor: `edgecolor demo` needs streamlit. Install it with: {install_extra('demo')}\n"
    )


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 4
    assert capsys.readouterr().err == (
        f"edgecolor: 127.0.0.1 port {port} is in use. End the program that serves there, "
        "or choose another port with --port.\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--model", "none.tflite"], 5, "none.tflite: no such model file"),
        (["--model", str(PHOTOGRAPH)], 5, "not a TFLite model"),
        (["--model", "x"], 5, "no shipped model is called x"),
        (["--host", "192.0.2.1"], 4, "--host takes an address of this machine"),
        (["--token", "a b"], 2, "this token is not valid: use letters"),
        (["--port", "65536"], 2, "less than or equal to 65535"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], code: int, why: str) -> None:
    assert main(["demo", *words]) == code
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "environment", "opens"),
    [
        ([], {"DISPLAY": ":0"}, True),
        ([], {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ([], {}, False),
        ([], {"DISPLAY": ":0", "SSH_CONNECTION": "192.0.2.1 5000 192.0.2.2 22"}, False),
        (["--no-browser"], {"DISPLAY": ":0"}, False),
        (["--browser"], {}, True),
        (["--browser", "--quiet"], {}, True),
    ],
)
def test_the_browser_is_opened_where_the_user_sits(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    environment: dict[str, str],
    opens: bool,
) -> None:
    def serve(
        model: str, *, host: str, port: int, token: str | None, on_ready: Callable[[str], None]
    ) -> None:
        assert (model, token) == ("m", None)
        on_ready(f"http://{host}:{port}/")

    opened: queue.Queue[str] = queue.Queue()
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(webbrowser, "open", opened.put)
    assert main(["demo", *words]) == 0
    err = capsys.readouterr().err
    assert err.startswith("open it at http://127.0.0.1:8501/\n") != ("--quiet" in words)
    assert ("opening it in the browser; --no-browser prevents this\n" in err) == (
        opens and "--quiet" not in words
    )
    if opens:
        assert opened.get(timeout=60) == "http://127.0.0.1:8501/"
    else:
        assert opened.empty()


@pytest.fixture(autouse=True)
def this_program_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit replaces `__main__` with the page; processes of later tests would run the page."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the expensive steps: models loaded, pictures read, inferences."""
    import streamlit

    from edgecolor.demo import page

    streamlit.cache_resource.clear()
    count: Counter[str] = Counter()

    def counted(home: Any, name: str, what: str) -> None:
        real = getattr(home, name)

        def call(*arguments: Any, **options: Any) -> Any:
            count[what] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(home, name, call)

    counted(coloring.SharedColorizer, "__init__", "loaded")
    counted(page, "parse_picture", "read")
    counted(coloring.SharedColorizer, "predict", "predicted")
    return count


def visit(first: str = "s") -> AppTest:
    """Return the page of a new visitor."""
    from streamlit.testing.v1 import AppTest

    return AppTest.from_string(server.page_script(first), default_timeout=30).run()


def read(markdown: str) -> str:
    """Return Markdown without its escapes."""
    return re.sub(r"\\(.)", r"\1", markdown)


def captions(page: AppTest) -> str:
    """Return the captions of the page, one a line, without the escapes of Markdown."""
    return "\n".join(read(caption.value) for caption in page.caption)


def choose(page: AppTest, label: str, option: str) -> None:
    (radio,) = [radio for radio in page.radio if radio.label == label]
    radio.set_value(option).run()
    assert not page.exception


def test_each_step_is_done_once_for_all_visitors(work: Counter[str]) -> None:
    for visits in (1, 2):
        page = visit()
        choose(page, "What to color", "Samples")
        choose(page, "Sample", "Surf")
        for gain in (0.0, 0.5, 2.0):
            page.slider[0].set_value(gain).run()
        # One photograph is kept for a visitor: Parrots, with which the page opens, and then Surf.
        assert work == {"loaded": 1, "read": 2 * visits, "predicted": 2}
    choose(page, "Model", "m")
    assert work == {"loaded": 2, "read": 4, "predicted": 3}
    choose(page, "Sample", "Hills")
    assert work == {"loaded": 2, "read": 5, "predicted": 4}


def test_the_named_model_is_selected_at_the_start() -> None:
    page = visit(str(MODEL))
    (models,) = [radio for radio in page.radio if radio.label == "Model"]
    assert models.value == str(MODEL)
    labels = ["tiny-int8.tflite", "s (small, fast)", "m (medium, better colors)"]
    assert [read(option) for option in models.options] == labels
    facts = captions(page)
    for fact in ("**Precision** int8", "**Alpha** 0.25", "**Trained on** not stated", "226 parameters"):
        assert fact in facts
    assert open_model(str(MODEL)).sha256 in facts
    assert list(coloring.open_models("m")) == ["m", "s"]


def test_saturation_starts_at_the_model_s_default() -> None:
    page = visit()
    assert page.slider[0].value == open_model("s").info.saturation == 1.31
    choose(page, "Model", "m")
    assert page.slider[0].value == open_model("m").info.saturation == 1.25
    assert "17,944 photographs" in captions(page)


def test_notes_on_a_picture_are_shown() -> None:
    frames = [Image.linear_gradient("L"), Image.radial_gradient("L")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    page = visit()
    page.file_uploader[0].set_value(("*two* frames.gif", data.getvalue(), "image/gif")).run()
    assert not page.exception and not page.error
    captions = [caption.value for caption in page.caption]
    assert "\\*two\\* frames\\.gif\\: holds 2 frames\\; only the first is colored" in captions


def test_every_sample_exists_and_is_free() -> None:
    import csv

    with (CHECK_PICTURES / "manifest.csv").open(encoding="utf-8") as file:
        licenses = {row["file"]: row["licence"] for row in csv.DictReader(file)}
    parrots, *check_pictures = coloring.SAMPLES.values()
    assert parrots.read_bytes() == PHOTOGRAPH.read_bytes()  # examples/README.md states its license
    assert {licenses[path.name] for path in check_pictures} == {"CC0-1.0"}
    assert all(path.is_file() and path.parent == CHECK_PICTURES for path in check_pictures)


def test_the_zip_of_results_has_a_limit() -> None:
    photographs = [coloring.PhotoFile(f"{i}.jpg", PHOTOGRAPH.read_bytes()) for i in range(3)]
    colorizer = coloring.SharedColorizer(open_model("s"))

    def zipped(max_bytes: int) -> dict[str, bytes]:
        data = coloring.zip_results(photographs, colorizer, 1.0, max_bytes=max_bytes)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    results = zipped(10_000_000)
    assert list(results) == ["0.color.jpg", "1.color.jpg", "2.color.jpg"]
    size = len(results["0.color.jpg"])
    full = "the zip file is full; download this photograph by itself"
    assert zipped(2 * size) == {
        "0.color.jpg": results["0.color.jpg"],
        "1.color.jpg": results["1.color.jpg"],
        coloring.FAILURES: f"2.jpg: {full}\n".encode(),
    }
    assert zipped(0) == {coloring.FAILURES: "".join(f"{i}.jpg: {full}\n" for i in range(3)).encode()}


def test_the_page_opens_with_a_sample() -> None:
    page = visit()
    assert not page.exception and not page.error
    assert "This is a sample" in captions(page)


@contextmanager
def served(*words: str) -> Iterator[int]:
    """Serve the page in a process with 256 open files at most; yield its port."""
    command = [sys.executable, "-m", "edgecolor", "demo", "--port", "0", "--no-browser", *words]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),  # noqa: PLW1509
    ) as process:
        assert process.stderr
        try:
            line = process.stderr.readline()
            match = re.search(r":(\d+)/", line)
            assert match, line
            yield int(match[1])
        finally:
            process.send_signal(signal.SIGINT)
            process.stderr.read()


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_connections_without_a_token_do_not_shut_visitors_out() -> None:
    """Many are silent, send half a request, or guess tokens. The page has few files that it may open."""
    token = "right-token-0123456"
    beginnings = [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /?token=wrong HTTP/1.1\r\nHost: x\r\n\r\n"]
    with served("--token", token) as port:
        for beginning in beginnings:
            with ExitStack() as stack:
                for _ in range(300):
                    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
                    with suppress(OSError):  # it was replaced already
                        client.sendall(beginning)
                assert status(port, f"/?token={token}") == 303
        assert status(port, "/?token=wrong") == 401
