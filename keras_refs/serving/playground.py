"""A web page to try the served models on: their inputs, their outputs, and the request for them.

Every panel calls the server's own API, with the JSON of the command line that it shows.
"""

import functools
import io
import json
import shlex

import gradio as gr
import numpy as np
from fastapi import FastAPI
from PIL import Image, ImageOps

from keras_refs import evaluation, export
from keras_refs.serving import figures, rest
from keras_refs.serving.repository import Repository

NUM_IMAGES = 24
"""Images that a generator is requested for."""


def mount(app: FastAPI, repository: Repository, address: str) -> FastAPI:
    """Mount the page at `/` of an application.

    Args:
        app: The FastAPI application; its own routes come first.
        repository: The `Repository` it serves.
        address: Scheme, host and port in the command lines shown.
    """
    # Uploaded files are deleted after an hour.
    with gr.Blocks(title="keras_refs", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown("# keras_refs\nTry the models that this server has loaded. `/docs` describes its API.")
        model = gr.Dropdown([], label="Model", elem_id="model")
        page.load(lambda: gr.Dropdown(repository.names, value=next(iter(repository.names), None)), outputs=model)

        @gr.render(inputs=model)
        def panel(name):
            if name:
                _panel(name, repository, functools.partial(_predict, app.state.predict, address, name))

    # Gradio's own fonts are fetched from the Internet.
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    # Pillow refuses images of twice as many.
    Image.MAX_IMAGE_PIXELS = repository.options.pixels // 2
    most = round(repository.options.body_megabytes * 2**20)
    return gr.mount_gradio_app(app, page, path="/", theme=theme, max_file_size=most)


def _panel(name, repository, predict):
    try:
        number, servable = repository.find(name)
    except rest.RequestError as error:
        gr.Markdown(str(error))
        return
    gr.Markdown(f"{name}, version {number}. Signatures: {', '.join(servable.names)}.", elem_id="panel")
    inputs, outputs = servable.signature().inputs, servable.signature().outputs
    warm_up = dict(export.read_warm_up(servable.folder)).get("serving_default", {})
    examples = {key: rest.as_json(key, array) for key, array in warm_up.items()}
    card = export.read_model_card(servable.folder)
    if "encoded_images" in servable.names and "probabilities" in outputs:
        request = _image_panel(predict, card)
    elif "probabilities" in outputs and list(inputs) == ["texts"]:
        request = _text_classifier_panel(predict, examples, card, "attention" in servable.names)
    elif "attention" in outputs:
        request = _text_panel(predict, next(iter(inputs)), examples)
    elif "latents" in inputs and "sample" in servable.names:
        request = _generator_panel(predict)
    elif {"series", "time"} <= examples.keys():
        request = _forecast_panel(predict, examples, card)
    else:
        request = _json_panel(predict, examples)
    label = "The same request on the command line"
    command = gr.Code(label=label, language="shell", elem_id="command", lines=2, max_lines=8, wrap_lines=True)
    triggers, function, values, results = request
    gr.on(triggers, function, values, [*results, command])


def _predict(predict, address, name, body):
    """Return the response to a request body, and the command line that sends the same request."""
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    try:
        response = json.loads(predict(json.dumps(body).encode(), name))
    except rest.RequestError as error:
        raise gr.Error(str(error), print_exception=False) from error
    return response, f"curl {address}/v1/models/{name}:predict -d {data}"


# Each returns the arguments of `gr.on`: events, a function, its inputs and, without the command line, its outputs.
def _image_panel(predict, card):
    with gr.Row():
        # Drawn in black on white; the classifiers are trained on light clothes on black.
        editor = gr.ImageEditor(
            label="Draw, upload or paste an image",
            type="pil",
            sources=["upload", "clipboard"],
            canvas_size=(280, 280),
            brush=gr.Brush(colors=["#000000"], default_size=24),
            elem_id="image",
        )
        bars = gr.Label(label="Classes", num_top_classes=10, elem_id="classes")
    invert = gr.Checkbox(True, label="Invert: the image is dark on a light background")
    button = gr.Button("Classify", variant="primary")

    def classify(edited, inverted):
        if edited is None or edited["composite"] is None:
            raise gr.Error("Draw something first.", print_exception=False)
        image = edited["composite"].convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
        file = io.BytesIO()
        (ImageOps.invert(image) if inverted else image).resize((56, 56)).save(file, "PNG")
        body = {"signature_name": "encoded_images", "instances": [rest.encoded(file.getvalue())]}
        response, line = predict(body)
        return _by_class(card, response["predictions"][0]["probabilities"]), line

    return [button.click], classify, [editor, invert], [bars]


def _text_classifier_panel(predict, examples, card, has_attention):
    text = gr.Textbox(examples.get("texts", ["hello"])[0], label="Text", elem_id="text", interactive=True)
    button = gr.Button("Classify", variant="primary")
    with gr.Row():
        bars = gr.Label(label="Classes", num_top_classes=10, elem_id="classes")
        attention = gr.Plot(show_label=False, elem_id="attention", visible=has_attention)

    def classify(string):
        response, line = predict({"inputs": {"texts": [string]}})
        (probabilities,) = response["outputs"]["probabilities"]
        figure = None
        if has_attention:
            (weights,) = predict({"signature_name": "attention", "inputs": {"texts": [string]}})[0]["outputs"]
            figure = figures.draw_characters(string, weights)
        return _by_class(card, probabilities), figure, line

    return [button.click, text.submit], classify, [text], [bars, attention]


def _text_panel(predict, key, examples):
    text = gr.Textbox(examples.get(key, ["hello"])[0], label=key, elem_id="text", interactive=True)
    button = gr.Button("Predict", variant="primary")
    with gr.Row():
        best = gr.Dataframe(headers=["output", "score"], label="Best outputs", elem_id="outputs")
        attention = gr.Plot(show_label=False, elem_id="attention")

    def transcribe(source):
        response, line = predict({"inputs": {key: [source]}})
        outputs = response["outputs"]
        (target,) = (value[0] for name, value in outputs.items() if name not in ("score", "attention"))
        k_best = predict({"signature_name": "k_best", "inputs": {key: [source]}})[0]["outputs"]
        scores = k_best.pop("score")[0]
        (targets,) = k_best.values()
        rows = [[one, round(score, 3)] for one, score in zip(targets[0], scores, strict=True)]
        return rows, figures.draw_attention(source, target, np.array(outputs["attention"][0])), line

    return [button.click, text.submit], transcribe, [text], [best, attention]


def _generator_panel(predict):
    seed = gr.Slider(0, 1000, 7, step=1, label="Seed", elem_id="seed")
    position = gr.Slider(0, 1, 0, step=0.05, label="Interpolation to the next seed", elem_id="interpolation")
    grid = gr.Image(label="Generated images", elem_id="images", height=360)
    button = gr.Button("Generate", variant="primary")

    def sample(number):
        response, line = predict({"signature_name": "sample", "inputs": {"seed": int(number), "count": NUM_IMAGES}})
        return response["outputs"]["images"], np.array(response["outputs"]["latents"]), line

    def generate(number, fraction):
        images, latents, line = sample(number)
        if fraction:
            angle = fraction * np.pi / 2
            latents = np.cos(angle) * latents + np.sin(angle) * sample(number + 1)[1]
            response, line = predict({"inputs": {"latents": latents.round(4).tolist()}})
            images = response["outputs"]
        image = evaluation.image_grid(np.array(images, np.uint8), 8)
        return image.repeat(3, axis=0).repeat(3, axis=1).squeeze(), line

    return [seed.release, position.release, button.click], generate, [seed, position], [grid]


def _forecast_panel(predict, examples, card):
    rounded = np.round(examples["series"][0], 4).tolist()
    series = gr.Code(json.dumps(rounded), label="Series, a row for each step", language="json")
    time = gr.Textbox(examples["time"][0], label="Time of the first step of the forecast")
    button = gr.Button("Forecast", variant="primary")
    plot = gr.Plot(show_label=False, elem_id="forecast")

    def forecast(rows, start):
        values = _parse(rows)
        response, line = predict({"instances": [{"series": values, "time": start}]})
        (prediction,) = response["predictions"]
        ahead = np.ravel(prediction["forecast"] if isinstance(prediction, dict) else prediction)
        return figures.draw_forecast(values, ahead, start, card), line

    return [button.click], forecast, [series, time], [plot]


def _json_panel(predict, examples):
    body = gr.Code(json.dumps({"inputs": examples}), label="Request", language="json", elem_id="request")
    button = gr.Button("Predict", variant="primary")
    response = gr.JSON(label="Response", elem_id="response")
    return [button.click], lambda text: predict(_parse(text)), [body], [response]


def _by_class(card, probabilities):
    # A model without a card has no names for its classes.
    labels = card.get("test", {}).get("per_class") or map(str, range(len(probabilities)))
    return dict(zip(labels, probabilities, strict=True))


def _parse(text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise gr.Error(f"This is not valid JSON: {error}", print_exception=False) from error
