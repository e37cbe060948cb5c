"""The page of the preview in a real Chromium: pixels, mouse, keyboard, and the accessibility tree."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageOps

from edgecolor_runtime import ColorFrame, Colorizer
from edgecolor_runtime.colors.frame import Shot
from edgecolor_runtime.preview.server import Preview, PreviewControls

from .preview_client import eventually, port_of, repeatedly

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
else:
    pytest.importorskip("playwright.sync_api", reason="no playwright here; pip install '.[dev]' brings it")

PHOTOGRAPH = Path(__file__).parents[3] / "examples/photographs/kodim23.jpg"
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Mean of a picture's pixels, and their mean distance from gray, both 0 to 255.
PIXELS = """name => {
  const image = document.getElementById(name), canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  let light = 0, color = 0;
  for (let i = 0; i < data.length; i += 4) {
    light += data[i + 1];
    color += Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
  }
  return {light: 4 * light / data.length, color: 4 * color / data.length};
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


class Loop:
    """A loop that colors a photograph, upright and upside down in turn, and shows it."""

    def __init__(self) -> None:
        with Image.open(PHOTOGRAPH) as photograph:
            gray = photograph.convert("L").resize((320, 240))
        self._grays = itertools.cycle([gray] * 10 + [ImageOps.invert(gray)] * 10)
        self.colorizer = Colorizer.shipped("s")
        self.frame = self.colorizer.colorize(gray)
        self.controls = PreviewControls(self.colorizer, self.statistics)
        self.preview = Preview(port=0, controls=self.controls)
        self.frames = 0

    def step(self) -> None:
        self.preview.show(Shot(self.frames, self.colorizer.colorize(next(self._grays)), 0.0))
        self.frames += 1

    def statistics(self) -> dict[str, Any]:
        share = {"p50": 12.34, "p90": 23.45, "p99": 34.56}
        return {
            "frames": self.frames,
            "dropped": 4,
            "fps": 29.97,
            "latency_ms": share,
            "stages_ms": {"invoke": share, "encode": share, "finish": None},
            "size": [320, 240],
            "source": "a <b>camera</b>",
            "model": "s",
        }


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    with repeatedly(loop.step):
        yield loop
    loop.preview.close()


@pytest.fixture
def page(browser: Browser, loop: Loop) -> Iterator[Page]:
    """The page of the loop. It must send no request elsewhere, and log no error."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(loop.preview.address)
    page.wait_for_selector("#state[data-state=live]")
    yield page
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((loop.preview.address, "data:"))] == []


def pixels(page: Page, name: str = "color") -> dict[str, float]:
    assert eventually(
        lambda: page.evaluate("name => document.getElementById(name).naturalWidth", name) == 320
    )
    measured: dict[str, float] = page.evaluate(PIXELS, name)
    return measured


def test_the_picture_is_colorful_and_moves(page: Page) -> None:
    assert pixels(page)["color"] > 15
    seen = set()

    def moved() -> bool:
        seen.add(round(pixels(page)["light"] / 20))
        return len(seen) > 1

    assert eventually(moved)


def test_the_latest_picture_is_shown(browser: Browser, loop: Loop) -> None:
    """A browser that waits for the end of a part would show the picture before. No other picture follows."""
    with ExitStack() as stack:
        preview = Preview(port=0, controls=loop.controls)
        stack.callback(preview.close)
        context = browser.new_context()
        stack.callback(context.close)
        page = context.new_page()
        preview.show(Shot(0, loop.frame, 0.0))
        page.goto(preview.address)
        assert pixels(page)["color"] > 15
        gray = ColorFrame(loop.frame.y, 0 * loop.frame.chroma)
        preview.show(Shot(1, gray, 0.0))
        assert eventually(lambda: pixels(page)["color"] < 2)


def test_saturation_by_keyboard(page: Page, loop: Loop) -> None:
    slider = page.get_by_role("slider", name="Saturation")
    assert float(slider.input_value()) == pytest.approx(loop.colorizer.saturation, abs=0.03)
    slider.focus()
    page.keyboard.press("Home")
    assert eventually(lambda: loop.colorizer.saturation == 0)
    assert eventually(lambda: pixels(page)["color"] < 2)
    page.keyboard.press("ArrowRight")
    assert eventually(lambda: loop.colorizer.saturation == pytest.approx(0.05))
    page.keyboard.press("End")
    assert eventually(lambda: loop.colorizer.saturation == 3)
    assert eventually(lambda: pixels(page)["color"] > 30)
    assert page.locator("#shown").inner_text() == "3.00"


def test_saturation_set_by_another_client_is_shown(page: Page, loop: Loop) -> None:
    loop.controls.saturation = 0.5
    assert eventually(lambda: page.get_by_role("slider", name="Saturation").input_value() == "0.5")
    assert page.locator("#shown").inner_text() == "0.50"


def test_gray_beside_color_and_split(page: Page, loop: Loop) -> None:
    gray = page.get_by_role("img", name="in gray")
    assert loop.preview.pictures.viewers == {"color": 1}
    page.get_by_role("radio", name="Color").focus()
    page.keyboard.press("ArrowRight")
    gray.wait_for()
    assert pixels(page, "gray")["color"] == 0
    left, right = gray.bounding_box(), page.locator("#color").bounding_box()
    assert left and right and left["x"] + left["width"] <= right["x"]

    page.keyboard.press("ArrowRight")
    divider = page.get_by_role("slider", name="Where gray ends")
    divider.focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "getComputedStyle(document.getElementById('gray')).clipPath.startsWith('inset(0px 0')"
    )
    assert gray.bounding_box() == page.locator("#color").bounding_box()
    assert eventually(lambda: loop.preview.pictures.viewers == {"color": 1, "gray": 1})

    page.get_by_text("Color", exact=True).click()
    gray.wait_for(state="hidden")
    assert eventually(lambda: loop.preview.pictures.viewers == {"color": 1})


def test_snapshot_is_downloaded(page: Page) -> None:
    with page.expect_download() as event:
        page.get_by_role("link", name="Save picture").click()
    assert event.value.suggested_filename.startswith("edgecolor-")
    with Image.open(io.BytesIO(Path(event.value.path()).read_bytes())) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (320, 240))


def test_before_the_first_picture(browser: Browser, loop: Loop) -> None:
    nothing = {
        "frames": 0,
        "dropped": 0,
        "fps": 0.0,
        "latency_ms": None,
        "stages_ms": {"invoke": None},
        "size": None,
    }
    preview = Preview(port=0, controls=PreviewControls(loop.colorizer, lambda: nothing))
    context = browser.new_context()
    page = context.new_page()
    try:
        page.goto(preview.address, wait_until="commit")
        status = page.get_by_role("status")
        assert eventually(lambda: status.inner_text() == "Waiting for a picture")
        assert page.locator("#p50").inner_text() == "–"
    finally:
        context.close()
        preview.close()


def test_the_statistics_are_shown(page: Page) -> None:
    text = page.get_by_role("region", name="Statistics").inner_text()
    for figure in ("30.0", "12.3 ms", "p90 23.4 · p99 34.6", "4", "Temperature", "invoke", "encode"):
        assert figure in text
    assert "finish" not in text
    assert page.locator("#about").inner_text() == "a <b>camera</b> · 320 × 240 · model s"


TREE = """
- banner:
  - heading "edgecolor" [level=1]
  - paragraph: a <b>camera</b> · 320 × 240 · model s
  - status: Live
- main:
  - region "Picture":
    - img "The live picture in color"
    - group "View":
      - text: View
      - radio "Color" [checked]
      - text: Color
      - radio "Beside gray"
      - text: Beside gray
      - radio "Split"
      - text: Split
    - text: Saturation
    - slider "Saturation"
"""


def test_accessibility_tree(page: Page) -> None:
    tree = page.locator("body").aria_snapshot()
    assert tree.startswith(TREE.strip()), tree
    assert '- link "Save picture"' in tree
    assert "- table:" in tree and '- rowheader "invoke"' in tree


def test_every_control_is_reached_by_tab(page: Page) -> None:
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
        assert page.evaluate(
            """[document.activeElement, document.activeElement.nextElementSibling]
              .some(element => element && getComputedStyle(element).outlineStyle === "solid")"""
        ), "the focus is not visible"
    assert reached == ["view", "saturation", "snapshot"]


@pytest.mark.parametrize("width", [320, 390, 820])
def test_the_page_fits_on_a_small_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 640})
    for view in ("Split", "Beside gray", "Color"):
        page.get_by_text(view, exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert pixels(page)["color"] > 15


def contrast(page: Page, selector: str) -> float:
    """Return the WCAG 2 contrast between an element's text and its background."""
    return float(
        page.evaluate(
            """selector => {
              let element = document.querySelector(selector);
              const numbers = color => color.match(/[\\d.]+/g).map(Number);
              const luminance = color => numbers(color).slice(0, 3).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
              const ink = luminance(getComputedStyle(element).color);
              const behind = () => getComputedStyle(element).backgroundColor;
              while (numbers(behind())[3] === 0) element = element.parentElement;
              const paper = luminance(behind());
              return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            }""",
            selector,
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_in_both_schemes(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(242, 242, 242)"
    assert light == (scheme == "light")
    for selector in ("h1", "#about", "#state", "dt", "dd.note", "#snapshot", "th", "td", "fieldset span"):
        assert contrast(page, selector) >= 4.5, selector
    for state in ("wait", "lost"):
        page.evaluate("state => document.getElementById('state').dataset.state = state", state)
        assert contrast(page, "#state") >= 4.5, state


def test_with_a_token(browser: Browser, loop: Loop) -> None:
    guarded = Preview(port=0, token="right-token-0123456", controls=loop.controls)
    with ExitStack() as stack:
        stack.callback(guarded.close)
        guarded.show(Shot(0, loop.frame, 0.0))
        context = browser.new_context()
        stack.callback(context.close)
        page = context.new_page()
        page.goto(guarded.address.partition("?")[0])
        assert "token" in page.locator("body").inner_text()
        page.goto(guarded.address)
        assert page.url == f"http://127.0.0.1:{port_of(guarded)}/"
        assert pixels(page)["color"] > 15
        assert page.evaluate("document.cookie") == ""
        page.reload()
        assert pixels(page)["color"] > 15


def test_the_page_reconnects(browser: Browser, loop: Loop) -> None:
    context = browser.new_context()
    page = context.new_page()
    try:
        page.goto(loop.preview.address)
        page.wait_for_selector("#state[data-state=live]")
        loop.preview.close()
        page.wait_for_selector("#state[data-state=lost]")
        assert page.get_by_role("status").inner_text() == "No connection"
        loop.preview = Preview(port=port_of(loop.preview), controls=loop.controls)
        page.wait_for_selector("#state[data-state=live]")
        assert eventually(lambda: loop.preview.pictures.viewers == {"color": 1})
    finally:
        context.close()


HOSTILE = """<!doctype html>
<img src="ADDRESS/stream/color"><img src="ADDRESS/snapshot"><iframe src="ADDRESS"></iframe>
<iframe name="x"></iframe>
<form action="ADDRESS/saturation" method="post" enctype="text/plain" target="x">
  <input name='{"saturation": 0, "x' value='": 0}'>
</form>
<script>
document.forms[0].submit();
const body = '{"saturation": 0}', headers = {"Content-Type": "application/json"};
fetch("ADDRESS/saturation", {method: "POST", mode: "no-cors", body});
fetch("ADDRESS/saturation", {method: "POST", headers, body});
</script>"""


def test_another_site_in_the_same_browser(browser: Browser, loop: Loop) -> None:
    """Another site can embed nothing, read nothing and set nothing."""
    context = browser.new_context()
    page = context.new_page()
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    html = HOSTILE.replace("ADDRESS", loop.preview.address.rstrip("/"))
    page.route("http://evil.example/", lambda route: route.fulfill(body=html, content_type="text/html"))
    try:
        page.goto("http://evil.example/")
        page.wait_for_timeout(500)
        ours = [(url, status) for url, status in answers if url.startswith(loop.preview.address)]
        assert all(status == 403 for url, status in ours if url != loop.preview.address)
        assert page.evaluate("[...document.images].map(image => image.naturalWidth)") == [0, 0]
        assert page.frames[1].locator("#color").count() == 0
        assert loop.preview.pictures.viewers == {}
        assert loop.colorizer.saturation > 1
    finally:
        context.close()
