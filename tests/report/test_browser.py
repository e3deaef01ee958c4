"""The page in a browser: it renders without a complaint, sorts, filters, and says what one points at."""

import os
import shutil

import pytest
from report.samples import HOSTILE, report_of

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 120_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; install it, or name it in CHROMIUM")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS, timeout=PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def shown(browser, tmp_path):
    """Open a report; at the end nothing may have been complained about, or asked of a network."""
    complaints, pages = [], []

    def show(report, width=1280, scheme="light"):
        report.save(tmp_path / "report.html", overwrite=True)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
        page.goto((tmp_path / "report.html").as_uri())
        pages.append(page)
        return page

    yield show
    for page in pages:
        page.close()
    assert complaints == []


def column(page, number):
    return page.eval_on_selector_all(
        "table.layers tbody tr:not([hidden])", f"rows => rows.map(row => row.cells[{number}].dataset.v ?? '')"
    )


def test_sorting(shown):
    page = shown(report_of(30))
    before = column(page, 1)
    head = page.locator("table.layers thead th").nth(1)
    for direction, reverse in (("descending", True), ("ascending", False)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        assert column(page, 1) == sorted(before, key=float, reverse=reverse)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") is None
    assert column(page, 1) == before


def test_filtering(shown):
    page = shown(report_of(30))
    page.fill("input[data-filter=layer-rows]", "CONV_2")
    assert len(column(page, 1)) == 11
    assert page.text_content("input[data-filter=layer-rows] + output") == "11 of 30"
    page.fill("input[data-filter=group-rows]", "conv_29")
    assert page.locator("#group-rows li:visible").count() == 1


def test_pointing(shown):
    page = shown(report_of(12))
    tip = page.locator("#tip")
    assert not tip.is_visible()
    page.hover(".point.chosen")
    assert tip.is_visible()
    assert "Chosen" in tip.text_content()
    page.hover(".strip >> nth=1")
    assert "filters left" in tip.text_content()
    page.hover("h1")
    assert not tip.is_visible()
    page.focus(".point.whole")
    assert "dense" in tip.text_content()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_light_and_dark(shown):
    for scheme, other in (("light", "dark"), ("dark", "light")):
        page = shown(report_of(3), scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.text_content("button.theme").lower() == other
        page.click("button.theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != colour
        assert page.text_content("button.theme").lower() == scheme


@pytest.mark.parametrize(("width", "names"), [(390, None), (1280, None), (390, HOSTILE), (1280, HOSTILE)])
def test_nothing_sticks_out(shown, width, names):
    page = shown(report_of(names=names), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("section").count() == 9


@pytest.mark.slow
def test_five_hundred_layers(shown):
    page = shown(report_of(500))
    page.locator("table.layers thead th button").nth(2).click()
    assert column(page, 2) == sorted(column(page, 2), key=float, reverse=True)
