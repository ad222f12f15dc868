"""The page of a group, without a browser: what it says, and that it needs nothing else."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hourglass.figures.style import CLASS_COLORS
from hourglass.page.data import embedded, rate
from hourglass.page.gathered import read_gathered
from hourglass.page.page import asset, render, write_page
from hourglass.page.pictures import LOSSLESS, strip, to_uri
from hourglass.page.rows import verdict, worth_table
from hourglass.page.words import MISSING, heading, number, prose, signed

from .gathered import GROUP, SENTENCES, make_gathered


class Page(HTMLParser):
    """Tags with their attributes, and the texts of table cells, scripts and styles, of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside][-1] += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gathered")
    make_gathered(made)
    return made


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    write_page(folder, GROUP, SENTENCES, folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def test_nothing_is_fetched(text: str) -> None:
    addresses = [
        value
        for _, attributes in Page(text).tags
        for key, value in attributes.items()
        if key in ("src", "href", "action")
    ]
    assert addresses
    assert all((value or "").startswith(("data:", "#")) for value in addresses)
    assert "@import" not in asset("page.css") + asset("chart.css")
    assert not re.search(r"url\(\s*['\"]?https?:", text)


def test_the_policy_names_style_and_script(text: str) -> None:
    page = Page(text)
    policy = (
        next(attributes["content"] for tag, attributes in page.tags if tag == "meta" and "http-equiv" in attributes)
        or ""
    )
    run = [text for text in page.texts["script"] if not text.startswith("{")]
    assert len(run) == len(page.texts["style"]) == 1
    for code in (*run, *page.texts["style"]):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert not [key for _, attributes in page.tags for key in attributes if key == "style" or key.startswith("on")]


def test_what_users_write_is_escaped(text: str) -> None:
    for written in ("Digits <& crops>", "a <i>paper</i>", "Alpaydin & Kaynak <1998>", "<b>gaussian</b>"):
        assert written not in text
        assert html.escape(written) in text
    assert "<code>digits-pca</code>, is the best" in text


def test_json_cannot_end_its_element() -> None:
    value = {"name": "</script><script>alert(1)</script>&amp;<!--"}
    assert "<" not in embedded(value)
    assert json.loads(embedded(value)) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded({"loss": float("nan")})


def test_sentences_are_html_only_in_their_code() -> None:
    assert prose("`a<b`, <i>5 dB</i> & more") == "<code>a&lt;b</code>, &lt;i&gt;5 dB&lt;/i&gt; &amp; more"


def cells(text: str, model: str) -> list[str]:
    """Return the cells of a model's row in the table of all."""
    row = next(
        row for row in re.findall(r"<tr data-dataset.*?</tr>", text, re.DOTALL) if f'data-value="{model}"' in row
    )
    return [re.sub(r"<[^>]*>", " ", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]


def test_the_table_says_what_the_facts_do(folder: Path, text: str) -> None:
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    for name, of in facts.items():
        row = cells(text, name)
        psnr = of["test"]["psnr_db"]
        assert row[0].split()[0] == name
        assert row[2] == str(of["latent_dim"])
        assert row[4].split() == [f"{psnr['mean']:.2f}", f"[{psnr['low']:.2f},", f"{psnr['high']:.2f}]"]
        if versus := of["versus_pca"]:
            assert row[7] == f"{versus['psnr_db']:.2f}"
            assert row[8].split()[0] == signed(versus["mean"])
    assert cells(text, "digits-vae")[-1] == "PCA is better"
    assert cells(text, "crops-dense")[-1] == "PCA and JPEG are better"
    assert cells(text, "digits-vae")[6].split()[:2] == ["SSIM", "0.25"]
    assert cells(text, "crops-pca")[5] == MISSING  # images smaller than the window


def test_few_test_images_are_called_so(text: str) -> None:
    assert "20 test images: a small sample" in cells(text, "crops-dense")[1].replace("  ", " ")
    assert "small" not in cells(text, "digits-vae")[1]
    assert text.count("20 test images: a small sample") == 4  # the answer, two rows, the data set


def test_one_model_is_no_models(folder: Path) -> None:
    gathered = read_gathered(folder, GROUP)
    facts, datasets = ({name: of[name]} for name, of in (("digits-pca", gathered.facts), ("digits", gathered.datasets)))
    alone = replace(gathered, facts=facts, datasets=datasets)
    assert "1 model on 1 data set," in render(alone, "One", SENTENCES[:1])


def test_verdicts() -> None:
    facts = {"coded": {"bytes": 9.5, "psnr_db": 30.0}, "same_bytes": {"JPEG": 31.0, "WebP": 29.0, "AVIF": 30.5}}
    better, worse, neither = {"low": 0.1, "high": 1}, {"low": -1, "high": -0.1}, {"low": -0.1, "high": 0.1}
    assert verdict(facts | {"versus_pca": better}) == ("better than PCA", "JPEG and AVIF are better")
    assert verdict(facts | {"versus_pca": worse, "same_bytes": {}}) == ("", "PCA is better")
    assert verdict(facts | {"versus_pca": worse}) == ("", "PCA, JPEG and AVIF are better")
    assert verdict(facts | {"versus_pca": neither, "same_bytes": {}}) == ("not told apart from PCA", "")
    assert verdict(facts | {"versus_pca": None, "same_bytes": {}}) == ("", "")


def test_pca_is_drawn_as_pca_where_it_is_a_model(folder: Path) -> None:
    kinds = {curve["name"]: curve["kind"] for curve in rate(read_gathered(folder, GROUP), "digits")}
    assert kinds == {"digits-vae": "model", "digits-pca": "pca", "JPEG": "image codec"}


def test_worth_stands_beside_pixels(folder: Path) -> None:
    table = worth_table(read_gathered(folder, GROUP), "digits")
    assert table.columns == ["nearest neighbors, accuracy"]
    assert [name for name, _ in table.rows] == ["pixels", "digits-pca", "digits-vae"]
    assert table.rows[0][1] == ["0.969"]
    assert not worth_table(read_gathered(folder, GROUP), "crops").rows


def test_classes_are_in_natural_order(text: str) -> None:
    assert text.index('<th scope="row">2</th>') < text.index('<th scope="row">10</th>')


def test_every_picture_has_a_text(text: str) -> None:
    images = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    assert len(images) == 6  # an original and its reconstruction for each answer, two previews
    assert all(attributes["alt"] for attributes in images)


def test_pictures_come_out_as_they_went_in(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (300, 8, 40), dtype=np.uint8)  # 12,000 pixels wide: laid in rows
    Image.fromarray(np.concatenate(list(images), axis=1)).save(tmp_path / "strip.png")
    sprite = strip(tmp_path / "strip.png", 300)
    assert (sprite.width, sprite.height, sprite.columns, sprite.rows) == (40, 8, 18, 17)
    sheet = np.asarray(Image.open(BytesIO(base64.b64decode(sprite.uri.partition(",")[2]))).convert("L"))
    row, column = divmod(200, sprite.columns)
    assert np.array_equal(sheet[row * 8 : row * 8 + 8, column * 40 : column * 40 + 40], images[200])
    with pytest.raises(ValueError, match="expected 7 images of one width, got 12000 pixels"):
        strip(tmp_path / "strip.png", 7)


def test_large_pictures_are_made_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 600), dtype=np.uint8)
    assert LOSSLESS < len(to_uri(Image.fromarray(noise))) * 3 / 4 < 600 * 600


def test_the_file_is_small(text: str) -> None:
    assert 50_000 < len(text) < 250_000


def test_the_same_folder_gives_the_same_page(folder: Path, text: str) -> None:
    write_page(folder, GROUP, SENTENCES, folder / "again.html")
    assert (folder / "again.html").read_text(encoding="utf-8") == text


def test_the_colors_are_those_of_the_figures() -> None:
    found = dict(re.findall(r"--s(\d): (?:light-dark\()?(#\w{6})", asset("page.css")))
    assert [found[str(place)].upper() for place in range(10)] == [color.upper() for color in CLASS_COLORS]


def test_headings_and_numbers() -> None:
    assert [heading(key) for key in ("kl_nats", "elbo", "bits_per_dimension", "psnr_db")] == [
        "KL divergence (nats)", "ELBO", "bits per dimension", "PSNR (dB)"]  # fmt: skip
    assert [number(value) for value in (1234567, 0.123456, 12345.6, True, "text")] == [
        "1,234,567", "0.1235", "12,346", "True", "text"]  # fmt: skip
