"""The page to try models on, as a person sees it, in headless Chromium.

`SCREENSHOT=docs/playground.png make browser` takes the picture of the README anew.
"""

import json
import os
import shlex
import urllib.request

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from keras_refs.serving import Repository, application, playground
from tests.conftest import REPOSITORY
from tests.serving.servers import listening, wait_until

MODELS = ["conv_classifier", "g2p", "gan", "linear_regression", "lstm_regressor"]
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,1300",
)


@pytest.fixture(scope="module")
def address():
    repository = Repository(REPOSITORY / "saved_models", MODELS)

    def build(address):
        return playground.mount(application(repository), repository, address)

    with listening(build) as address:
        wait_until(lambda: repository.names == MODELS and status(f"{address}/health") == 200, 300)
        yield address


def status(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


class Page:
    def __init__(self, browser, address):
        self.browser = browser
        browser.get(address)

    def find(self, selector):
        """Return the visible element of a selector, as soon as there is one."""

        def usable(browser):
            found = browser.find_elements(By.CSS_SELECTOR, selector)
            return next((element for element in found if element.is_displayed() and element.is_enabled()), None)

        return WebDriverWait(self.browser, 60).until(usable, selector)

    def choose(self, model):
        """Choose a model, and wait for its panel."""
        field = self.find("#model input")
        field.click()
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(model, Keys.ENTER)
        wait_until(lambda: self.text("#panel").startswith(f"{model}, version 1"))

    def text(self, selector):
        """Return the text of all elements of a selector."""
        return " ".join(found.text for found in self.browser.find_elements(By.CSS_SELECTOR, selector))

    def press(self, name):
        """Press the button of a name."""
        next(found for found in self.browser.find_elements(By.TAG_NAME, "button") if found.text == name).click()

    def ask_as_shown(self):
        """Return the answer to the command line that the page shows."""
        wait_until(lambda: "curl" in self.text("#command"))
        program, url, option, body = shlex.split(self.text("#command .cm-content"))
        assert (program, option) == ("curl", "-d")
        with urllib.request.urlopen(url, body.encode()) as answer:
            return json.load(answer)


@pytest.fixture
def page(browser, address):
    return Page(browser, address)


def test_lists_the_models_that_are_loaded(page):
    page.find("#model input").click()
    wait_until(lambda: [word for word in page.text("[role=option]").split() if word != "✓"] == MODELS)


def test_a_word_is_pronounced_and_its_attention_drawn(page):
    page.choose("g2p")
    field = page.find("#text textarea, #text input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("xylophone", Keys.ENTER)
    wait_until(lambda: "Z AY L AH F OW N" in page.text("#answers"))
    assert page.find("#attention img").size["width"] > 200
    if path := os.environ.get("SCREENSHOT"):
        page.browser.save_screenshot(path)
    assert page.ask_as_shown()["outputs"]["phonemes"] == ["Z AY L AH F OW N"]


def test_a_drawn_picture_gets_its_classes(page):
    page.choose("conv_classifier")
    page.find("#picture button[aria-label=Brush]").click()
    canvas = page.find("#picture canvas")
    pen = ActionChains(page.browser).move_to_element_with_offset(canvas, -60, -60).click_and_hold()
    for x, y in ((120, 0), (0, 120), (-120, 0), (0, -120), (60, 60)):
        pen = pen.move_by_offset(x, y)
    pen.release().perform()
    page.press("What is it?")
    wait_until(lambda: "%" in page.text("#classes"))
    (answer,) = page.ask_as_shown()["predictions"]
    assert answer["class_name"] in page.text("#classes")


def test_nothing_drawn_is_said(page):
    page.choose("conv_classifier")
    page.press("What is it?")
    wait_until(lambda: "Draw something first." in page.text("body"))


def test_a_slider_moves_through_the_latents(page):
    page.choose("gan")
    page.press("Make")
    first = page.find("#sheet img").get_attribute("src")
    assert len(page.ask_as_shown()["outputs"]["images"]) == playground.SHOWN
    slider = page.find("#way input[type=range]")
    ActionChains(page.browser).move_to_element(slider).click_and_hold().move_by_offset(40, 0).release().perform()
    wait_until(lambda: page.find("#sheet img").get_attribute("src") != first)


def test_the_forecast_is_drawn(page):
    page.choose("lstm_regressor")
    page.press("Forecast")
    assert page.find("#forecast img").size["width"] > 300
    assert len(page.ask_as_shown()["predictions"]) == 1


def test_any_other_model_takes_its_request_as_it_is(page):
    page.choose("linear_regression")
    page.press("Ask")
    wait_until(lambda: "outputs" in page.text("#answer"))
    assert "outputs" in page.ask_as_shown()


def test_nothing_was_fetched_from_elsewhere(page, address):
    """All that the tests before, and this one, made the browser ask for."""
    page.find("#model input")
    events = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert any(url.startswith(address) for url in asked)
    assert [url for url in asked if not url.startswith((address, "data:", "blob:", "chrome:"))] == []
