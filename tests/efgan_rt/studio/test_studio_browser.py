"""The studio in a real browser, used as people use it: needs Chromium, its driver and Selenium."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.chromium import BROWSER, DRIVER, MISSING, open_browser, wait_for
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from tests.efgan_rt.studio.studio_client import Client, served

pytest.importorskip("selenium", reason='Selenium is missing: pip install "efgan-rt[dev]"')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason=MISSING),
]


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of an astronaut and a rendered person, and the astronaut alone."""
    folder = tmp_path_factory.mktemp("studio") / "pictures"
    folder.mkdir()
    examples = repository / "examples"
    picture = np.full((480, 720, 3), 128, np.uint8)
    picture[:480, :480] = read_picture(examples / "photographs" / "astronaut.jpg")[:480, 16:496]
    rendered = read_picture(sorted((examples / "faces").glob("*.jpg"))[1])
    picture[200:328, 540:668] = rendered
    write_picture(folder / "group.jpg", picture)
    photograph = repository / "examples" / "photographs" / "astronaut.jpg"
    (folder / "portrait.jpg").write_bytes(photograph.read_bytes())
    return folder


@pytest.fixture(scope="module")
def client(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A studio with the engines that come along."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("XDG_DATA_HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        with served(None, folder=folder) as found:
            yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    profile, downloads = (tmp_path_factory.mktemp(name) for name in ("profile", "downloads"))
    with open_browser(profile, "--force-prefers-reduced-motion", size=(1280, 900)) as driver:
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        driver.downloads = downloads
        yield driver


@pytest.fixture
def page(browser: Any, client: Client) -> Iterator[Any]:
    """The page, newly opened on the folder's first picture; no test may leave an error behind."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(client.address)
    wait_for(lambda: run(browser, "return picture !== null && $('after').width > 300"), 60)
    yield browser
    assert [each for each in browser.get_log("browser") if each["level"] == "SEVERE"] == []


def run(browser: Any, script: str, *arguments: Any) -> Any:
    return browser.execute_script(script, *arguments)


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def text(browser: Any, selector: str) -> str:
    return str(find(browser, selector).get_property("textContent")).strip()


def drawn(browser: Any) -> int:
    return int(run(browser, "return performance.getEntriesByName('preview').length"))


def wait_drawn(browser: Any, before: int) -> None:
    wait_for(lambda: drawn(browser) > before and not run(browser, "return busy"), 60)


def choose(browser: Any, expression: str) -> None:
    before = drawn(browser)
    find(browser, f"[name=expression][value={expression}]").click()
    wait_drawn(browser, before)


def difference(browser: Any, box: tuple[float, float, float, float] | None = None) -> float:
    """The mean difference of the two canvases, inside a box in the picture's pixels."""
    script = """
      const box = arguments[0] ?? [0, 0, picture.width, picture.height];
      const [l, t, w, h] = box.map((each) => Math.floor(each * scale));
      const of = (id) => $(id).getContext("2d").getImageData(l, t, w, h).data;
      const [a, b] = [of("before"), of("after")];
      let sum = 0;
      for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
      return sum / a.length;"""
    return float(run(browser, script, box))


def boxes(browser: Any) -> list[tuple[float, float, float, float]]:
    return [tuple(each) for each in run(browser, "return picture.faces.map((f) => f.box)")]


def test_both_faces_are_outlined_and_an_expression_is_for_those_that_are_chosen(page: Any) -> None:
    large, small = boxes(page)
    assert len(page.find_elements("css selector", ".outline")) == 2
    assert "group.jpg, 720 \u00d7 480, 2 faces" in text(page, "#name")
    find(page, ".outline button[aria-label='Face 1']").click()
    choose(page, "happy")
    assert difference(page, large) > 0.5 and difference(page, small) == 0
    find(page, ".outline button[aria-label='Face 2']").click()
    assert find(page, "[name=expression][value='']").is_selected()  # each face has its own
    choose(page, "surprised")
    assert difference(page, small) > 0.5
    find(page, "#faces button[aria-label='All faces']").click()
    find(page, "#reset").click()
    wait_for(lambda: difference(page) == 0, 30)


def test_the_intensity_and_the_units_are_followed_live(page: Any) -> None:
    choose(page, "happy")
    full = difference(page)
    before = drawn(page)
    run(page, "$('intensity').value = 0.3; $('intensity').dispatchEvent(new Event('input'))")
    wait_drawn(page, before)
    assert 0 < difference(page) < full
    assert text(page, "#intensity-value") == "0.30"
    find(page, "#units summary").click()
    before = drawn(page)
    run(page, "$('AU26').value = 4; $('AU26').dispatchEvent(new Event('input'))")
    wait_drawn(page, before)
    assert text(page, "#units-set") == "1 set"
    assert run(page, "return asks[0].units") == {"AU26": 4}
    find(page, "[data-unit=AU26] .reset").click()
    assert text(page, "#units-set") == ""


def test_the_last_of_many_changes_is_what_is_shown(page: Any) -> None:
    choose(page, "happy")
    script = """
      for (let i = 1; i <= 40; i++) {
        $('intensity').value = i / 40; $('intensity').dispatchEvent(new Event('input'));
      }"""
    before = drawn(page)
    run(page, script)
    wait_drawn(page, before)
    wait_for(lambda: run(page, "return !busy && !waiting.size"), 30)
    assert drawn(page) - before <= 3  # what was overtaken was never asked for
    once = difference(page)
    before = drawn(page)
    run(page, "$('intensity').value = 1; $('intensity').dispatchEvent(new Event('input'))")
    wait_drawn(page, before)
    assert difference(page) == once


def test_the_divider_and_the_full_size(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    cut = find(page, "#cut")
    run(page, "setCut(50)")
    cut.send_keys(Keys.ARROW_RIGHT * 3)
    assert find(page, "#compare").get_attribute("data-cut") == "53"
    assert cut.get_attribute("aria-valuetext") == "53% before, 47% after"
    run(page, "document.querySelector('[name=view][value=\"0\"]').click()")
    assert find(page, "#compare").get_attribute("data-cut") == "0"
    run(page, "document.querySelector('[name=zoom][value=full]').click()")
    wait_for(lambda: run(page, "return $('after').width === picture.width"))
    assert run(page, "return $('compare').offsetWidth") == 720


def test_another_picture_a_drop_and_a_reference(page: Any, folder: Path, tmp_path: Path) -> None:
    find(page, "#film button[data-path='portrait.jpg']").click()
    wait_for(lambda: text(page, "#name").startswith("portrait.jpg, 512"), 30)
    dropped = """
      const bytes = Uint8Array.from(atob(arguments[0]), (each) => each.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], "dropped.jpg"));
      $("viewport").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));"""
    import base64

    run(page, dropped, base64.b64encode((folder / "portrait.jpg").read_bytes()).decode())
    wait_for(lambda: text(page, "#name").startswith("dropped.jpg, 512"), 30)
    assert not find(page, "#download").is_enabled()
    before = drawn(page)
    find(page, "#reference").send_keys(str(folder / "group.jpg"))
    wait_drawn(page, before)
    assert text(page, "#reference-name") == "group.jpg"
    assert find(page, "#download").is_enabled()


def test_a_broken_file_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    find(page, "#file").send_keys(str(tmp_path / "broken.jpg"))
    error = find(page, "#error")
    wait_for(error.is_displayed)
    assert error.get_attribute("role") == "alert" and "not a picture" in error.text
    page.get_log("browser")  # the refusal itself, which Chromium notes


def test_what_is_downloaded_is_the_edit_with_its_mark(page: Any) -> None:
    choose(page, "happy")
    find(page, "#download").click()
    file = page.downloads / "group.jpg"
    wait_for(file.exists, 30)
    assert b"compositeWithTrainedAlgorithmicMedia" in file.read_bytes()


def test_an_expression_unfolds(page: Any) -> None:
    find(page, ".outline button[aria-label='Face 1']").click()
    choose(page, "happy")
    find(page, "#unfold").click()
    shown = "const i = $('animation'); return !i.hidden && i.complete && i.naturalWidth"
    assert wait_for(lambda: run(page, shown), 120) == 720
    find(page, "#unfold").click()
    assert find(page, "#compare").is_displayed() and not find(page, "#animation").is_displayed()


def test_a_preset_is_saved_applied_and_run_on_the_folder(
    page: Any, client: Client, folder: Path
) -> None:
    choose(page, "happy")
    find(page, "#preset-name").send_keys("smiles")
    find(page, "#save-preset").click()
    wait_for(lambda: run(page, "return $('presets').value") == "smiles")
    find(page, "#reset").click()
    find(page, "#load-preset").click()
    wait_for(lambda: run(page, "return edits().length") == 2)
    run_button = find(page, "#run")
    run(page, "arguments[0].scrollIntoView()", run_button)
    run_button.click()
    wait_for(lambda: text(page, "#run-said").startswith("done: 2 of 2"), 120)
    assert sorted(path.name for path in (folder / "edited" / "smiles").glob("*.jpg")) == [
        "group.jpg",
        "portrait.jpg",
    ]
    link = find(page, "#report")
    page.get(link.get_attribute("href"))
    assert page.title == "Expression edits: smiles"
    wait_for(lambda: len(page.find_elements("css selector", ".card")) == 3)


def test_it_asks_nothing_of_another_host(page: Any, client: Client) -> None:
    choose(page, "happy")
    sent = []
    for entry in page.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            sent.append(message["params"]["request"]["url"])
    ours = (client.address, f"blob:{client.origin}")
    assert len(sent) > 5 and [url for url in sent if not url.startswith(ours)] == []
    page.set_script_timeout(10)
    elsewhere = """
      const done = arguments[0];
      fetch("http://127.0.0.1:9/").then(() => done("reached"), (error) => done(error.message));"""
    assert page.execute_async_script(elsewhere) == "Failed to fetch"
    said = [each["message"] for each in page.get_log("browser")]
    assert any("Content Security Policy" in each for each in said)


def test_everything_can_be_reached_by_keyboard_and_is_named(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    unnamed = """
      return [...document.querySelectorAll("button, input, select, a[href]")].filter((each) =>
        each.checkVisibility() && !(each.getAttribute("aria-label") || each.textContent.trim()
          || (each.labels && each.labels.length))).map((each) => each.outerHTML)"""
    assert run(page, unnamed) == []
    run(page, "document.body.focus()")
    seen = set()
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        seen.add(run(page, "return document.activeElement.id || document.activeElement.name"))
    assert {"file", "cut", "expression", "view", "zoom", "presets", "preset-name"} <= seen
    radio = find(page, "[name=expression]:checked")
    before = drawn(page)
    radio.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    wait_drawn(page, before)
    assert find(page, "[name=expression]:checked").get_attribute("value") == "happy"
    slider = find(page, "#intensity")
    slider.send_keys(Keys.HOME)
    assert text(page, "#intensity-value") == "0.00"
    film = find(page, "#film button")
    film.send_keys(Keys.ARROW_RIGHT)
    assert page.switch_to.active_element.get_attribute("data-path") == "portrait.jpg"


@pytest.mark.parametrize("width", [340, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_width_needs_sideways_scrolling_in_light_and_dark(
    page: Any, width: int, scheme: str, tmp_path: Path
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert run(page, wide) <= 0
        panel = "return $('panel').scrollWidth - $('panel').clientWidth"
        assert run(page, panel) <= 0
        ground = run(page, "return getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, ground.strip("rgb()").split(",")[:3])) / 3
        assert (brightness > 200) == (scheme == "light") and (brightness < 60) == (scheme == "dark")
        visible = "const r = $('compare').getBoundingClientRect(); return [r.width, r.height]"
        assert min(run(page, visible)) > 100
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
