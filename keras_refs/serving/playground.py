"""A page to try the served models on, in the browser: what they take, what they answer, and the request it was.

Every panel asks the server's own API, with the JSON of the command line that it shows.
"""

import base64
import functools
import io
import json
import shlex

import gradio as gr
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from keras_refs import export
from keras_refs.evaluation import pictures
from keras_refs.serving.rest import RequestError

SHOWN = 24
"""Pictures on a sheet of a generator."""


def mount(app, repository, address):
    """Put the page at `/` of an application.

    Args:
        app: The FastAPI application; its own routes come first.
        repository: The `Repository` it serves.
        address: Host and port that the shown command lines ask.
    """
    # Gradio's own fonts are fetched from the net.
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return gr.mount_gradio_app(app, _page(repository, address, app.state.answer), path="/", theme=theme)


def _page(repository, address, answer):
    with gr.Blocks(title="keras_refs", analytics_enabled=False) as page:
        gr.Markdown("# keras_refs\nTry the models that this server has loaded. `/docs` describes its API.")
        model = gr.Dropdown([], label="Model", elem_id="model")
        page.load(lambda: gr.Dropdown(repository.names, value=next(iter(repository.names), None)), outputs=model)

        @gr.render(inputs=model)
        def panel(name):
            if name:
                ask = _Asking(f"http://{address}/v1/models/{name}:predict", functools.partial(answer, name=name))
                _panel(name, repository, ask)

    return page


def _panel(name, repository, ask):
    try:
        number, servable = repository.find(name)
    except RequestError as error:
        gr.Markdown(str(error))
        return
    gr.Markdown(f"{name}, version {number}. Signatures: {', '.join(servable.names)}.", elem_id="panel")
    inputs, outputs = servable.signature().inputs, servable.signature().outputs
    build = _any
    if "encoded_images" in servable.names and "probabilities" in outputs:
        build = _pictures
    elif "attention" in outputs:
        build = _strings
    elif "latents" in inputs and "sample" in servable.names:
        build = _generator
    elif {"series", "time"} <= inputs.keys():
        build = _forecast
    build(ask, servable)


class _Asking:
    """Asks for a model's predictions as a client would, and tells how."""

    def __init__(self, url, answer):
        self._url = url
        self._answer = answer

    def __call__(self, body):
        """Return the answer to a body, and the command line that gets it."""
        command = f"curl {self._url} -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
        try:
            return json.loads(self._answer(json.dumps(body).encode())), command
        except RequestError as error:
            raise gr.Error(str(error), print_exception=False) from error


def _command():
    return gr.Code(
        label="The same by the command line", language="shell", elem_id="command", lines=2, max_lines=8, wrap_lines=True
    )


def _pictures(ask, servable):
    class_names = list(export.read_model_card(servable.folder)["test"]["per_class"])
    with gr.Row():
        # Drawn in black on white; the classifiers know light clothes on black.
        editor = gr.ImageEditor(
            label="Draw, or put a picture here",
            type="pil",
            sources=["upload", "clipboard"],
            canvas_size=(280, 280),
            brush=gr.Brush(colors=["#000000"], default_size=24),
            elem_id="picture",
        )
        bars = gr.Label(label="Classes", num_top_classes=10, elem_id="classes")
    invert = gr.Checkbox(True, label="It is dark on a light ground: turn it round")
    button, command = gr.Button("What is it?", variant="primary"), _command()

    def classify(drawn, turn):
        if drawn is None or drawn["composite"] is None:
            raise gr.Error("Draw something first.", print_exception=False)
        image = drawn["composite"].convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image).convert("L")
        file = io.BytesIO()
        (ImageOps.invert(image) if turn else image).resize((56, 56)).save(file, "PNG")
        encoded = base64.b64encode(file.getvalue()).decode()
        found, line = ask({"signature_name": "encoded_images", "instances": [{"b64": encoded}]})
        (prediction,) = found["predictions"]
        return dict(zip(class_names, prediction["probabilities"], strict=True)), line

    button.click(classify, [editor, invert], [bars, command])


def _strings(ask, servable):
    examples = _examples(servable)
    (key, given) = next(iter(examples.items()), ("words", ["hello"]))
    text = gr.Textbox(given[0], label=key, elem_id="text", interactive=True)
    button = gr.Button("Ask", variant="primary")
    with gr.Row():
        best = gr.Dataframe(headers=["answer", "score"], label="The best answers", elem_id="answers")
        attention = gr.Plot(show_label=False, elem_id="attention")
    command = _command()

    def tell(string):
        greedy, line = ask({"inputs": {key: [string]}})
        outputs = greedy["outputs"]
        (told,) = (value[0] for name, value in outputs.items() if name not in ("score", "attention"))
        several, _ = ask({"signature_name": "k_best", "inputs": {key: [string]}})
        scores = several["outputs"].pop("score")[0]
        (answers,) = several["outputs"].values()
        rows = [[answer, round(score, 3)] for answer, score in zip(answers[0], scores, strict=True)]
        return rows, _attention(string, told, np.array(outputs["attention"][0])), line

    gr.on([button.click, text.submit], tell, text, [best, attention, command])


def _attention(source, answer, weights):
    symbols = answer.split() if " " in answer else list(answer)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_title("What each symbol attends to")
    axes.imshow(weights[: len(symbols), : len(source)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(min(len(source), weights.shape[1])), list(source)[: weights.shape[1]])
    axes.set_yticks(range(len(symbols)), symbols)
    return figure


def _generator(ask, _servable):
    seed = gr.Slider(0, 1000, 7, step=1, label="Seed", elem_id="seed")
    way = gr.Slider(0, 1, 0, step=0.05, label="On the way to the pictures of the next seed", elem_id="way")
    sheet, command = gr.Image(label="Pictures", elem_id="sheet", height=360), _command()

    def make(number, share):
        ends = []
        for place in (number, number + 1):
            drawn, line = ask({"signature_name": "sample", "inputs": {"seed": int(place), "count": SHOWN}})
            ends.append(drawn["outputs"])
        images = ends[0]["images"]
        if share:
            angle = share * np.pi / 2
            mixed = np.cos(angle) * np.array(ends[0]["latents"]) + np.sin(angle) * np.array(ends[1]["latents"])
            found, line = ask({"inputs": {"latents": mixed.round(4).tolist()}})
            images = found["outputs"]
        else:
            line = line.replace(f'"seed": {int(number) + 1}', f'"seed": {int(number)}')
        shown = pictures.sheet(np.array(images, np.uint8), 8)
        return np.repeat(np.repeat(shown, 3, axis=0), 3, axis=1).squeeze(), line

    gr.on([seed.release, way.release, gr.Button("Make", variant="primary").click], make, [seed, way], [sheet, command])


def _forecast(ask, servable):
    examples = _examples(servable)
    series = gr.Code(
        json.dumps(np.round(examples["series"][0], 4).tolist()), label="Series, a row for each step", language="json"
    )
    time = gr.Textbox(examples["time"][0], label="Time of the first step to forecast")
    button = gr.Button("Forecast", variant="primary")
    plot, command = gr.Plot(show_label=False, elem_id="forecast"), _command()

    def forecast(rows, first):
        try:
            values = json.loads(rows)
        except ValueError as error:
            raise gr.Error(f"The series is no JSON: {error}", print_exception=False) from error
        found, line = ask({"instances": [{"series": values, "time": first}]})
        (prediction,) = found["predictions"]
        ahead = np.ravel(prediction["forecast"] if isinstance(prediction, dict) else prediction)
        known = np.array(values)[:, 0]
        figure = Figure(figsize=(9, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.plot(range(-len(known), 0), known, color="black", label="known")
        axes.plot(range(len(ahead)), ahead, marker=".", label="forecast")
        axes.set(xlabel=f"steps from {first}")
        axes.legend()
        axes.grid(alpha=0.3)
        return figure, line

    button.click(forecast, [series, time], [plot, command])


def _any(ask, servable):
    examples = _examples(servable)
    body = gr.Code(json.dumps({"inputs": examples}), label="Request", language="json", elem_id="request")
    button = gr.Button("Ask", variant="primary")
    found, command = gr.JSON(label="Answer", elem_id="answer"), _command()

    def send(text):
        try:
            return ask(json.loads(text))
        except ValueError as error:
            raise gr.Error(f"The request is no JSON: {error}", print_exception=False) from error

    button.click(send, body, [found, command])


def _examples(servable):
    """Return the inputs that the model warms up with, as JSON has them."""
    inputs = dict(export.read_warm_up(servable.folder)).get("serving_default", {})
    texts = np.vectorize(bytes.decode, otypes=[object])
    return {name: (texts(array) if array.dtype == object else array).tolist() for name, array in inputs.items()}
