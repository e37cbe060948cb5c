"""The page of a report in Chromium: by mouse and keyboard, on a phone, on paper, and with hostile records."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from edgecolor.cli import main

from ..changed_records import Record, copied, evaluation_of, machine_of, timing_of, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
else:
    pytest.importorskip("playwright.sync_api", reason="no playwright here; pip install '.[dev]' brings it")

QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PRECISIONS = {"float32": 4.0, "float16": 2.0, "dynamic": 1.1, "int8": 1.0, "int16x8": 1.05}
LARGEST_PAGE = 5_000_000  # bytes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that makes the page of records, with the command."""

    def run(*records: Record) -> Path:
        folder = tmp_path_factory.mktemp("page")
        paths = [str(write(folder / f"{i:02d}.json", record)) for i, record in enumerate(records)]
        page = folder / "report.html"
        assert main(["report", *paths, "-o", str(page), "-q"]) == 0
        return page

    return run


@pytest.fixture(scope="module")
def ten(make: Make, evaluated: Record, benched: Record) -> Path:
    """Ten files, five precisions of two networks, on two devices; one file more that nobody timed."""
    records, times = [], {}
    for network, (gain, time, size) in {"s": (0.0, 9.0, 500_000), "m": (0.3, 13.0, 1_400_000)}.items():
        for i, (precision, factor) in enumerate(PRECISIONS.items()):
            name = f"{network}_{precision}.tflite"
            record = evaluation_of(evaluated, name, gain=gain - 0.02 * i, bytes=int(size * factor))
            record["file"]["precision"] = precision
            records.append(record)
            times[name] = time * (15 if precision == "int16x8" else 1 + 0.2 * factor)
    keras = evaluation_of(evaluated, "m.keras", gain=0.3, bytes=5_000_000)
    keras["file"] |= {"flatbuffer_sha256": None, "parameters": None}
    here = timing_of(benched, **times)
    pi = machine_of(timing_of(benched, **{n: 8 * t for n, t in times.items()}), board="Raspberry Pi 4")
    return make(*records, keras, here, pi)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page; the page must request nothing else and log no errors."""
    contexts = []
    requests: list[str] = []
    complaints: list[str] = []

    def run(path: Path, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield run
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in requests if url.startswith("file:")]) == len(contexts)


Open = Callable[..., Any]


def test_the_choice_is_on_the_first_screen(ten: Path, open_page: Open) -> None:
    page = open_page(ten)
    assert ten.stat().st_size < LARGEST_PAGE
    first = page.locator(".take").first
    assert "take m_int8.tflite" in first.inner_text()
    for what in (first, page.locator(".plot").first, page.locator("tr.taken").first):
        box = what.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] < 900
    assert page.locator(".plot").count() == 2
    assert page.locator("section").first.locator("svg.plot circle").count() == 0
    assert page.locator("svg.plot").first.locator("circle").count() == 10
    assert page.locator("svg.plot").first.locator("circle.taken").count() == 1
    rows = page.locator("table.main").first.locator("tbody tr")
    assert rows.count() == 11
    assert "export it" in rows.last.inner_text()


def test_every_mark_is_drawn_where_its_figures_are(ten: Path, open_page: Open) -> None:
    """Left is faster, up is truer: in the order of the table's numbers."""
    page = open_page(ten)
    marks = page.evaluate(
        """() => [...document.querySelector("svg.plot").querySelectorAll("circle")].map(circle => {
          const [, ms, db] = circle.textContent.match(/: ([\\d.,]+) ms, ([-+][\\d.]+) dB/);
          return [Number(ms.replace(",", "")), Number(db), circle.cx.baseVal.value, circle.cy.baseVal.value];
        })"""
    )
    assert len(marks) == 10
    for one in marks:
        for other in marks:
            if one[0] < other[0]:
                assert one[2] < other[2]
            if one[1] < other[1]:
                assert one[3] > other[3]


def test_two_pictures_under_a_slider(ten: Path, open_page: Open) -> None:
    page = open_page(ten)
    split = page.get_by_role("slider", name="Where the left picture ends")
    page.locator("#left").select_option("gray")
    page.locator("#right").select_option("original")

    def colors() -> tuple[float, float]:
        """Mean distance from gray, of the picture's left and right half as it is seen."""
        with Image.open(io.BytesIO(page.locator("#under").screenshot())) as shot:
            saturation = shot.convert("HSV").getchannel("S")
        half = saturation.width // 2
        halves = (saturation.crop((0, 0, half - 4, half)), saturation.crop((half + 4, 0, 2 * half, half)))
        left, right = (sum(i * n for i, n in enumerate(h.histogram())) / (half * half) for h in halves)
        return left, right

    left, right = colors()
    assert left < 3 and right > 20
    split.focus()
    page.keyboard.press("End")
    assert max(colors()) < 3
    page.keyboard.press("Home")
    assert min(colors()) > 10
    page.get_by_label("where it differs").check()
    page.locator("#right").select_option("A")
    assert page.locator("#under").get_attribute("src").startswith("data:image/png")
    assert "differs from the original; mean" in page.locator("#under").get_attribute("alt")
    page.locator("#photo").select_option("1")
    assert page.locator("#under").get_attribute("src") == page.locator(
        '.sheet[data-photo="1"] [data-map="A"]'
    ).get_attribute("src")


def test_a_map_is_black_where_nothing_differs(
    evaluated: Record, benched: Record, make: Make, open_page: Open
) -> None:
    record = copied(evaluated)
    for picture in record["pictures"]:
        picture["finished"] = picture["original"]
    page = open_page(make(record, benched))
    assert "mean 0.0" in page.locator(".map").first.get_attribute("alt")
    plain = open_page(make(evaluated, benched))
    assert float(plain.locator(".map").first.get_attribute("alt").split()[-1]) > 2


def test_readable_without_a_script(ten: Path, open_page: Open) -> None:
    page = open_page(ten, java_script_enabled=False)
    assert not page.locator("#viewer").is_visible()
    assert page.locator(".sheet img").first.is_visible()
    assert page.locator(".sheet").count() == 4
    assert page.locator(".sheet").first.locator("img").count() == 2 + 2 * 11


def violations(page: Page) -> list[str]:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install '.[dev]' brings it"
    )
    broken_rules = axe.Axe().run(page).response["violations"]
    return [f"{v['impact']}: {v['id']}: {v['nodes'][0]['html'][:200]}" for v in broken_rules]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_that_a_screen_reader_cannot_use(ten: Path, open_page: Open, scheme: str, width: int) -> None:
    page = open_page(ten, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert violations(page) == []


def test_axe_finds_what_is_wrong(open_page: Open, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<!doctype html><html><title>x</title><img src='data:,'><select></select></html>")
    assert any("image-alt" in line for line in violations(open_page(path)))


def test_every_control_and_wide_table_is_reached_by_tab(ten: Path, open_page: Open) -> None:
    page = open_page(ten, viewport={"width": 390, "height": 844})
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel"))
    assert {"photo", "left", "right", "maps", "split", "Accuracy of each file"} <= reached


@pytest.mark.parametrize("width", [320, 390, 820])
def test_nothing_sticks_out_of_a_small_screen(ten: Path, open_page: Open, width: int) -> None:
    page = open_page(ten, viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper(ten: Path, open_page: Open) -> None:
    page = open_page(ten)
    page.emulate_media(media="print")
    assert not page.locator("#viewer").is_visible()
    assert page.locator(".take").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


ATTACK = "</script></style></title><script>hacked=1</script><img src=x onerror=hacked=1>\"'`{{7*7}}"


def test_what_a_record_says_is_text(evaluated: Record, benched: Record, make: Make, open_page: Open) -> None:
    """In the names of the file, model, photographs, board, versions, interpreter, protocol."""
    record = evaluation_of(evaluated, f"{ATTACK[:40]}\x1b[31m\u202ex", bytes=700_000)
    record["file"] |= {"name": ATTACK, "version": ATTACK}
    record |= {"protocol": ATTACK, "created_by": ATTACK, "model": ATTACK}
    for i, (score, picture) in enumerate(zip(record["scores"], record["pictures"], strict=True)):
        score["name"] = picture["name"] = f"{ATTACK}{i}"
    times = timing_of(benched, **{f"{ATTACK[:40]}\x1b[31m\u202ex": 10.0})
    times |= {"created_by": ATTACK, "libraries": {ATTACK: ATTACK}}
    times["machine"] = {key: ATTACK if isinstance(v, str) else v for key, v in times["machine"].items()}
    times["machine"]["board"] = ATTACK
    times["settings"] |= {"capture": ATTACK, "delegate": ATTACK}
    times["models"][0]["interpreter"] = ATTACK
    page = open_page(make(record, times))
    page.wait_for_timeout(200)
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("script").count() == 1 and page.locator('img[src="x"]').count() == 0
    text = page.locator("body").inner_text()
    assert ATTACK in text and "49" not in text.split("{{7*7}}")[0]
    source = page.content()
    assert "\x1b" not in source and "\u202e" not in source


def test_a_script_that_slipped_in_would_not_run(ten: Path, browser: Browser) -> None:
    """The page allows its own script alone, by hash."""
    page = browser.new_page()
    page.goto(ten.as_uri())
    refused = page.evaluate(
        """() => new Promise(done => {
          document.addEventListener("securitypolicyviolation", event => done(event.violatedDirective));
          document.body.append(Object.assign(document.createElement("script"), {textContent: "hacked = 1"}));
          setTimeout(() => done(typeof hacked), 1000);
        })"""
    )
    assert refused == "script-src-elem"
    assert page.evaluate("typeof hacked") == "undefined"
    page.close()


def test_long_names_do_not_break_the_page(
    evaluated: Record, benched: Record, make: Make, open_page: Open
) -> None:
    name = "w" * 5000
    record = evaluation_of(evaluated, name)
    record["scores"][0]["name"] = record["pictures"][0]["name"] = "p" * 5000
    times = machine_of(timing_of(benched, **{name: 10.0}), board="b" * 5000)
    path = make(record, times)
    assert "w" * 49 not in path.read_text("utf-8")
    for width in (390, 1200):
        page = open_page(path, viewport={"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
