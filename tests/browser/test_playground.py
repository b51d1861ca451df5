"""The playground as users see it, in headless Chromium.

`SCREENSHOT=docs/playground.png make browser` updates the README's screenshot.
"""

import json
import os
import shlex
import shutil
import urllib.request

import pytest
import tensorflow as tf
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from keras_refs.serving import Repository, application, playground
from tests.conftest import REPOSITORY
from tests.serving import models
from tests.serving.servers import listening, wait_until

COMMITTED = [
    *("conv_classifier", "g2p", "gan", "linear_regression", "lstm_regressor"),
    *("rnn_text_classifier", "self_attention_classifier", "simple_rnn_regressor"),
]
MODELS = sorted([*COMMITTED, "without_card"])
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


def write_classifier_without_card(folder):
    """Write a version that predicts the second of three classes for every image."""

    def classify(encoded_images):
        probabilities = tf.repeat([[0.25, 0.75, 0.0]], tf.size(encoded_images), axis=0)
        return {"label": tf.argmax(probabilities, axis=-1), "probabilities": probabilities}

    inputs = {"encoded_images": (tf.string, ())}
    models.save(folder, inputs, serving_default=classify, encoded_images=classify)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in COMMITTED:
        shutil.copytree(REPOSITORY / "saved_models" / name, root / name)
    write_classifier_without_card(root / "without_card" / "1")
    repository = Repository(root)

    def build(address):
        return playground.mount(application(repository), repository, f"http://{address}")

    with listening(build) as address:
        wait_until(lambda: repository.names == MODELS and status(f"{address}/health") == 200, 300)
        yield address


def status(url):
    try:
        with urllib.request.urlopen(url) as response:
            return response.status
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
            elements = browser.find_elements(By.CSS_SELECTOR, selector)
            return next((element for element in elements if element.is_displayed() and element.is_enabled()), None)

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
        return " ".join(element.text for element in self.browser.find_elements(By.CSS_SELECTOR, selector))

    def press(self, name):
        """Press the button of a name."""
        buttons = self.browser.find_elements(By.TAG_NAME, "button")
        next(button for button in buttons if button.text == name).click()

    def draw(self):
        """Draw a shape in the image editor."""
        self.find("#image button[aria-label=Brush]").click()
        canvas = self.find("#image canvas")
        pen = ActionChains(self.browser).move_to_element_with_offset(canvas, -60, -60).click_and_hold()
        for x, y in ((120, 0), (0, 120), (-120, 0), (0, -120), (60, 60)):
            pen = pen.move_by_offset(x, y)
        pen.release().perform()

    def send_command(self):
        """Return the response to the command line that the page shows."""
        wait_until(lambda: "curl" in self.text("#command"))
        program, url, option, body = shlex.split(self.text("#command .cm-content"))
        assert (program, option) == ("curl", "-d")
        with urllib.request.urlopen(url, body.encode()) as response:
            return json.load(response)


@pytest.fixture
def page(browser, address):
    return Page(browser, address)


def test_lists_the_models_that_are_loaded(page):
    page.find("#model input").click()
    page.find("[role=option]")
    assert [word for word in page.text("[role=option]").split() if word != "✓"] == MODELS


def test_a_word_is_pronounced_and_its_attention_drawn(page):
    page.choose("g2p")
    field = page.find("#text textarea, #text input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("xylophone", Keys.ENTER)
    wait_until(lambda: "Z AY L AH F OW N" in page.text("#outputs"))
    assert page.find("#attention img").size["width"] > 200
    if path := os.environ.get("SCREENSHOT"):
        page.browser.save_screenshot(path)
    assert page.send_command()["outputs"]["phonemes"] == ["Z AY L AH F OW N"]


def test_a_text_is_classified_and_its_attention_drawn(page):
    page.choose("self_attention_classifier")
    field = page.find("#text textarea, #text input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("Alle Menschen sind frei", Keys.ENTER)
    wait_until(lambda: "German" in page.text("#classes"))
    assert page.find("#attention img").size["width"] > 200
    assert page.send_command()["outputs"]["class_name"][0].startswith("German")


def test_a_text_is_classified_without_attention(page):
    page.choose("rnn_text_classifier")
    page.press("Classify")
    wait_until(lambda: "%" in page.text("#classes"))
    assert page.send_command()["outputs"]["class_name"][0] in page.text("#classes")


def test_a_drawn_image_is_classified(page):
    page.choose("conv_classifier")
    page.draw()
    page.press("Classify")
    wait_until(lambda: "%" in page.text("#classes"))
    (prediction,) = page.send_command()["predictions"]
    assert prediction["class_name"] in page.text("#classes")


def test_classes_of_a_model_without_a_card_are_numbered(page):
    page.choose("without_card")
    page.draw()
    page.press("Classify")
    wait_until(lambda: "%" in page.text("#classes"))
    assert page.text("#classes").split()[-6:] == ["1", "75%", "0", "25%", "2", "0%"]


def test_an_empty_image_is_an_error(page):
    page.choose("conv_classifier")
    page.press("Classify")
    assert "Draw something first." in page.find(".toast-body.error").text
    assert "%" not in page.text("#classes")


def test_a_slider_interpolates_the_latents(page):
    page.choose("gan")
    page.press("Generate")
    first = page.find("#images img").get_attribute("src")
    assert len(page.send_command()["outputs"]["images"]) == playground.NUM_IMAGES
    slider = page.find("#interpolation input[type=range]")
    ActionChains(page.browser).move_to_element(slider).click_and_hold().move_by_offset(40, 0).release().perform()
    wait_until(lambda: page.find("#images img").get_attribute("src") != first)


@pytest.mark.parametrize("model", ["lstm_regressor", "simple_rnn_regressor"])
def test_the_forecast_is_drawn(page, model):
    page.choose(model)
    page.press("Forecast")
    assert page.find("#forecast img").size["width"] > 300
    assert len(page.send_command()["predictions"]) == 1


def test_any_other_model_has_its_request_in_json(page):
    page.choose("linear_regression")
    page.press("Predict")
    wait_until(lambda: "outputs" in page.text("#response"))
    assert "outputs" in page.send_command()


def test_nothing_is_fetched_from_other_servers(page, address):
    """In this test and all before."""
    page.find("#model input")
    events = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert any(url.startswith(address) for url in urls)
    assert [url for url in urls if not url.startswith((address, "data:", "blob:", "chrome:"))] == []
