"""The page of a group in headless Chromium, with the network refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from hourglass.page.page import asset, write_page
from hourglass.page.words import MINUS

from .gathered import GROUP, SENTENCES, make_gathered

playwright = pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - beside Playwright
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect  # noqa: E402

from .browser import launched, missing  # noqa: E402

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there is one")

WIDTHS: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desk": {"width": 1280, "height": 800},
}
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gathered")
    make_gathered(made)
    write_page(made, GROUP, SENTENCES, made / "page.html")
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@contextmanager
def opened(browser: Browser, folder: Path, width: str = "desk", scheme: Scheme = "light") -> Iterator[Page]:
    """Open the page without a network; that it logs nothing and asks for nothing is asserted at the end."""
    context = browser.new_context(viewport=WIDTHS[width], color_scheme=scheme, offline=True, reduced_motion="reduce")
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.goto((folder / "page.html").as_uri())
    page.locator(".dataset:not([hidden]) .plot svg").first.wait_for()
    yield page
    assert said == []
    assert asked.count("file") == 1
    assert set(asked) <= {"file", "data", "blob"}
    context.close()


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with opened(browser, folder) as shown:
        yield shown


def pixels(element: Locator) -> NDArray[np.float64]:
    """Return what an element shows of an image of 8x8 pixels, gray: the middle of each, away from rounded corners."""
    shown = np.asarray(Image.open(BytesIO(element.screenshot())).convert("L"), np.float64)
    rows, columns = ((np.arange(8) + 0.5) * side / 8 for side in shown.shape)
    return shown[np.ix_(rows.astype(int), columns.astype(int))]


def stored(path: Path, row: int, column: int) -> NDArray[np.float64]:
    """Return one 8x8 image of a picture of many."""
    return np.asarray(Image.open(path), np.float64)[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]


def choose(page: Page, dataset: str) -> Locator:
    """Choose a data set, and return its part of the page."""
    page.get_by_role("radio", name=dataset, exact=True).check(force=True)
    part = page.locator(f'.dataset[data-dataset="{dataset}"]')
    part.locator(".plot svg").first.wait_for()
    return part


def column(page: Page, place: int) -> list[str]:
    """Return a column of the table of all models, as shown."""
    return page.locator(f"#headline tbody tr:visible > :nth-child({place})").evaluate_all(
        "cells => cells.map(cell => cell.dataset.value ?? '')"
    )


def test_the_answers_come_first(page: Page) -> None:
    expect(page.locator(".answer")).to_have_count(2)
    assert page.locator(".answer .words p").first.inner_text() == SENTENCES[0].replace("`", "")
    box = page.locator(".answer").first.bounding_box()
    assert box is not None
    assert box["y"] < 400
    assert all(page.locator("img").evaluate_all("images => images.map(image => image.naturalWidth > 0)"))


def test_the_table_sorts(page: Page) -> None:
    for heading, place in {"Above PCA (dB)": 9, "Model": 1, "PSNR (dB)": 5}.items():
        button = page.locator("#headline").get_by_role("button", name=heading, exact=True)
        for direction in ("ascending", "descending"):
            button.click()
            assert button.locator("..").get_attribute("aria-sort") == direction
            values = [value for value in column(page, place) if value]
            ordered = sorted(values, key=str if place == 1 else float, reverse=direction == "descending")
            assert values == ordered
            assert column(page, place)[: len(values)] == ordered  # those without a value are last
    expect(page.locator('#headline th[aria-sort]:not([aria-sort="none"])')).to_have_count(1)


def test_the_table_shows_one_data_set(page: Page) -> None:
    page.locator("#only").select_option("crops")
    assert column(page, 2) == ["crops", "crops"]


def test_a_point_shows_its_image(page: Page, folder: Path) -> None:
    part = choose(page, "digits").locator("[data-latents]")
    tip = part.locator(".tip")
    for place in (0, 17):
        part.locator(".mark").nth(place).hover()
        expect(tip).to_be_visible()
        index = int(tip.inner_text().rpartition(" ")[2])
        assert (
            np.abs(pixels(tip.locator(".sprite")) - stored(folder / "thumbnails" / "digits.png", 0, index)).mean() < 2
        )
        label = pd.read_csv(folder / "projections" / "digits-pca.csv")["label"][index]
        assert tip.locator("b").inner_text() == str(label)
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_arrow_keys_reach_points(page: Page) -> None:
    part = choose(page, "digits").locator("[data-latents]")
    part.locator(".plot").focus()
    said = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        said.append(part.locator("[aria-live]").inner_text())
    assert len(set(said)) == 3
    page.keyboard.press("ArrowDown")
    assert part.locator("[aria-live]").inner_text().partition(":")[0] != said[2].partition(":")[0]
    page.keyboard.press("Escape")
    expect(part.locator(".tip")).to_be_hidden()


def test_projections_and_models_change_the_points(page: Page) -> None:
    part = choose(page, "digits").locator("[data-latents]")

    def places() -> list[str]:
        return part.locator(".mark[transform]").evaluate_all(
            "marks => marks.map(mark => mark.getAttribute('transform'))"
        )

    first = places()
    assert len(first) == 60
    part.get_by_role("radio", name="t-SNE").check(force=True)
    second = places()
    part.get_by_label("Model").select_option("digits-vae")
    assert len({*map(tuple, (first, second, places()))}) == 3


def test_sliders_change_the_picture(page: Page, folder: Path) -> None:
    part = choose(page, "digits").locator("[data-varied]")
    expect(part.get_by_role("slider")).to_have_count(3)
    image, slider = part.locator(".slider .sprite").nth(1), part.get_by_role("slider").nth(1)
    decoded = folder / "variations" / "digits-vae.png"
    assert np.abs(pixels(image) - stored(decoded, 1, 2)).mean() < 3  # at the mean
    slider.focus()
    page.keyboard.press("End")
    assert np.abs(pixels(image) - stored(decoded, 1, 4)).mean() < 3
    assert part.locator("output").nth(1).inner_text() == "100"
    assert np.abs(stored(decoded, 1, 2) - stored(decoded, 1, 4)).mean() > 6


def test_an_image_beside_its_reconstruction(page: Page, folder: Path) -> None:
    part, dialog = choose(page, "digits"), page.get_by_role("dialog")
    cell = part.locator(".cell").nth(15 + 3)  # of the first model, below the originals
    cell.click()
    expect(dialog).to_be_visible()
    wipe, slider = page.locator("#wipe"), dialog.get_by_role("slider")
    original, model = (folder / "images" / "digits" / f"{name}.png" for name in ("original", "digits-pca"))
    for share, path in (("End", original), ("Home", model)):
        slider.focus()
        page.keyboard.press(share)
        assert np.abs(pixels(wipe)[:, 1:-1] - stored(path, 0, 3)[:, 1:-1]).mean() < 3
    dialog.get_by_role("button", name="Close").focus()
    page.keyboard.press("ArrowRight")
    assert "5 of 15" in page.locator("#viewer-about").inner_text()
    assert np.abs(pixels(wipe)[:, 1:-1] - stored(model, 0, 4)[:, 1:-1]).mean() < 3
    page.keyboard.press("ArrowDown")
    assert page.locator("#viewer-title").inner_text() == "digits-vae"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cell).to_be_focused()


def test_psnr_and_ssim(page: Page) -> None:
    part = choose(page, "digits")
    rate = part.locator('[data-chart="rate"]')
    assert "PSNR (dB)" in rate.inner_html()
    part.get_by_role("radio", name="SSIM").check(force=True)
    assert "PSNR" not in rate.locator("svg").first.inner_html()
    names = rate.locator(".legend button").all_inner_texts()
    assert names == ["digits-vae", "digits-pca"]  # JPEG has none here
    marks = rate.locator(".plot .mark").count()
    rate.get_by_role("button", name="digits-vae").click()
    assert rate.locator(".plot .mark").count() == marks - 1


def test_data_sets_by_keys(page: Page) -> None:
    page.get_by_role("radio", name="crops", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator('.dataset[data-dataset="digits"]')).to_be_visible()
    expect(page.locator('.dataset[data-dataset="crops"]')).to_be_hidden()
    page.locator('[data-show="crops"]').click()
    expect(page.locator('.dataset[data-dataset="crops"]')).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_keeps_people_out(browser: Browser, folder: Path, width: str, scheme: Scheme) -> None:
    with opened(browser, folder, width, scheme) as shown:
        for dataset in ("crops", "digits"):
            choose(shown, dataset)
            for fold in shown.locator("details:visible").all():
                fold.evaluate("fold => fold.open = true")
            assert shown.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
            assert Axe().run(shown).response["violations"] == []
        shown.locator(".dataset:not([hidden]) .cell").first.click()
        assert Axe().run(shown).response["violations"] == []


def test_light_and_dark_by_hand(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, scheme="dark") as shown:

        def paper() -> str:
            return str(shown.evaluate("getComputedStyle(document.body).backgroundColor"))

        dark = paper()
        shown.get_by_role("button", name="Switch to light colors").click()
        assert paper() == "rgb(255, 255, 255)" != dark
        shown.get_by_role("button", name="Switch to dark colors").click()
        assert paper() == dark
        shown.emulate_media(media="print")
        assert paper() == "rgb(255, 255, 255)"
        expect(shown.locator("header.top")).to_be_hidden()
        shown.set_viewport_size({"width": 720, "height": 1000})  # A4
        assert shown.evaluate("document.documentElement.scrollWidth") <= 720  # no table is cut off


def test_charts_on_paper_have_no_empty_space(page: Page) -> None:
    page.emulate_media(media="print")
    # Of the chart, as its drawing may be another one by the time that a second call reaches it.
    wide, high = page.locator(".dataset:not([hidden]) .chart:has(.plot svg)").first.evaluate(
        """chart => {
            chart.style.width = "500px";  // measured before the script can draw again
            const svg = chart.querySelector(".plot svg");
            const box = svg.getBoundingClientRect();
            return [box.width / svg.viewBox.baseVal.width, box.height / svg.viewBox.baseVal.height];
        }"""
    )
    assert wide < 0.6
    assert high == pytest.approx(wide, rel=0.01)


def test_all_sections_are_named_on_a_phone(browser: Browser, folder: Path) -> None:
    for scheme in ("light", "dark"):  # the button is "Dark" or "Light"
        with opened(browser, folder, "phone", scheme) as shown:
            nav = shown.get_by_role("navigation")
            assert nav.evaluate("nav => nav.scrollWidth <= nav.clientWidth")


def test_long_names_fit_a_phone(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "phone") as shown:
        part = choose(shown, "digits")
        part.locator("[data-model] option").first.evaluate("option => { option.textContent = 'long-'.repeat(20); }")
        part.locator(".legend button").first.evaluate("button => { button.lastChild.textContent = 'm'.repeat(100); }")
        assert shown.evaluate("document.documentElement.scrollWidth") <= WIDTHS["phone"]["width"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ("[13.476, 13.502]", ["13.475", "13.48", "13.485", "13.49", "13.495", "13.5"]),
        ("[-1200, 400]", ["-1,200", "-1,000", "-800", "-600", "-400", "-200", "0", "200", "400"]),
        ("[1e-5, 4e-5]", ["0.00001", "0.000015", "0.00002", "0.000025", "0.00003", "0.000035", "0.00004"]),
    ],
    ids=["close together", "below zero", "small"],
)
def test_no_two_ticks_have_one_label(browser: Browser, values: str, labels: list[str]) -> None:
    page = browser.new_page()
    found = page.evaluate(
        f"""() => {{
            {asset("core.js")} {asset("axes.js")}
            const box = {{ left: 0, right: 1, top: 0, bottom: 1 }};
            const scale = makeScale({values}, 1, 0, false, 9);
            const none = Object.assign(() => 0, {{ ticks: [] }});
            const texts = all("text:not(.name)", drawAxes(box, none, scale, {{ x: "", y: "" }}));
            return texts.map((text) => text.textContent);
        }}"""
    )
    page.close()
    assert found == [label.replace("-", MINUS) for label in labels]


def test_the_first_paint_is_soon(page: Page) -> None:
    painted = page.evaluate(
        """() => new Promise((resolve) => {
            const observer = new PerformanceObserver((list) => {
                const [entry] = list.getEntriesByName("first-contentful-paint");
                if (entry) resolve(entry.startTime);
            });
            observer.observe({ type: "paint", buffered: true });
        })"""
    )
    assert painted < 1500  # ms
