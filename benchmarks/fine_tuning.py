"""Measure what trained weights are worth for another task with 200 examples, beside training from nothing.

    python benchmarks/fine_tuning.py

trains `conv_classifier` on scikit-learn's handwritten digits and `self_attention_classifier` on names of countries and
languages, in ten languages that it was not trained on, and writes `results/fine_tuning.json`. Three ways are compared:
initial weights; trained ones of which the new head alone is trained; and then all layers. Two or three learning rates
are tried each time, and the one with the best accuracy on 200 further examples is scored once on the test examples. The
guide "Fine-tune a trained model" has the figures. What was measured of other tasks and seeds stays.
"""

import argparse
import functools
import time
from pathlib import Path

import keras
import numpy as np
from babel import Locale
from earlier import earlier
from hardware import hardware
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import keras_refs
from keras_refs import evaluation, storage
from keras_refs.training.environment import environment

RESULTS = Path(__file__).parents[1] / "results" / "fine_tuning.json"
TRAINING = VALIDATION = 200
CLASSES, BATCH = 10, 32
LANGUAGES = ("br", "cy", "eu", "fo", "hu", "lb", "mt", "sq", "sw", "vi")
"""Breton, Welsh, Basque, Faroese, Hungarian, Luxembourgish, Maltese, Albanian, Swahili and Vietnamese."""


def digits():
    """Return pixel values 0..255 of 28 x 28 pixels and labels, of 1,797 images in the order of scikit-learn."""
    data = load_digits()
    pixels = zoom(data.images, (1, 3, 3), order=1).clip(0, 16) * (255 / 16)
    return np.pad(pixels, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis].astype("float32"), data.target


def names():
    """Return texts and the numbers of their languages.

    A text has three names, those of every third country or language in Unicode's common locale data. The same codes
    follow each other in all languages, so that a text of one split is in no language part of another.
    """
    locales = [Locale(code) for code in LANGUAGES]
    tables = [{**locale.territories, **locale.languages} for locale in locales]
    codes = sorted(set.intersection(*map(set, tables)))
    codes = np.random.default_rng(0).permutation(codes)
    groups = [codes[first : first + 3] for first in range(0, len(codes) - 2, 3)]
    texts = [", ".join(table[code] for code in group) for group in groups for table in tables]
    return np.array(texts, dtype=object), np.tile(np.arange(len(tables)), len(groups))


def best_of(build, examples, rates, seed, epochs):
    """Return the model with the best validation accuracy of these learning rates, and what was measured of it."""
    began, tried = time.monotonic(), []
    for rate in rates:
        keras.utils.set_random_seed(seed)
        model = build()
        # All steps of an epoch at once: most of the time of such small ones is the call.
        once = {"metrics": ["accuracy"], "steps_per_execution": -(-TRAINING // BATCH)}
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", **once)
        model.fit(*examples["train"], batch_size=BATCH, epochs=epochs, verbose=0)
        tried.append((model.evaluate(*examples["validation"], batch_size=500, verbose=0)[1], rate, model))
    accuracy, rate, model = max(tried, key=lambda one: one[0])
    test = model.evaluate(*examples["test"], batch_size=500, verbose=0)[1]
    measured = {"learning_rate": rate, "validation_accuracy": accuracy, "accuracy": test}
    return model, {**measured, "wall_seconds": round((time.monotonic() - began) / len(rates), 1)}


def measure(build, weights, head, examples, seed, epochs):
    """Return what was measured of each way to train.

    Args:
        build: Function that builds the body, with these weights or `None`.
        weights: Name of the data set that the body was trained on.
        head: Functions that return the layers of the head before the last.
        examples: Inputs and labels by split.
        seed: Seed of initial weights and of the order of examples.
        epochs: Epochs of the trainings of all layers; the head alone, which is cheap, has as many as it needs.
    """

    def with_head(first):
        return keras.Sequential([first, *(layer() for layer in head), keras.layers.Dense(CLASSES, "softmax")])

    def alone():
        return with_head(keras.Input(body.output_shape[1:]))

    def from_nothing():
        return with_head(build(None))

    _, scratch = best_of(from_nothing, examples, (1e-3, 3e-3), seed, epochs)
    body = build(weights)
    # A frozen body outputs the same in every epoch.
    features = {name: (body.predict(x, batch_size=500, verbose=0), labels) for name, (x, labels) in examples.items()}
    trained_head, of_head = best_of(alone, features, (1e-3, 3e-3, 1e-2), seed, epochs=100)

    def with_trained_head():
        model = with_head(build(weights))
        trained = trained_head.get_weights()
        model.set_weights([*model.get_weights()[: -len(trained)], *trained])
        return model

    _, of_all = best_of(with_trained_head, examples, (3e-4, 1e-3), seed, epochs)
    return {"initial weights": scratch, "frozen, new head": of_head, "then all layers": of_all}


def split(inputs, labels, test, seed):
    """Return 200 examples to train on and 200 to validate, chosen by the seed, and the last `test` examples."""
    order = np.random.default_rng(seed).permutation(len(labels) - test)
    parts = {"train": order[:TRAINING], "validation": order[TRAINING : TRAINING + VALIDATION]}
    parts["test"] = np.arange(len(labels) - test, len(labels))
    return {name: (inputs[part], labels[part]) for name, part in parts.items()}


def images(seed):
    """Return what was measured on images, for one seed."""
    examples = split(*digits(), test=797, seed=seed)

    def build(weights):
        # What blocks of convolutions see is of more general use than the dense layer after them.
        body = keras_refs.conv_classifier(include_top=False, weights=weights)
        return keras.Model(body.input, body.get_layer("flatten").output)

    head = [functools.partial(keras.layers.Dense, 64, "relu"), functools.partial(keras.layers.Dropout, 0.2)]
    measured = measure(build, "fashion_mnist", head, examples, seed, epochs=40)
    (pixels, labels), (test_pixels, test_labels) = examples["train"], examples["test"]
    linear = LogisticRegression(max_iter=1000).fit(pixels.reshape(TRAINING, -1) / 255, labels)
    score = linear.score(test_pixels.reshape(len(test_labels), -1) / 255, test_labels)
    return {**measured, "linear": {"accuracy": float(score)}}


def texts(seed):
    """Return what was measured on texts, for one seed."""
    strings, labels = names()
    tokens = keras_refs.load_preprocessor("self_attention_classifier")(strings)
    test = len(labels) // 2 // CLASSES * CLASSES
    examples = split(tokens, labels, test, seed)
    sizes = {"vocabulary_size": 65_536, "num_channels": 5, "embedding_dim": 32, "hidden_dim": 96, "num_heads": 4}
    sizes |= {"feed_forward_dim": 192, "positions": None, "dropout": 0.1}

    def build(weights):
        return keras_refs.self_attention_classifier(include_top=False, weights=weights, **sizes)

    measured = measure(build, "udhr_languages", [], examples, seed, epochs=30)
    of_strings = split(strings, labels, test, seed)
    linear = evaluation.fit_ngram_classifier([text[:40] for text in of_strings["train"][0]], of_strings["train"][1])
    predicted = linear.predict([text[:40] for text in of_strings["test"][0]])
    return {**measured, "linear": {"accuracy": float((predicted == of_strings["test"][1]).mean())}}


TASKS = {"images": images, "texts": texts}


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    options = parser.parse_args()
    runs = []
    for task in options.tasks:
        for seed in options.seeds:
            for method, measured in TASKS[task](seed).items():
                runs.append({"task": task, "seed": seed, "method": method, **measured})
                print(runs[-1], flush=True)
    measured = {(one["task"], one["seed"]) for one in runs}
    kept = [one for one in earlier(RESULTS) if (one["task"], one["seed"]) not in measured]
    found_on = hardware()
    ran_on = {"device": found_on["device"], **environment()}
    runs = sorted([*kept, *runs], key=lambda one: (one["task"], one["seed"]))
    storage.write_json(RESULTS, {"cores": found_on["cores"], "ran_on": ran_on, "runs": runs})


if __name__ == "__main__":
    main()
