"""The map page in a real browser with every host blocked, and its packing without one."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import os
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

import landremed
from landremed.report.resultfile import open_result
from landremed.report.surroundings import cut_to_neighbourhood, read_surroundings
from landremed.report.webmap import write_map
from landremed.report.webmap_shapes import pack_shapes, to_degrees

_spec = importlib.util.spec_from_file_location(
    "report_results", Path(__file__).with_name("report_results.py")
)
results = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(results)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser():
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver are missing")
        pytest.skip("chromium and chromedriver are not installed")
    return browser, driver


@pytest.fixture(scope="module")
def browser():
    path, driver = find_browser()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = path
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1400,900",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    chrome.set_script_timeout(60)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return results.sample_result(tmp_path_factory.mktemp("map") / "r.gpkg")


@pytest.fixture(scope="module")
def page(sample):
    layers = read_surroundings(landremed.sample_project(), open_result(sample).crs)
    write_map(sample, sample.with_name("map.html"), layers=layers)
    return sample.with_name("map.html")


def load(chrome, path):
    from selenium.webdriver.support.ui import WebDriverWait

    chrome.get_log("performance")
    chrome.get_log("browser")
    chrome.get(Path(path).as_uri())
    WebDriverWait(chrome, 60).until(lambda c: c.execute_script("return Boolean(window.landremed)"))


def requests(chrome):
    messages = (json.loads(entry["message"])["message"] for entry in chrome.get_log("performance"))
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith(("data:", "blob:"))]


def query(path, text):
    with sqlite3.connect(path) as db:
        return db.execute(text).fetchall()


def test_page_loads_offline_and_says_what_the_file_says(browser, page, sample):
    load(browser, page)
    assert requests(browser) == [page.as_uri()]
    assert browser.get_log("browser") == []
    counted = browser.execute_script(
        "const s = landremed.shapes; return [...Array(s.count).keys()].filter((f) => s.has(f)).length"
    )
    assert (
        counted
        == query(sample, "SELECT count(*) FROM decisions WHERE geom IS NOT NULL AND area_m2 > 0")[0][0]
    )
    shown = browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('details[data-name=outcome] .value')]"
        ".map((row) => [row.dataset.value, Number(row.querySelector('.n').textContent)]))"
    )
    assert shown == dict(query(sample, "SELECT outcome, sum(count) FROM summary GROUP BY outcome"))
    total = query(sample, "SELECT sum(area_m2) FROM decisions")[0][0]
    sums = browser.execute_script("return document.querySelector('.sums span').textContent")
    assert abs(float(sums.replace(",", "").split()[0]) - total * 3 / 2000) < 0.011


def test_parcels_are_drawn(browser, page):
    load(browser, page)
    colours = browser.execute_script(
        """const seen = new Set();
        for (const tile of document.querySelectorAll('.leaflet-parcels-pane canvas')) {
          const pixels = tile.getContext('2d').getImageData(0, 0, tile.width, tile.height).data;
          for (let i = 0; i < pixels.length; i += 4) {
            if (pixels[i + 3] > 150) seen.add([pixels[i], pixels[i + 1], pixels[i + 2]].join());
          }
        }
        return [...seen];"""
    )
    # a colour that is let through a little over nothing keeps its hue
    for wanted in ((0, 125, 91), (86, 180, 233), (213, 94, 0), (240, 228, 66), (176, 176, 176)):
        near = [
            c for c in colours if max(abs(int(a) - b) for a, b in zip(c.split(","), wanted, strict=True)) <= 3
        ]
        assert near, wanted


def test_click_search_filter_and_language(browser, page, sample):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    load(browser, page)
    box = browser.find_element(By.ID, "search")
    box.send_keys("bh-occ-004", Keys.ENTER)
    card = browser.find_element(By.ID, "card")
    assert card.is_displayed()
    why = query(sample, "SELECT why FROM decisions WHERE parcel_id = 'BH-OCC-004'")[0][0]
    assert why in card.text
    assert "12,365.09" in card.text
    browser.execute_script("landremed.select(-1)")
    assert not card.is_displayed()

    x, y = browser.execute_script(
        """const f = landremed.find('BH-OCC-004'); const b = landremed.shapes.box;
        const p = landremed.map.latLngToContainerPoint([worldLat((b[f*4+1]+b[f*4+3])/2),
          worldLon((b[f*4]+b[f*4+2])/2)]);
        const r = document.getElementById('map').getBoundingClientRect();
        return [Math.round(r.x + p.x), Math.round(r.y + p.y)];""".replace(
            "worldLat(", "((y) => Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI)("
        ).replace("worldLon(", "((x) => (x - 0.5) * 360)(")
    )
    action = ActionChains(browser)
    action.w3c_actions.pointer_action.move_to_location(x, y)
    action.w3c_actions.pointer_action.click()
    action.perform()
    assert card.find_element(By.TAG_NAME, "h2").text == "BH-OCC-004"

    browser.find_element(By.CSS_SELECTOR, "label[data-value=demolish_restore] input").click()
    assert not card.is_displayed()
    visible = browser.execute_script("return landremed.visible.reduce((a, b) => a + b, 0)")
    assert (
        visible == query(sample, "SELECT count(*) FROM decisions WHERE outcome != 'demolish_restore'")[0][0]
    )
    unit = query(
        sample, "SELECT implementing_unit FROM decisions WHERE implementing_unit IS NOT NULL LIMIT 1"
    )[0][0]
    browser.execute_script(
        "const u = landremed.facets.unit;u.on = new Set([u.values.indexOf(arguments[0])]); landremed.apply()",
        unit,
    )
    left = f"outcome != 'demolish_restore' AND implementing_unit = '{unit}'"
    visible = browser.execute_script("return landremed.visible.reduce((a, b) => a + b, 0)")
    assert visible == query(sample, f"SELECT count(*) FROM decisions WHERE {left}")[0][0]

    browser.find_element(By.CSS_SELECTOR, "button.language").click()
    assert "Recommendation" in browser.find_element(By.ID, "filters").text
    assert browser.execute_script("return document.documentElement.lang") == "en"
    for box in browser.find_elements(By.CSS_SELECTOR, ".layers input"):
        browser.execute_script("arguments[0].click()", box)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".leaflet-constraints-pane .leaflet-layer")) >= 5
    assert browser.get_log("browser") == []
    assert requests(browser) == [page.as_uri()]


def test_print_view_is_a_sheet_of_its_own(browser, page):
    load(browser, page)
    before = browser.execute_script("return [landremed.map.getZoom(), landremed.map.getSize().x]")
    size = browser.execute_script("landremed.toPaper(true); return landremed.map.getSize()")
    assert abs(size["x"] / size["y"] - 277 / 164) < 0.02  # the sheet's ground without its title, mm
    made = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
    assert base64.b64decode(made["data"]).startswith(b"%PDF")
    browser.execute_script("landremed.toPaper(false)")
    assert browser.execute_script("return [landremed.map.getZoom(), landremed.map.getSize().x]") == before


def test_hostile_texts_stay_text(browser, tmp_path):
    result = results.hostile_result(tmp_path)
    write_map(result, tmp_path / "map.html")
    raw = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert raw.count("<script") == raw.count("</script>")
    load(browser, tmp_path / "map.html")
    tags = "return document.querySelectorAll('script, img, svg, iframe, #hit, link').length"
    before = browser.execute_script(tags)
    title = browser.execute_script("return document.title")
    rows = query(result, "SELECT parcel_id, implementing_unit FROM decisions ORDER BY fid")
    assert len(rows) == 40
    for _language in range(2):
        for name, unit in rows:
            shown = browser.execute_script(
                "landremed.go(landremed.ids.indexOf(arguments[0]));"
                "const card = document.getElementById('card');"
                "return [card.querySelector('h2').textContent, card.textContent]",
                name,
            )
            assert shown[0] == name
            assert unit in shown[1]
        browser.execute_script("landremed.select(-1); document.querySelector('button.language').click()")
    assert browser.execute_script("return document.title") == title == results.HOSTILE[6]
    # the outline of a chosen parcel is drawn in one svg of Leaflet's own
    assert browser.execute_script(tags) <= before + 1
    assert browser.get_log("browser") == []
    assert requests(browser) == [(tmp_path / "map.html").as_uri()]


def unpack(text):
    values = np.frombuffer(gzip.decompress(base64.b64decode(text)), dtype="<i4").astype(np.int64)
    count = values[0]
    rings_of = values[1 : 1 + count]
    rings = rings_of.sum()
    sizes = values[1 + count : 1 + count + rings]
    start = 1 + count + rings
    points = sizes.sum()
    lon = np.cumsum(values[start : start + points]) / 1e7
    lat = np.cumsum(values[start + points :]) / 1e7
    return rings_of.tolist(), sizes.tolist(), np.column_stack((lon, lat))


def test_packing_keeps_every_point():
    hole = shapely.Polygon(
        [(117, 39), (117.01, 39), (117.01, 39.01), (117, 39.01)],
        [[(117.002, 39.002), (117.004, 39.002), (117.004, 39.004)]],
    )
    two = shapely.MultiPolygon([shapely.box(117.1, 39, 117.2, 39.1), shapely.box(117.3, 39, 117.4, 39.1)])
    shapes = np.array([hole, None, two, shapely.Polygon()], dtype=object)
    rings_of, sizes, xy = unpack(pack_shapes(shapes))
    assert rings_of == [2, 0, 2, 0]
    assert sizes == [4, 3, 4, 4]
    expected = {
        (round(x, 7), round(y, 7)) for s in (hole, two) for x, y in shapely.get_coordinates(s).tolist()
    }
    assert {(round(x, 7), round(y, 7)) for x, y in xy.tolist()} == expected


def test_degrees_are_those_of_the_datum():
    square = np.array([shapely.box(560000, 4300000, 560100, 4300100)], dtype=object)
    found = shapely.get_coordinates(to_degrees(square, pyproj.CRS("EPSG:4548")))
    way = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4490", always_xy=True)
    expected = np.column_stack(way.transform(*shapely.get_coordinates(square).T))
    assert np.allclose(found, expected, atol=1e-12)


def test_pages_of_equal_results_are_equal(sample, tmp_path):
    for name in ("a", "b"):
        write_map(sample, tmp_path / f"{name}.html", language="en")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_page_names_no_foreign_source(page):
    text = page.read_text(encoding="utf-8")
    own = text.partition("Leaflet 1.9.4")[0] + text.rpartition("t.noConflict")[2]
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", own)
    assert "url(images" not in text
    assert "BSD 2-Clause" in text
    assert "default-src 'none'" in text


def test_layers_are_cut_where_parcels_are():
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 30000, (2, 20))
    parcels = shapely.box(x, y, x + 80, y + 80)
    steps = np.linspace(0, 2 * np.pi, 60_000, endpoint=False)
    round_layer = shapely.Polygon(
        np.column_stack((15000 + 20000 * np.cos(steps), 15000 + 20000 * np.sin(steps)))
    )
    kept = cut_to_neighbourhood({"x": np.array([round_layer], dtype=object)}, parcels)["x"]
    near = shapely.union_all(shapely.box(x - 500, y - 500, x + 580, y + 580))
    union = shapely.union_all(kept)
    assert shapely.difference(shapely.intersection(near, round_layer), union).area < 1e-3
    assert union.area < round_layer.area / 4
