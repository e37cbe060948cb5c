"""`edgecolor demo`: wrong usage, and the logic of the page without a browser."""

from __future__ import annotations

import http.client
import io
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import webbrowser
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


@pytest.mark.parametrize("words", [[], ["--browser"]])
def test_a_browser_is_opened_only_with_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    seen: list[str] = []

    def serve(
        model: str, *, host: str, port: int, token: str | None, on_ready: Callable[[str], None]
    ) -> None:
        assert (model, token) == ("m", None)
        on_ready(f"http://{host}:{port}/")

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(webbrowser, "open", seen.append)
    assert main(["demo", *words]) == 0
    assert capsys.readouterr().err == "open it at http://127.0.0.1:8501/\n"
    assert seen == (["http://127.0.0.1:8501/"] if words else [])


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


def choose(page: AppTest, label: str, option: str) -> None:
    (radio,) = [radio for radio in page.radio if radio.label == label]
    radio.set_value(option).run()
    assert not page.exception


def test_each_step_is_done_once_for_all_visitors(work: Counter[str]) -> None:
    for _ in range(2):
        page = visit()
        choose(page, "What to color", "A sample")
        for gain in (0.0, 0.5, 2.0):
            page.slider[0].set_value(gain).run()
        assert work == {"loaded": 1, "read": 1, "predicted": 1}
    choose(page, "Model", "m")
    assert work == {"loaded": 2, "read": 1, "predicted": 2}
    choose(page, "Sample", "Hills")
    assert work == {"loaded": 2, "read": 2, "predicted": 3}


def test_the_named_model_is_selected_at_the_start() -> None:
    page = visit(str(MODEL))
    (models,) = [radio for radio in page.radio if radio.label == "Model"]
    assert models.value == str(MODEL)
    labels = ["tiny-int8.tflite", "s (small, fast)", "m (medium, better colors)"]
    assert [read(option) for option in models.options] == labels
    facts = read(page.caption[0].value)
    for fact in ("**Precision** int8", "**Alpha** 0.25", "**Trained on** not stated", "226 parameters"):
        assert fact in facts
    assert open_model(str(MODEL)).sha256 in facts
    assert list(coloring.open_models("m")) == ["m", "s"]


def test_saturation_starts_at_the_model_s_default() -> None:
    page = visit()
    assert page.slider[0].value == open_model("s").info.saturation == 1.31
    choose(page, "Model", "m")
    assert page.slider[0].value == open_model("m").info.saturation == 1.25
    assert "17,944 photographs" in read(page.caption[0].value)


def test_notes_on_a_picture_are_shown() -> None:
    frames = [Image.linear_gradient("L"), Image.radial_gradient("L")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    page = visit()
    page.file_uploader[0].set_value(("*two* frames.gif", data.getvalue(), "image/gif")).run()
    assert not page.exception and not page.error
    captions = [caption.value for caption in page.caption]
    assert "\\*two\\* frames\\.gif\\: holds 2 frames\\; the first is colored" in captions


def test_every_sample_exists_and_is_free() -> None:
    import csv

    with (CHECK_PICTURES / "manifest.csv").open(encoding="utf-8") as file:
        licenses = {row["file"]: row["licence"] for row in csv.DictReader(file)}
    assert {licenses[path.name] for path in coloring.SAMPLES.values()} == {"CC0-1.0"}
    assert all(path.is_file() and path.parent == CHECK_PICTURES for path in coloring.SAMPLES.values())


@contextmanager
def served(*words: str) -> Iterator[int]:
    """Serve the page in a process with 256 open files at most; yield its port."""
    command = [sys.executable, "-m", "edgecolor", "demo", "--port", "0", *words]
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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
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
                    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                    with suppress(OSError):  # it was replaced already
                        client.sendall(beginning)
                assert status(port, f"/?token={token}") == 303
        begun = time.monotonic()
        assert status(port, "/?token=wrong") == 401
        assert time.monotonic() - begun < 10
