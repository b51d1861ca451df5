"""Measure how well the committed models identify a language by the length of the text, beside character n-grams.

    python benchmarks/lengths.py

cuts the test split of UDHR between words into pieces of at most 5, 10, 20, 40 and 80 characters, and writes
`results/lengths.json` and its figure, `docs/lengths.png`. The networks read the first 40 characters.
"""

from pathlib import Path

from matplotlib.figure import Figure

from keras_refs import datasets, evaluation, export, storage

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "lengths.json"
FIGURE = REPOSITORY / "docs" / "lengths.png"
LENGTHS = (5, 10, 20, 40, 80)
MODELS = ("self_attention_classifier", "rnn_text_classifier")
TRAINED_ON = 40
"""Length of the pieces that the linear model is fitted to, as in the recipes."""


def measure():
    """Return the accuracy of each model on pieces of each length, and the number of these."""
    data = datasets.load_texts("udhr_languages")
    train, tests = data.train.pieces(TRAINED_ON), {length: data.test.pieces(length) for length in LENGTHS}
    predict = {name: _classifier(REPOSITORY / "saved_models" / name / "1") for name in MODELS}
    predict["character n-grams, linear"] = evaluation.fit_ngram_classifier(train.texts, train.labels).predict
    accuracy = {
        name: [float((function(pieces.texts) == pieces.labels).mean()) for pieces in tests.values()]
        for name, function in predict.items()
    }
    return {"lengths": LENGTHS, "pieces": [len(pieces) for pieces in tests.values()], "accuracy": accuracy}


def _classifier(folder):
    saved = export.SavedFunction(folder)
    return lambda texts: saved.predict(texts=texts)["label"]


def draw(measured):
    """Draw the accuracy of each model by length."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, scores in measured["accuracy"].items():
        axes.plot(measured["lengths"], scores, "--" if "linear" in name else "-", marker="o", label=name)
    axes.set(xscale="log", xlabel="characters, at most", ylabel="test accuracy")
    axes.set_xticks(measured["lengths"], map(str, measured["lengths"]), minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    results = measure()
    storage.write_json(RESULTS, results)
    draw(results)
