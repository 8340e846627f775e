"""The built book, opened from disk in Chromium: it works with the network off, and looks whole."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

import archive
import captions
import reading
from chapters import front

ON_DISK = {"file", "data", "blob", "about", "chrome"}  # chrome: the browser's own start page
BEGIN = {"book/intro.html", "book/method.html"}  # pages of prose that begin with a figure
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Runs in the page and answers once it is loaded and its formulas are set, or after ten seconds
# without MathJax. Sizes are those of the picture, not of its box.
INSPECT = r"""
const done = arguments[0];
const report = () => {
  const article = document.querySelector("article") || document.body;
  const text = article.cloneNode(true);
  text.querySelectorAll("pre, code, script, .math").forEach(node => node.remove());
  done({
    ids: [...document.querySelectorAll("[id]")].map(node => node.id),
    links: [...document.querySelectorAll("a[href]")].map(node => node.href),
    images: [...article.querySelectorAll("img")].map(node => ({
      source: node.src, alt: node.alt, width: node.naturalWidth, height: node.naturalHeight})),
    formulas: document.querySelectorAll(".math").length,
    unset: [...document.querySelectorAll(".math")]
      .filter(node => !node.querySelector("mjx-container svg")).map(node => node.textContent),
    tables: [...article.querySelectorAll(".cell_output")].flatMap(cell =>
      [...cell.querySelectorAll("table, p.same")].slice(0, 1).map(table => ({
        caption: table.closest("figure")?.querySelector("figcaption")?.innerText || "",
        rows: [...cell.querySelectorAll("tbody tr")].filter(row => row.checkVisibility()).length,
        words: [...cell.querySelectorAll("th, td")].map(node => node.textContent).join(" ")}))),
    headings: [...article.querySelectorAll("h1, h2, h3")].map(node => node.textContent).join(" "),
    first: article.querySelector("figure img")?.getBoundingClientRect().top,
    headless: [...article.querySelectorAll("thead tr:last-child")]
      .filter(row => row.innerText.trim() && row.cells.length > 2
        && [...row.cells].filter(cell => !cell.innerText.trim()).length > 1)
      .map(row => row.innerText.slice(0, 80)),
    cut: [...article.querySelectorAll(".cell_output .text_html")]
      .filter(node => node.scrollWidth > node.clientWidth).map(node => node.innerText.slice(0, 80)),
    errors: [...document.querySelectorAll("[data-mjx-error]")].map(node => node.dataset.mjxError),
    text: text.textContent,
  });
};
let deadline = Date.now() + 10000;
const wait = () => {
  const startup = window.MathJax && window.MathJax.startup;
  if (startup && startup.promise) startup.promise.then(report, report);
  else if (window.MathJax && Date.now() < deadline) setTimeout(wait, 50);
  else report();
};
if (document.readyState === "complete") wait();
else window.addEventListener("load", () => { deadline = Date.now() + 10000; wait(); });
"""

# The contrast (WCAG 2) of kinds of small text against the ground they stand on, in a theme.
CONTRAST = r"""
document.documentElement.dataset.theme = arguments[0];
const light = colour => {
  const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = node => {
  const colour = getComputedStyle(node).backgroundColor;
  const clear = /, 0\)$/.test(colour) || colour === "transparent";
  return clear && node.parentElement ? ground(node.parentElement) : colour;
};
const found = {};
for (const kind of ["figcaption .caption-text", "details.rows > summary", ".cell_output thead th",
                    ".cell_output td", "p.same", "details.hide > summary"]) {
  const node = document.querySelector("article " + kind);
  if (!node) continue;
  const both = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => b - a);
  found[kind] = (both[0] + 0.05) / (both[1] + 0.05);
}
return found;
"""

# What scrolls sideways, other than code, and carries no mark of it.
SILENT = """
return [...document.querySelectorAll("article *")].filter(node =>
  ["auto", "scroll"].includes(getComputedStyle(node).overflowX)
  && node.scrollWidth > node.clientWidth + 1 && node.clientWidth
  && !node.matches("pre, .sideways") && !node.closest("mjx-container, .math"))
  .map(node => node.outerHTML.slice(0, 80));
"""

# Answers with the width of the content once it fits the window, or after five seconds.
FITS = """
const done = arguments[0], deadline = Date.now() + 5000;
const look = () => {
  const width = document.documentElement.scrollWidth;
  if (width <= window.innerWidth || Date.now() > deadline) done(width);
  else setTimeout(look, 50);
};
look();
"""


class Page(NamedTuple):
    """What one page showed and did."""

    console: list[str]  # errors
    requests: list[str]  # every address asked for
    seen: dict  # the result of INSPECT, on a wide window
    phone_width: int  # width of the content in a window of 390 pixels


@pytest.fixture(scope="module")
def book(pytestconfig: pytest.Config, root: Path) -> Path:
    """The folder of the built book."""
    asked = pytestconfig.getoption("--book")
    folder = (asked or root / "_build" / "html").resolve()
    missing = [] if (folder / "index.html").is_file() else [f"no built book in {folder}"]
    missing += [f"no {name}" for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing and asked:
        pytest.fail("; ".join(missing))
    if missing:
        pytest.skip("; ".join(missing) + "; `make book` builds it")
    return folder


@pytest.fixture(scope="module")
def browser(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(120)  # a crowded machine sets formulas slowly
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(book: Path, browser: webdriver.Chrome) -> dict[str, Page]:
    """Every page of the book, by its path in the book; index.html only sends on to the first."""
    files = sorted(set(book.rglob("*.html")) - {book / "index.html"} - set(book.glob("_*/**/*")))
    return {path.relative_to(book).as_posix(): visit(browser, path) for path in files}


def visit(browser: webdriver.Chrome, path: Path) -> Page:
    """Open one page on a desktop, then narrow the window to a phone's."""
    resize(browser, 1400)
    browser.get(path.as_uri())
    seen = browser.execute_async_script(INSPECT)
    resize(browser, 390)
    phone_width = browser.execute_async_script(FITS)
    console = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    events = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return Page(console, [p["request"]["url"] for p in sent], seen, phone_width)


def resize(browser: webdriver.Chrome, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def nonempty(problems: dict[str, object]) -> dict[str, object]:
    return {page: problem for page, problem in problems.items() if problem}


def test_every_chapter_is_there(pages: dict[str, Page], book: Path, root: Path) -> None:
    listed = re.findall(r"(?:root|file): (\S+)", (root / "_toc.yml").read_text())
    assert listed
    assert {f"{name}.html" for name in listed} <= pages.keys()
    assert f"url={listed[0]}.html" in (book / "index.html").read_text()


def test_no_console_error(pages: dict[str, Page]) -> None:
    assert nonempty({name: page.console for name, page in pages.items()}) == {}


def test_no_request_to_another_host(pages: dict[str, Page]) -> None:
    assert all(page.requests for page in pages.values())
    foreign = {
        name: [url for url in page.requests if urlsplit(url).scheme not in ON_DISK]
        for name, page in pages.items()
    }
    assert nonempty(foreign) == {}


def test_every_image_has_a_size_and_a_description(pages: dict[str, Page]) -> None:
    images = {name: page.seen["images"] for name, page in pages.items()}
    assert len(images["book/method.html"]) == 3
    assert all(images[name] for name in images if name.startswith("notebooks/"))
    assert (
        nonempty({name: [i for i in all_ if not whole(i)] for name, all_ in images.items()}) == {}
    )


def whole(image: dict) -> bool:
    """Decoded, and described in words: without a description Sphinx writes the file's name."""
    described = image["alt"].strip() and not re.search(r"\.(png|svg|jpe?g)$", image["alt"])
    return bool(described) and image["width"] > 0 and image["height"] > 0


def test_formulas_are_set(pages: dict[str, Page]) -> None:
    assert pages["book/method.html"].seen["formulas"] > 20
    assert nonempty({name: page.seen["unset"] for name, page in pages.items()}) == {}
    assert nonempty({name: page.seen["errors"] for name, page in pages.items()}) == {}
    raw = re.compile(r"\\[(\[]|\$\$|\\(?:begin|frac|hat|sigma|epsilon|varepsilon)\b")
    assert nonempty({name: raw.findall(page.seen["text"]) for name, page in pages.items()}) == {}


def test_internal_links_resolve(pages: dict[str, Page], book: Path) -> None:
    def broken(link: str) -> bool:
        parts = urlsplit(link)
        if parts.scheme != "file":
            return False
        target = Path(unquote(parts.path))
        if not target.is_file() or not target.is_relative_to(book):
            return True
        page = pages.get(target.relative_to(book).as_posix())
        return bool(parts.fragment and page) and unquote(parts.fragment) not in page.seen["ids"]

    links = {name: page.seen["links"] for name, page in pages.items()}
    assert sum(map(len, links.values())) > 100
    assert nonempty({name: [x for x in all_ if broken(x)] for name, all_ in links.items()}) == {}


def test_numbers_from_other_pages_have_a_format(root: Path) -> None:
    """Without one the role takes the key for the format, and shows nothing."""
    pages = [*root.glob("book/*.md"), *root.glob("notebooks/*.ipynb")]
    roles = {role for page in pages for role in re.findall(r"{glue:text}`(.*?)`", page.read_text())}
    assert [role for role in roles if "::" in role and ":" not in role.split("::")[1]] == []


def test_every_figure_of_the_paper_has_its_counterpart(pages: dict[str, Page], root: Path) -> None:
    """Each row of the page that lists them leads to a figure that is in some page."""
    listed = (root / "book" / "figures.md").read_text()
    rows = dict(re.findall(r"^\| (Fig\. \d+|Table 1) \|.*\| (.*) \|$", listed, re.MULTILINE))
    assert set(rows) == {*(f"Fig. {i}" for i in range(1, 19)), "Table 1"}
    ids = {name for page in pages.values() for name in page.seen["ids"]}
    named = {figure for row in rows.values() for figure in re.findall(r"`(fig-[\w-]+)`", row)}
    assert len(named) > 20 and named <= ids
    assert all("fig-" in row or ".ipynb" in row for row in rows.values())


def test_no_page_is_heavy(pages: dict[str, Page], book: Path) -> None:
    """A page with its pictures stays under 4 MB."""
    weights = {}
    for name, page in pages.items():
        sources = {urlsplit(image["source"]) for image in page.seen["images"]}
        files = {Path(unquote(source.path)) for source in sources if source.scheme == "file"}
        weights[name] = (book / name).stat().st_size + sum(path.stat().st_size for path in files)
    assert {name: size for name, size in weights.items() if size > 4e6} == {}


def test_tables_fit_a_desktop(pages: dict[str, Page]) -> None:
    """A table from a notebook shows all its columns at 1,400 pixels, without scrolling."""
    assert nonempty({name: page.seen["cut"] for name, page in pages.items()}) == {}


def test_tables_are_numbered_short_and_readable(pages: dict[str, Page]) -> None:
    """A caption above each, at most twelve rows before a click, a name above each column, and no
    name of a program."""
    of_chapters = {n: p for n, p in pages.items() if n.startswith("notebooks/")}
    tables = {name: page.seen["tables"] for name, page in of_chapters.items()}
    assert sum(map(len, tables.values())) > 80
    numbered = re.compile(r"^Table \d+\s+\S.{20}")
    bare = {
        n: [t["words"][:60] for t in a if not numbered.match(t["caption"])]
        for n, a in tables.items()
    }
    assert nonempty(bare) == {}
    assert nonempty({n: [t["rows"] for t in a if t["rows"] > 12] for n, a in tables.items()}) == {}
    code = re.compile(r"\b[a-z0-9]+_[a-z0-9_]+\b")
    words = {
        n: p.seen["headings"] + " ".join(t["words"] for t in tables[n])
        for n, p in of_chapters.items()
    }
    assert nonempty({name: set(code.findall(text)) for name, text in words.items()}) == {}
    assert nonempty({name: page.seen["headless"] for name, page in of_chapters.items()}) == {}


def test_a_folded_table_opens(browser: webdriver.Chrome, book: Path) -> None:
    resize(browser, 1400)
    browser.get((book / "notebooks/mnist.html").as_uri())
    table = browser.find_element("css selector", "#table-mnist-fid details.rows")
    assert not table.find_element("tag name", "table").is_displayed()
    summary = table.find_element("tag name", "summary")
    assert summary.text == f"All {len(table.find_elements('css selector', 'tbody tr'))} rows"
    ActionChains(browser).scroll_to_element(summary).click(summary).perform()
    assert table.find_element("tag name", "table").is_displayed()


def test_a_page_begins_with_its_figure(pages: dict[str, Page]) -> None:
    """Within one screen of 900 pixels."""
    begin = {n: p for n, p in pages.items() if n.startswith("notebooks/") or n in BEGIN}
    tops = {name: page.seen["first"] for name, page in begin.items()}
    assert {name: top for name, top in tops.items() if top is None or top > 900} == {}


def test_plots_have_type_that_can_be_read(pages: dict[str, Page], book: Path) -> None:
    """Labels of 9.9 points have nine pixels where ten inches fill a page of 676."""
    wide = {}
    for name, page in pages.items():
        files = [Path(unquote(urlsplit(image["source"]).path)) for image in page.seen["images"]]
        for path in [path for path in files if path.suffix == ".png" and book in path.parents]:
            with Image.open(path) as picture:
                inches = picture.width / picture.info["dpi"][0]
            wide |= {f"{name} {path.name}": round(inches, 1)} if inches > 10 else {}
    assert wide == {}


@pytest.mark.parametrize(
    ("page", "figures", "across"),
    [
        ("mnist", "samples gallery", 10),
        ("octmnist", "samples gallery", 8),
        ("organamnist", "samples gallery", 11),
    ],
)
def test_samples_are_large_and_sharp(
    browser: webdriver.Chrome, book: Path, page: str, figures: str, across: int
) -> None:
    """56 pixels or more an image, and twice as many in the file, at 1,300 pixels."""
    resize(browser, 1300)
    browser.get((book / f"notebooks/{page}.html").as_uri())
    for name in (f"fig-{page}-{f}-{m}" for f in figures.split() for m in ("vae", "gan", "ddpm")):
        image = browser.find_element("css selector", f"#{name} img")
        wide, whole = image.size["width"], int(image.get_property("naturalWidth"))
        assert wide / across * 28 / 30 >= 56, name  # two pixels of thirty are the gap
        assert whole >= 2 * wide, name


def test_the_first_picture_is_large_and_sharp(browser: webdriver.Chrome, book: Path) -> None:
    resize(browser, 1300)
    browser.get((book / "book/intro.html").as_uri())
    image = browser.find_element("css selector", "#fig-answer img")
    wide = image.size["width"]
    row = wide / front.WIDTH * front.DIGITS * front.TILE
    assert row * 28 / (29 * front.DIGITS - 1) >= 56  # a pixel of 29 is the gap
    assert int(image.get_property("naturalWidth")) >= 2 * wide


def test_text_stands_out_in_light_and_dark(browser: webdriver.Chrome, book: Path) -> None:
    """Captions, folds, table heads and lines below tables have a contrast of 4.5 or more (WCAG)."""
    for page in ("mnist", "no_free_lunch"):  # the latter begins with a line that is no table
        browser.get((book / f"notebooks/{page}.html").as_uri())
        for theme in ("light", "dark"):
            found = browser.execute_script(CONTRAST, theme)
            assert len(found) >= 4 and min(found.values()) >= 4.5, (page, theme, found)


def test_the_archive_is_whole_and_the_same_each_time(
    book: Path, root: Path, tmp_path: Path
) -> None:
    """A notebook's imports and results are found in it, with nothing else of the project there."""
    [built] = (book / "_static").glob("*.zip")
    again = tmp_path / "again.zip"
    archive.write(root, again)
    archive.write(root, tmp_path / "once.zip")
    assert again.read_bytes() == (tmp_path / "once.zip").read_bytes()
    assert zipfile.ZipFile(built).namelist() == zipfile.ZipFile(again).namelist()
    zipfile.ZipFile(built).extractall(tmp_path)
    [home] = (path for path in tmp_path.iterdir() if path.is_dir())
    program = (
        "from chapters import dataset; from helpers.study import results; import helpers; "
        "found = results.available('mnist', models=['vae'], levels=['sgd'], seeds=[0]); "
        "print(helpers.__file__, len(dataset.ecdf(found, ['vae']).axes))"
    )
    environment = os.environ | {"PYTHONPATH": f"{home}:{home / 'notebooks'}"}
    environment.pop("NFL_HOME", None)
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, cwd=home, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(home / "helpers" / "__init__.py"), "1"], done.stderr


@pytest.mark.parametrize("address", ["", "https://example.org/project"])
def test_pages_link_to_a_repository_where_one_is_configured(address: str) -> None:
    config = SimpleNamespace(html_theme_options={"repository_url": address})
    reading.link_to_the_repository(None, config)
    used = {name for name, on in config.html_theme_options.items() if on is True}
    assert len(used) == (3 if address else 0)


def test_pages_fit_a_phone(pages: dict[str, Page]) -> None:
    assert nonempty({name: max(0, page.phone_width - 390) for name, page in pages.items()}) == {}


def test_what_scrolls_sideways_on_a_phone_says_so(browser: webdriver.Chrome, book: Path) -> None:
    resize(browser, 390)
    for page in ("notebooks/mnist", "book/changes", "book/method"):
        browser.get((book / f"{page}.html").as_uri())
        WebDriverWait(browser, 30).until(
            lambda driver: driver.find_elements("class name", "sideways")
        )
        assert browser.execute_script(SILENT) == [], page


def test_citations_show_their_reference(browser: webdriver.Chrome, book: Path) -> None:
    resize(browser, 1400)
    browser.get((book / "book/method.html").as_uri())
    citation = browser.find_element("partial link text", "Kingma and Welling")
    ActionChains(browser).scroll_to_element(citation).move_to_element(citation).perform()
    [tooltip] = WebDriverWait(browser, 30).until(
        lambda driver: driver.find_elements("class name", "tooltip-inner")
    )
    assert "Auto-encoding variational Bayes" in tooltip.text


def test_results_come_before_their_code(browser: webdriver.Chrome, book: Path, root: Path) -> None:
    """On every page of results code is folded, and opens on a click; the quickstart shows it."""
    open_cells = {}
    for path in sorted((book / "notebooks").glob("*.html")):
        browser.get(path.as_uri())
        cells = browser.find_elements("css selector", "div.cell_input pre")
        open_cells[path.stem] = sum(cell.is_displayed() for cell in cells)
    assert open_cells.pop("quickstart") > 5
    open_cells.pop("your_images", None)
    assert nonempty(open_cells) == {}
    browser.get((book / "notebooks/mnist.html").as_uri())
    browser.find_element("css selector", "details.hide > summary").click()
    code = browser.find_element("css selector", "details.hide pre")
    WebDriverWait(browser, 30).until(lambda _: code.is_displayed())


def test_every_page_says_which_version_it_is(pages: dict[str, Page], book: Path) -> None:
    written = re.compile(r"Version [\d.]+ · (?:commit [0-9a-f]+ of [\d-]{10} · )?MIT licence")
    silent = [n for n in pages if "/" in n and not written.search((book / n).read_text())]
    assert silent == []


def choose(browser: webdriver.Chrome, **wanted: str) -> str:
    """Choose in the explorer's lists; the address of the pictures that it then shows."""
    for axis, value in wanted.items():
        Select(browser.find_element("name", axis)).select_by_value(value)
    return shown_picture(browser)


def shown_picture(browser: webdriver.Chrome) -> str:
    piece = browser.find_element("css selector", "#explorer .piece")
    return piece.value_of_css_property("background-image")[5:-2]


def test_the_explorer_shows_the_chosen_cell_as_it_is_committed(
    browser: webdriver.Chrome, book: Path, root: Path
) -> None:
    resize(browser, 1400)
    browser.get((book / "book/explorer.html").as_uri())
    url = choose(browser, dataset="organamnist", model="gan", level="0.2", seed="2")
    shown = np.asarray(Image.open(unquote(urlsplit(url).path)).convert("L"))
    with np.load(root / "data/results/organamnist/gan-0.2-s2-compact.npz") as kept:
        rows = np.concatenate([kept["samples"], kept["gallery"]], axis=1)
    assert (shown == np.block([list(row) for row in rows])).all()
    said = browser.find_element("css selector", "#explorer .said").text
    assert said.startswith("OrganAMNIST, GAN, σ = 0.2, seed 2, guaranteed ε at most ")
    table = (root / "data/results/organamnist.csv").read_text()
    [fid] = re.findall(r"^organamnist,gan,dp,0.2,2,compact,fid,([\d.]+)$", table, re.MULTILINE)
    numbers = browser.find_element("css selector", "#explorer .numbers").text
    assert f"FID (Inception) ↓ {float(fid):.1f} " in numbers

    browser.find_element("id", "explorer").send_keys(Keys.ARROW_RIGHT)
    assert shown_picture(browser).endswith("organamnist-gan-0.3-2.webp")
    assert browser.current_url.endswith("#organamnist/gan/0.3/2")
    choose(browser, model="ddpm", level="sgd")
    assert "no guarantee at all" in browser.find_element("css selector", "#explorer .said").text


def test_the_explorers_address_keeps_the_choice(browser: webdriver.Chrome, book: Path) -> None:
    browser.get((book / "book/explorer.html").as_uri() + "#octmnist/vae/clipped/1")
    assert shown_picture(browser).endswith("octmnist-vae-clipped-1.webp")
    browser.get((book / "book/explorer.html").as_uri() + "#octmnist/vae/nonsense/9")
    browser.refresh()
    assert shown_picture(browser).endswith("octmnist-vae-sgd-0.webp")


def test_a_figure_is_enlarged_on_a_click(browser: webdriver.Chrome, book: Path) -> None:
    resize(browser, 1400)
    browser.get((book / "notebooks/mnist.html").as_uri())
    figure = browser.find_element("css selector", "article figure img.enlargeable")
    ActionChains(browser).scroll_to_element(figure).click(figure).perform()
    [large] = browser.find_elements("css selector", "dialog.enlarged[open] img")
    assert large.get_attribute("src") == figure.get_attribute("src")
    assert large.size["width"] > 1.5 * figure.size["width"]
    large.click()
    assert not browser.find_elements("css selector", "dialog.enlarged[open]")


def test_words_show_their_meaning(browser: webdriver.Chrome, book: Path) -> None:
    browser.get((book / "book/intro.html").as_uri())
    word = browser.find_element("link text", "leak at one image")
    ActionChains(browser).scroll_to_element(word).move_to_element(word).perform()
    [tooltip] = WebDriverWait(browser, 30).until(
        lambda driver: driver.find_elements("class name", "tooltip-inner")
    )
    assert "no guarantee" in tooltip.text


def test_headings_of_a_frame_take_one_row() -> None:
    """Where its index has names; a frame without any, and one of two levels, stay as they are."""
    frame = pd.DataFrame({"FID": [1, 2], "KID": [3, 4]})
    index = pd.MultiIndex.from_tuples([("VAE", 0.1), ("GAN", 0.2)], names=["model", "level"])
    head = captions.headings(head_of(frame.set_index(index)))
    assert re.findall(r"<th>([^<]*)</th>", head) == ["model", "level", "FID", "KID"]
    for other in (frame, pd.concat({"a": frame, "b": frame}, axis=1), frame.T):
        assert captions.headings(head_of(other)) == head_of(other)


def head_of(frame: pd.DataFrame) -> str:
    return re.search(r"<thead>.*</thead>", frame.to_html(), re.DOTALL)[0]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-0.5", "−0.5"),
        ("0.1 (-0.12 ± 0.3) [-1, 2]", "0.1 (−0.12 ± 0.3) [−1, 2]"),
        ("-0.000 ± 0.000", "0.000 ± 0.000"),
        ("-0.000 | +0.01", "0.000 | +0.01"),
        ("-0.001, -0.50, -10", "−0.001, −0.50, −10"),
        ("2026-11-22, 0-9, ddpm-0.1, k-NN, 1e-5", "2026-11-22, 0-9, ddpm-0.1, k-NN, 1e-5"),
    ],
)
def test_numbers_have_the_signs_of_print(text: str, printed: str) -> None:
    assert captions.signs(text) == printed
