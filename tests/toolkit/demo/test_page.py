"""`edgecolor demo` in a real Chromium, with real files and the browser's fake webcam."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.demo.memory import LEFT_SECONDS
from edgecolor_runtime.system.commands import pip_install

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page
else:
    pytest.importorskip("playwright.sync_api", reason="no playwright here; pip install '.[dev]' brings it")
if find_spec("streamlit") is None:
    pytest.skip("no Streamlit here; pip install '.[demo]' brings it", allow_module_level=True)

PHOTOGRAPH = Path(__file__).parents[3] / "examples/photographs/kodim23.jpg"
WAIT = 30_000  # milliseconds until a test that hangs fails
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

# Returns size and mean distance of the pixels from gray, 0 to 255, of the pictures on the page.
PIXELS = """([gray, color]) => [gray, color].map(image => {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  let color = 0;
  for (let i = 0; i < data.length; i += 4)
    color += Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
  return {width: image.naturalWidth, height: image.naturalHeight, color: 4 * color / data.length};
})"""


@contextmanager
def served(folder: Path, *words: str) -> Iterator[str]:
    """Run the command in a process of its own until Ctrl-C; yield the address that it prints."""
    with served_process(folder, *words) as (address, _):
        yield address


@contextmanager
def served_process(folder: Path, *words: str, file_bytes: int | None = None) -> Iterator[tuple[str, int]]:
    """Yield the address and the process number; the process can write no file of more than `file_bytes`."""
    (folder / ".streamlit").mkdir()  # settings of another Streamlit page, which must have no effect
    (folder / ".streamlit/config.toml").write_text("[browser]\ngatherUsageStats = true\n", "utf-8")
    command = [sys.executable, "-m", "edgecolor", "demo", "--port", "0", "--no-browser", *words]
    if file_bytes is not None:
        command = ["prlimit", f"--fsize={file_bytes}", *command]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stderr
        try:
            line = process.stderr.readline()
            assert line.startswith("open it at http://"), line + process.stderr.read()
            yield line.removeprefix("open it at ").strip(), process.pid
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == ""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*QUIET, *CAMERA])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("demo")) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """One context for all tests: its cache keeps Streamlit's large scripts."""
    return browser.new_context(viewport={"width": 1200, "height": 900})


def violations(page: Page) -> list[str]:
    """Return what axe-core finds that hinders somebody seriously."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install '.[dev]' brings it"
    )
    broken_rules = axe.Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:200]}"
        for rule in broken_rules
        if rule["impact"] in ("serious", "critical")
    ]


@contextmanager
def opened(context: BrowserContext, address: str) -> Iterator[Page]:
    """Open the page; assert that it loads nothing from other sites and logs no error."""
    page = context.new_page()
    page.set_default_timeout(WAIT)
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url.replace("ws:", "http:", 1)))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.get_by_role("region", name="Drop photographs here").wait_for()
    page.get_by_text("This is a sample.").wait_for()  # comes last
    page.locator("[data-test-script-state=notRunning]").wait_for()
    yield page
    page.close()
    assert complaints == []
    ours = address.partition("?")[0]
    assert any(url.startswith(f"{ours}_stcore/stream") for url in requests)
    assert [url for url in requests if not url.startswith((ours, "data:", f"blob:{ours}"))] == []


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    with opened(context, address) as page:
        yield page


def give(page: Page, *files: Path) -> None:
    """Choose photographs in place of those before, and wait until the page shows the first."""
    removes = page.get_by_role("button", name="Remove")
    for _ in range(removes.count()):
        removes.first.click()
    page.get_by_text("This is a sample.").wait_for()
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_text("This is a sample.").wait_for(state="detached")


def pictures(page: Page) -> tuple[dict[str, float], dict[str, float]]:
    """Wait for both pictures; return width, height and mean distance from gray, of gray and of color."""
    handles = []
    for name in ("in gray", "in color"):
        image = page.get_by_role("img", name=name)
        image.wait_for()
        # Decoding fails once if the picture is replaced meanwhile, and twice if the picture is broken.
        image.evaluate("image => image.decode().catch(() => image.decode())")
        handles.append(image.element_handle())
    gray, color = page.evaluate(PIXELS, handles)
    return gray, color


def eventually(true: Callable[[], bool], page: Page) -> bool:
    """Return whether a condition becomes true before the test must fail."""
    deadline = time.monotonic() + WAIT / 1000
    while not true():
        if time.monotonic() > deadline:
            return False
        page.wait_for_timeout(50)
    return True


def download(page: Page) -> tuple[str, bytes]:
    page.locator("[data-test-script-state=notRunning]").wait_for()
    with page.expect_download() as event:
        page.get_by_role("button", name="Download in color").click()
    return event.value.suggested_filename, Path(event.value.path()).read_bytes()


def ran(file: Path, *words: str) -> bytes:
    """Return the file that `edgecolor run` writes."""
    output = file.with_name(f"{file.stem}.run{file.suffix}")
    assert main(["run", str(file), "-o", str(output), "--force", "--quiet", *words]) == 0
    return output.read_bytes()


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A gray copy in a folder that tests may write to."""
    return gray_copy(PHOTOGRAPH, tmp_path / "a parrot.jpg")


def gray_copy(photograph: Path, target: Path) -> Path:
    with Image.open(photograph) as image:
        image.convert("L").save(target)
    return target


def test_a_photograph_is_colored_and_downloaded(page: Page, photograph: Path) -> None:
    assert page.title() == "edgecolor"
    give(page, photograph)
    gray, color = pictures(page)
    assert gray["color"] == 0 and color["color"] > 15
    assert (color["width"], color["height"]) == (384, 256)
    assert download(page) == ("a parrot.color.jpg", ran(photograph))


def test_a_photograph_in_color_is_shown_as_it_is(page: Page, tmp_path: Path) -> None:
    parrot = tmp_path / "parrot.jpg"
    parrot.write_bytes(PHOTOGRAPH.read_bytes())
    give(page, parrot)
    page.get_by_text("is in color already and is shown as it is").wait_for()
    assert download(page) == ("parrot.color.jpg", PHOTOGRAPH.read_bytes())
    page.get_by_text("New colors for photographs in color").click()
    page.get_by_text("is in color already and is shown as it is").wait_for(state="detached")
    assert download(page)[1] == ran(parrot, "--recolor")


def test_the_divider_by_keyboard_and_mouse(page: Page, photograph: Path) -> None:
    give(page, photograph)
    divider = page.get_by_role("slider", name="Where gray ends")
    gray = page.get_by_role("img", name="in gray")

    def covered() -> str:
        """Return the part of the gray picture that is cut off."""
        return str(gray.evaluate("image => getComputedStyle(image).clipPath"))

    divider.focus()
    assert covered() == "inset(0px 50% 0px 0px)"
    page.keyboard.press("ArrowRight")
    assert covered() == "inset(0px 49% 0px 0px)"
    page.keyboard.press("Home")
    assert covered() == "inset(0px 100% 0px 0px)"
    box = gray.bounding_box()
    assert box and box == page.get_by_role("img", name="in color").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert re.match(r"inset\(0px 2[3-7]% 0px 0px\)", covered())


def test_saturation_and_model(page: Page, photograph: Path) -> None:
    give(page, photograph)
    page.get_by_role("radio", name="m (medium, better colors)", exact=True).check(force=True)
    facts = page.get_by_text("1,214,378 parameters")
    assert not facts.is_visible()
    page.get_by_text("Facts and times").click()
    facts.wait_for()
    saturation = page.get_by_role("slider", name="Saturation")
    assert saturation.get_attribute("value") == "1.25"
    assert download(page)[1] == ran(photograph, "--model", "m")

    saturation.focus()
    page.keyboard.press("Home")
    assert eventually(lambda: pictures(page)[1]["color"] == 0, page)
    assert download(page)[1] == ran(photograph, "--model", "m", "--saturation", "0")
    saturation.focus()
    page.keyboard.press("End")
    assert eventually(lambda: pictures(page)[1]["color"] > 60, page)
    assert download(page)[1] == ran(photograph, "--model", "m", "--saturation", "3")


def rotated(path: Path) -> None:
    with Image.open(PHOTOGRAPH) as image:
        exif = image.getexif()
        exif[0x0112] = 6  # orientation: rotated to the right
        image.save(path, exif=exif)


def deep(path: Path) -> None:
    ramp = np.linspace(0, 65535, 300 * 200).reshape(200, 300).astype(np.uint16)
    Image.fromarray(ramp).save(path)


def transparent(path: Path) -> None:
    with Image.open(PHOTOGRAPH) as image:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(path)


def large(path: Path) -> None:
    with Image.open(PHOTOGRAPH) as image:
        image.convert("L").resize((6000, 4000)).save(path)


def bitmap(path: Path) -> None:
    with Image.open(PHOTOGRAPH) as image:
        image.save(path)


@pytest.mark.parametrize(
    ("make", "name", "shown", "result"),
    [
        (rotated, "turned.jpg", (256, 384), "turned.color.jpg"),
        (deep, "scan.tif", (300, 200), "scan.color.tif"),
        (transparent, "cut.png", (384, 256), "cut.color.png"),
        (large, "large.jpg", (1600, 1067), "large.color.jpg"),
    ],
    ids=["turned", "16 bits", "transparent", "large"],
)
def test_any_photograph(
    page: Page, tmp_path: Path, make: Callable[[Path], None], name: str, shown: tuple[int, int], result: str
) -> None:
    make(tmp_path / name)
    give(page, tmp_path / name)
    gray, color = pictures(page)
    assert (gray["width"], gray["height"]) == (color["width"], color["height"]) == shown
    assert color["color"] > 5 and gray["color"] == 0
    assert download(page) == (result, ran(tmp_path / name))


def test_a_format_without_color_becomes_png(page: Page, tmp_path: Path) -> None:
    bitmap(tmp_path / "old.bmp")
    give(page, tmp_path / "old.bmp")
    name, data = download(page)
    assert main(["run", str(tmp_path / "old.bmp"), "--quiet"]) == 0
    assert (name, data) == ("old.color.png", (tmp_path / "old.color.png").read_bytes())


def test_a_bad_file_is_reported_in_one_sentence(page: Page, tmp_path: Path, photograph: Path) -> None:
    cut = tmp_path / "cut_*off*.jpg"
    cut.write_bytes(PHOTOGRAPH.read_bytes()[:640])
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 10_000)).save(bomb)
    (tmp_path / "notes.jpg").write_text("no picture", "utf-8")
    Image.new("L", (65_520, 20), 90).save(tmp_path / "wide.jpg", "PNG")
    (tmp_path / "huge.tif").touch()
    os.truncate(tmp_path / "huge.tif", 320_000_000)
    for file, sentence in (
        (cut, "cut_*off*.jpg: the file ends before its first pixels"),
        (bomb, "bomb.png: 20000 x 10000 are 200,000,000 pixels; at most 100,000,000 are allowed"),
        (tmp_path / "notes.jpg", "notes.jpg: not a picture in a format that edgecolor reads"),
        (tmp_path / "wide.jpg", "wide.jpg: 65520 x 20 is too large for JPEG"),
    ):
        give(page, file)
        page.get_by_role("alert").get_by_text(sentence).wait_for()
        assert page.get_by_role("alert").count() == 1
        assert page.get_by_role("button", name="Download").count() == 0
    give(page, photograph)
    assert pictures(page)[1]["color"] > 15
    assert page.get_by_role("alert").count() == 0
    page.locator("input[type=file]").set_input_files(tmp_path / "huge.tif")
    page.get_by_role("alert").get_by_text("File must be 300.0MB or smaller").wait_for()


def test_the_webcam(page: Page) -> None:
    page.get_by_role("radio", name="Webcam").check(force=True)
    video = page.locator("video")
    video.evaluate("async v => { while (v.readyState < 2) await new Promise(go => setTimeout(go, 20)); }")
    page.get_by_role("button", name="Take Photo").click()
    gray, color = pictures(page)
    assert gray["color"] == 0 and color["color"] > 5
    name, data = download(page)
    assert name == "webcam.color.jpg" and data.startswith(b"\xff\xd8")


def test_a_sample(page: Page) -> None:
    page.get_by_role("radio", name="Samples").check(force=True)
    assert pictures(page)[1]["color"] > 15
    page.get_by_role("radio", name="Poppies").check(force=True)
    page.get_by_role("button", name="Download in color, 224 × 224").wait_for()


FOCUSED = """() => {
  let element = document.activeElement;
  while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element.ariaLabel || element.value || element.textContent;
}"""


def test_the_page_by_keyboard(page: Page, photograph: Path) -> None:
    give(page, photograph)
    pictures(page)
    page.get_by_role("slider", name="Where gray ends").focus()
    reached: list[str] = ["Where gray ends and color begins"]
    while "Saturation" not in reached and len(reached) < 14:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    wanted = ["Where gray ends and color begins", "Download in color, 384 × 256", "Add files", "Saturation"]
    assert [name for name in reached if name in wanted] == wanted, reached
    page.get_by_role("radio", name="My photographs").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Take Photo").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_role("radio", name="Parrots").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Download in color, 224 × 224").wait_for()


@pytest.mark.parametrize("width", [320, 820])
def test_the_page_fits_a_small_screen(page: Page, photograph: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 640})
    give(page, photograph)
    pictures(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("[data-testid=stMain]").evaluate("element => element.scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_the_page_opens_with_a_sample_and_its_download(
    page: Page, tmp_path: Path, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    gray, color = pictures(page)
    assert gray["color"] == 0 and color["color"] > 15
    page.get_by_text("This is a sample. Your own photographs take its place.").wait_for()
    box = page.get_by_role("img", name="in color").bounding_box()
    assert box and box["width"] >= min(700, width - 40)
    button = page.get_by_role("button", name="Download in color, 384 × 256").bounding_box()
    assert button and button["y"] + button["height"] < height
    sample = tmp_path / "parrots.jpg"
    sample.write_bytes(PHOTOGRAPH.read_bytes())
    assert download(page) == ("parrots.color.jpg", ran(sample, "--recolor"))
    assert violations(page) == []
    page.get_by_text("Facts and times").click()
    page.get_by_text("1,214,378 parameters").wait_for()
    assert violations(page) == []


def test_dark_page_can_be_read(browser: Browser, address: str) -> None:
    dark = browser.new_context(viewport={"width": 1366, "height": 768}, color_scheme="dark")
    with opened(dark, address) as page:
        pictures(page)
        assert violations(page) == []
    dark.close()


def test_on_a_phone_both_downloads_are_above_the_fold(page: Page, photograph: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    tall = PHOTOGRAPH.with_name("kodim04.jpg")
    give(page, tall, photograph)
    pictures(page)
    button = page.get_by_role("button", name="Download all 2 as a zip file")
    button.wait_for()

    def is_visible() -> bool:
        box = button.bounding_box()
        return bool(box and box["y"] + box["height"] < 844)

    assert eventually(is_visible, page)
    assert violations(page) == []


def test_several_photographs_and_a_zip_of_the_results(page: Page, photograph: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    again = tmp_path / "again" / photograph.name
    transparent(tmp_path / "cut.png")
    with Image.open(PHOTOGRAPH.with_name("kodim04.jpg")) as image:
        image.save(again)
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture", "utf-8")
    page.set_viewport_size({"width": 1366, "height": 768})
    give(page, photograph, again, tmp_path / "cut.png", broken)
    button = page.get_by_role("button", name="Download all 4 as a zip file")
    button.wait_for()
    assert download(page) == ("a parrot.color.jpg", ran(photograph))
    box = button.bounding_box()
    assert box and box["y"] + box["height"] < 768
    assert violations(page) == []
    with page.expect_download() as event:
        button.click()
    assert event.value.suggested_filename == "edgecolor.zip"
    with zipfile.ZipFile(event.value.path()) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a parrot.color.jpg": ran(photograph),
            "a parrot.color-2.jpg": ran(again),
            "cut.color.png": ran(tmp_path / "cut.png"),
            "not colored.txt": b"broken.jpg: not a picture in a format that edgecolor reads\n",
        }
    page.get_by_role("combobox", name="Photograph to show").click()
    page.get_by_role("option", name="broken.jpg").click()
    page.get_by_role("alert").get_by_text("broken.jpg: not a picture").wait_for()
    page.get_by_role("combobox", name="Photograph to show").click()
    page.get_by_role("option", name="cut.png").click()
    page.get_by_role("button", name="Download in color, 384 × 256").wait_for()
    assert download(page) == ("cut.color.png", ran(tmp_path / "cut.png"))


def test_heic_without_its_package_names_the_command(page: Page, tmp_path: Path) -> None:
    if find_spec("pillow_heif") is not None:
        pytest.skip("pillow-heif is installed here")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    give(page, tmp_path / "phone.heic")
    command = pip_install("pillow-heif")
    text = f"phone.heic: HEIC images need the pillow-heif package. Install it with: {command}"
    page.get_by_role("alert").get_by_text(text).wait_for()


def test_with_a_token(context: BrowserContext, photograph: Path, tmp_path: Path) -> None:
    with served(tmp_path, "--token", "right-token-0123456") as address:
        assert address.endswith("/?token=right-token-0123456")
        outside = context.new_page()
        answer = outside.goto(address.partition("?")[0])
        assert answer and answer.status == 401 and "ends with a token" in outside.locator("body").inner_text()
        wrong = outside.goto(address.replace("right", "wrong"))
        assert wrong and wrong.status == 401
        outside.close()
        with opened(context, address) as page:
            assert page.url == address.partition("?")[0]
            assert "right-token-0123456" not in page.evaluate("document.cookie")
            give(page, photograph)
            assert pictures(page)[1]["color"] > 15


def answer_to(address: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    where = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", where.port or 0, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_other_sites_are_refused(address: str) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert answer_to(address, "/")[0] == 200
    assert "connect-src 'self'" in answer_to(address, "/")[1]["content-security-policy"]
    assert answer_to(address, "/", Host="evil.example")[0] == 421
    assert answer_to(address, "/_stcore/health")[0] == 200
    assert answer_to(address, "/_stcore/health", Sec_Fetch_Site="cross-site")[0] == 403
    assert answer_to(address, "/_stcore/stream", **upgrade)[0] == 101
    assert answer_to(address, "/_stcore/stream", Origin="http://evil.example", **upgrade)[0] == 403
    assert answer_to(address, "/_stcore/stream", Host="evil.example", **upgrade)[0] == 403


def noise(path: Path, side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_uploads_stay_in_memory_and_are_freed(context: BrowserContext, tmp_path: Path) -> None:
    """The server can write no file of 1 MB. A photograph of 64 MB is colored, and freed afterwards."""
    noise(tmp_path / "scan.tif", 8000)
    with served_process(tmp_path, file_bytes=1_000_000) as (address, pid):
        with opened(context, address) as page:
            give(page, PHOTOGRAPH)
            pictures(page)
            before = resident_megabytes(pid)
            give(page, tmp_path / "scan.tif")
            page.get_by_role("button", name="Download in color, 8000 × 8000").wait_for()
            pictures(page)
            assert resident_megabytes(pid) > before + 100  # the file and its pixels
        deadline = time.monotonic() + LEFT_SECONDS + 60
        while resident_megabytes(pid) > before + 40:
            assert time.monotonic() < deadline
            time.sleep(1)


def test_visitors_see_only_their_own_photographs(browser: Browser, address: str, tmp_path: Path) -> None:
    """Two visitors use files of the same name at the same time."""
    files = []
    for folder, name in (("first", "kodim03.jpg"), ("second", "kodim04.jpg")):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "photo.jpg")
        gray_copy(PHOTOGRAPH.parent / name, files[-1])
    with opened(browser.new_context(), address) as first, opened(browser.new_context(), address) as second:
        give(first, files[0])
        give(second, files[1])
        sources = []
        for page, file in ((first, files[0]), (second, files[1])):
            pictures(page)
            assert download(page) == ("photo.color.jpg", ran(file))
            sources.append(page.get_by_role("img", name="in gray").get_attribute("src"))
        assert sources[0] != sources[1]
        second.reload()  # a new session: nothing of an earlier one is shown
        second.get_by_text("This is a sample.").wait_for()
        pictures(second)
        assert second.get_by_role("img", name="in gray").get_attribute("src") not in sources
        slider = first.get_by_role("slider", name="Saturation")
        slider.focus()
        first.keyboard.press("Home")
        assert eventually(lambda: pictures(first)[1]["color"] == 0, first)
        assert first.get_by_role("img", name="in gray").get_attribute("src") == sources[0]
