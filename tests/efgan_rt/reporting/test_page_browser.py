"""The page in a real browser, clicked through: needs Chromium, its driver and Selenium."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chromium import BROWSER, DRIVER, MISSING, open_browser
from efgan_rt.pipeline.outcome import Failure, PictureResult, Status
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.reporting.page_report import PageReport
from tests.page_reading import about_page, edited

selenium = pytest.importorskip(
    "selenium", reason='Selenium is missing: pip install "efgan-rt[dev]"'
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason=MISSING),
]
NAME = "zz</script><script>document.title='caught'</script>\"'"
HOSTILE = os.fsdecode(os.fsencode(NAME.replace("/", "|")) + b"\xff.png")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    profile = tmp_path_factory.mktemp("chromium")
    with open_browser(profile, "--force-prefers-reduced-motion") as driver:
        yield driver


def click(element: Any) -> None:
    """Clicks once the element is at rest: cards take their height when they come into view."""
    before, where = None, element.location_once_scrolled_into_view
    while where != before:
        before, where = where, element.location_once_scrolled_into_view
    element.click()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 61 pictures, two edits each, one of them with a hostile name; two failures."""
    folder = tmp_path_factory.mktemp("page")
    source = folder / "in"
    source.mkdir()
    recorder = LatencyRecorder()
    for _ in range(8):
        recorder.add("decode", 0.01)
        recorder.add("stage_1", 0.03)
    report = PageReport(folder / "run.html", about_page(source, ("happy", "sad")), recorder)
    for number in range(60):
        outputs = [folder / name / f"{number}.png" for name in ("happy", "sad")]
        measured = 0.0 if number == 30 else 4.0
        report.add(edited(source / f"{number}.png", outputs, measured=measured))
    report.add(edited(source / HOSTILE, [folder / "h.png", folder / "s.png"]))
    for name in ("empty.png", "torn.png"):
        failure = Failure(source / name, f"{source / name}: the file is empty")
        report.add(PictureResult(source / name, Status.FAILED, (), (failure,)))
    report.finish({"pictures": 63, "written": 122, "failed": 2, "reasons": {"empty": 2}})
    return folder / "run.html"


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Any]:
    """The page, newly opened; whatever a test does must leave no error in the console."""
    browser.get_log("browser")
    browser.get(page.as_uri())
    yield browser
    assert [each for each in browser.get_log("browser") if each["level"] == "SEVERE"] == []


def find(browser: Any, selector: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", selector)
    return found


def text_of(browser: Any, selector: str) -> str:
    return str(find(browser, selector)[0].text)


def choose(browser: Any, group: str, text: str) -> None:
    labels = find(browser, f"#{group} .chip")
    texts = [str(each.get_property("textContent")).rstrip("0123456789,") for each in labels]
    assert text in texts
    click(labels[texts.index(text)])


def wait(condition: Callable[[], Any], timeout_s: float = 10) -> Any:
    until = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < until, "the page did not do what was waited for"
        time.sleep(0.02)  # polling another process, which has no event to wait for
    return value


def cut(browser: Any) -> str:
    return str(find(browser, ".card .compare")[0].get_attribute("data-cut"))


def test_the_first_page_of_pictures_is_there(opened: Any) -> None:
    assert text_of(opened, "h1") == "Expression edits: happy, sad"
    assert len(find(opened, ".card")) == 48
    assert text_of(opened, "#count") == "1 to 48 of 124 edits"
    loaded = "return [...document.images].filter(i => i.complete && i.naturalWidth === 16).length"
    assert wait(lambda: opened.execute_script(loaded) >= 8)


def test_every_image_says_what_it_shows(opened: Any) -> None:
    alts = [each.get_attribute("alt") for each in find(opened, ".card img")]
    assert "0.png as given" in alts
    assert "0.png, happy, edited" in alts
    assert all(alts)


def test_the_slider_follows_the_mouse(opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    slider = find(opened, ".card input[type=range]")[0]
    width = slider.size["width"]
    assert cut(opened) == "50"
    ActionChains(opened).move_to_element(slider).click_and_hold().move_by_offset(
        round(width * 0.3), 0
    ).release().perform()
    assert int(cut(opened)) > 75
    ActionChains(opened).move_to_element_with_offset(
        slider, -round(width * 0.3), 0
    ).click().perform()
    assert int(cut(opened)) < 25


def test_the_slider_follows_the_keyboard_and_says_where_it_is(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    slider = find(opened, ".card input[type=range]")[0]
    assert slider.get_attribute("aria-label") == "Before and after: 0.png, happy"
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    assert cut(opened) == "53"
    assert slider.get_attribute("aria-valuetext") == "53% as given, 47% edited"
    slider.send_keys(Keys.HOME)
    assert cut(opened) == "0"
    outline = "return getComputedStyle(arguments[0].closest('.compare')).outlineStyle"
    assert opened.execute_script(outline, slider) == "solid"


def test_the_expression_and_the_outcome_filter_the_list(opened: Any) -> None:
    choose(opened, "by-expression", "sad")
    assert text_of(opened, "#count") == "1 to 48 of 63 edits"
    choose(opened, "by-outcome", "failed")
    assert text_of(opened, "#count") == "1 to 2 of 2 edits"
    reasons = [each.text for each in find(opened, ".card .reason")]
    assert reasons == ["the file is empty"] * 2
    choose(opened, "by-expression", "All")
    choose(opened, "by-outcome", "All")
    assert text_of(opened, "#count") == "1 to 48 of 124 edits"


def test_a_filter_works_by_keyboard_and_its_count_is_said_politely(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    find(opened, "#by-outcome input:checked")[0].send_keys(Keys.ARROW_RIGHT)
    assert text_of(opened, "#count") == "1 to 48 of 122 edits"
    said = find(opened, "#said")[0]
    assert said.get_attribute("aria-live") == "polite"
    assert wait(lambda: said.get_property("textContent") == "1 to 48 of 122 edits")


def test_a_name_can_be_searched_and_the_search_let_go(opened: Any) -> None:
    search = find(opened, "#search")[0]
    search.send_keys("5")
    assert text_of(opened, "#count") == "1 to 30 of 30 edits"
    search.send_keys("55555")
    assert text_of(opened, "#count") == "No picture matches"
    click(find(opened, "#reset")[0])
    assert text_of(opened, "#count") == "1 to 48 of 124 edits"
    assert opened.switch_to.active_element == search


def test_pages_are_turned_by_button_and_by_number(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    previous, following = find(opened, ".cards ~ .pages button")
    assert not previous.is_enabled()
    opened.execute_script("arguments[0].scrollIntoView()", following)
    click(following)
    assert text_of(opened, "#count") == "49 to 96 of 124 edits"
    assert opened.switch_to.active_element.get_attribute("id") == "pictures-title"
    number = find(opened, ".pages input")[0]
    number.send_keys(Keys.BACKSPACE, "99", Keys.ENTER)
    assert text_of(opened, "#count") == "97 to 124 of 124 edits"
    assert number.get_attribute("value") == "3"
    assert not find(opened, ".pages button")[1].is_enabled()


def test_the_furthest_from_the_target_comes_first(opened: Any) -> None:
    click(find(opened, "#order option[value=miss]")[0])
    assert find(opened, ".card .name")[0].text == "30.png"


def test_the_failures_show_themselves_on_request(opened: Any) -> None:
    button = find(opened, "#failures button")[0]
    opened.execute_script("arguments[0].scrollIntoView()", button)
    click(button)
    assert [each.text for each in find(opened, ".card .name")] == ["empty.png", "torn.png"]
    assert find(opened, "#by-outcome input:checked")[0].get_attribute("value") == "failed"


def test_the_view_of_all_cards_can_be_changed(opened: Any) -> None:
    choose(opened, "by-view", "After")
    assert cut(opened) == "0"
    choose(opened, "by-view", "Attention")
    maps = find(opened, ".card .map")
    assert maps[0].get_attribute("alt") == "0.png, happy: light where it was edited most"


def test_the_details_show_every_unit_and_walk_through_the_list(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    name = find(opened, ".card .name")[0]
    name.send_keys(Keys.ENTER)
    dialog = find(opened, "#detail")[0]
    assert dialog.is_displayed()
    assert text_of(opened, "#detail-title") == "0.png, happy"
    rows = [each.text.split() for each in find(opened, ".units tbody tr")]
    assert rows[1] == ["AU12", "lip", "corner", "puller", "0.3", "4.5", "4.0"]
    width = (
        "return Number(document.querySelectorAll('.units rect.target')[1].getAttribute('width'))"
    )
    assert opened.execute_script(width) == 450
    click(find(opened, "#detail-next")[0])
    assert text_of(opened, "#detail-title") == "0.png, sad"
    find(opened, "#detail-next")[0].send_keys(Keys.PAGE_DOWN)
    assert text_of(opened, "#detail-title") == "1.png, happy"
    choose(opened, "detail-view", "Attention")
    assert find(opened, "#detail .map")
    choose(opened, "detail-view", "Slider")
    slider = find(opened, "#detail input[type=range]")[0]
    slider.send_keys(Keys.PAGE_UP)
    assert text_of(opened, "#detail-title") == "1.png, happy"
    slider.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    active = opened.switch_to.active_element
    assert active.get_attribute("aria-label") == "1.png, happy: details"


def test_focus_stays_inside_the_details(opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    click(find(opened, ".card .name")[0])
    inside = """
      const [active, detail] = [document.activeElement, document.getElementById("detail")];
      return active === document.body || detail.contains(active)"""
    for _ in range(20):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        assert opened.execute_script(inside)


def test_a_hostile_name_is_shown_and_never_run(opened: Any) -> None:
    assert opened.title == "Expression edits: happy, sad"
    find(opened, "#search")[0].send_keys("caught")
    assert find(opened, ".card .name")[0].text == NAME.replace("/", "|") + "\\xff.png"


def test_every_control_can_be_reached_and_is_named(opened: Any) -> None:
    unnamed = """
      return [...document.querySelectorAll("button, input, select, a[href]")].filter((each) =>
        each.checkVisibility() && !(each.getAttribute("aria-label") || each.textContent.trim()
          || (each.labels && each.labels.length))).map((each) => each.outerHTML)"""
    assert opened.execute_script(unnamed) == []
    negative = "return document.querySelectorAll('button[tabindex], input[tabindex]').length"
    assert opened.execute_script(negative) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened: Any, scheme: str) -> None:
    emulate(opened, "prefers-color-scheme", scheme)
    pairs = [
        ("--ink", "--ground", 4.5),
        ("--soft", "--ground", 4.5),
        ("--soft", "--surface", 4.5),
        ("--accent", "--ground", 4.5),
        ("--on-accent", "--accent", 4.5),
        ("--bad", "--ground", 4.5),
        ("--bad", "--bad-ground", 4.5),
        ("--edge", "--surface", 3),
        ("--source", "--surface", 3),
        ("--target", "--surface", 3),
        ("--measured", "--surface", 3),
        *((f"--s{number}", "--surface", 3) for number in range(1, 9)),
    ]
    colour = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
    poor = [
        (front, back)
        for front, back, least in pairs
        if contrast(*(opened.execute_script(colour, each).strip() for each in (front, back)))
        < least
    ]
    assert poor == []


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_no_width_needs_sideways_scrolling(opened: Any, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert opened.execute_script(wide) == 0
        opened.execute_script("openDetail(0)")
        dialog = "const d = document.getElementById('detail'); return d.scrollWidth - d.clientWidth"
        assert opened.execute_script(dialog) == 0
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_each_face_of_a_photograph_is_a_card_that_says_which(browser: Any, tmp_path: Path) -> None:
    report = PageReport(tmp_path / "run.html", about_page(tmp_path), LatencyRecorder())
    report.add(edited(tmp_path / "one.png", [tmp_path / "1.png"]))
    report.add(edited(tmp_path / "group.png", [tmp_path / "2.png"], faces=3))
    report.add(PictureResult(tmp_path / "sea.png", Status.SKIPPED, ()))
    report.finish({"pictures": 3, "written": 2, "skipped_without_face": 1})
    browser.get((tmp_path / "run.html").as_uri())
    cards = [each.text.split("\n")[0:2] for each in find(browser, ".card .text")]
    assert cards[:3] == [["group.png", f"face {number} of 3"] for number in (1, 2, 3)]
    assert cards[3][0] == "one.png" and "face" not in "".join(cards[3])
    assert cards[4] == ["sea.png", "skipped without a face"]
    click(find(browser, ".card .name")[1])
    assert text_of(browser, "#detail-title") == "group.png, face 2 of 3, happy"
    alts = {each.get_attribute("alt") for each in find(browser, "#detail-picture img")}
    assert alts == {"group.png, face 2 of 3, happy, edited", "group.png, face 2 of 3 as given"}
    click(find(browser, "#detail-close")[0])
    choose(browser, "by-outcome", "skipped without a face")
    assert len(find(browser, ".card")) == 1


def test_motion_is_left_out_where_it_is_not_wanted(opened: Any) -> None:
    behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
    emulate(opened, "prefers-reduced-motion", "reduce")
    assert opened.execute_script(behaviour) == "auto"


@pytest.fixture(scope="module")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 10,000 pictures, which lie in a folder beside it."""
    folder = tmp_path_factory.mktemp("large")
    source = folder / "in"
    source.mkdir()
    page = folder / "run.html"
    report = PageReport(page, about_page(source), LatencyRecorder(), inside_bytes=0)
    result = edited(source / "0.png", [folder / "0.png"])
    for number in range(10_000):
        report.add(replace(result, source=source / f"{number}.png"))
    report.finish({"pictures": 10_000, "written": 10_000})
    return page


def test_ten_thousand_pictures_open_filter_and_turn_like_ten(
    browser: Any, large_page: Path
) -> None:
    browser.get(large_page.as_uri())
    assert text_of(browser, "#count") == "1 to 48 of 10,000 edits"
    assert len(find(browser, ".card")) == 48
    loaded = (
        "return [...document.images].filter(i => i.complete && i.naturalWidth === 16"
        " && i.src.includes('run.pictures')).length"
    )
    assert wait(lambda: browser.execute_script(loaded) >= 8)
    milliseconds = """
      const begun = performance.now();
      for (const each of ["9", "99", "999", ""]) {
        document.getElementById("search").value = each;
        update();
      }
      goToPage(208);
      document.body.getBoundingClientRect();
      return performance.now() - begun"""
    # Five redrawings; room for a busy core.
    assert browser.execute_script(milliseconds) < 3000
    assert text_of(browser, "#count") == "9,985 to 10,000 of 10,000 edits"
    assert find(browser, ".card .name")[-1].text == "9999.png"


def test_a_page_without_its_folder_says_so(browser: Any, large_page: Path, tmp_path: Path) -> None:
    shutil.copy(large_page, tmp_path / "alone.html")
    browser.get((tmp_path / "alone.html").as_uri())
    empty = wait(lambda: find(browser, ".card .empty"))
    assert empty[0].text == "The picture is missing: keep run.pictures beside this page."
    browser.get_log("browser")  # the missing files, said there too


def emulate(browser: Any, feature: str, value: str) -> None:
    features = {"features": [{"name": feature, "value": value}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)


def contrast(front: str, back: str) -> float:
    """The contrast of two colours such as #8d877e, by WCAG 2."""

    def luminance(colour: str) -> float:
        levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(front), luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
