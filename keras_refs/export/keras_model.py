"""From a SavedModel back to the trained `keras.Model`, on every backend, without data, recipe or TensorFlow."""

import os
from collections.abc import Iterator
from pathlib import Path

import keras
from packaging.version import InvalidVersion, Version

from keras_refs.errors import UserError, first_line
from keras_refs.export import quantization
from keras_refs.export.tensor_bundle import read_bundle
from keras_refs.export.version import newest_version, read_model_card

ARCHITECTURE = Path("assets.extra") / "model.json"
"""Keras's description of the layers, in a folder that servers leave alone."""
_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"


def load_model(folder: str | os.PathLike) -> keras.Model:
    """Return the trained network of an export as an uncompiled `keras.Model` in float32.

    It takes what the network does, tokens in place of strings for example. Weights stored as float16 or int8 stay so
    rounded.

    Args:
        folder: A version folder, or a model's folder, of which the newest version is taken.

    Raises:
        UserError: If it is no export, one without a Keras model, or of a newer version of the package.
    """
    folder = newest_version(folder)
    card, path = read_model_card(folder), folder / ARCHITECTURE
    if not path.exists():
        raise UserError(f"{folder} cannot be read back as a Keras model: it has no {ARCHITECTURE}.")
    try:
        model = keras.models.model_from_json(path.read_text(encoding="utf-8"))
        arrays = read_bundle(folder / "variables" / "variables")
        for name, variable in named_weights(model):
            variable.assign(_array(arrays, name))
    except KeyError as error:
        raise UserError(f"{folder} cannot be read back as a Keras model: it has no {error}.{_newer(card)}") from error
    except (AttributeError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = first_line(error) + _newer(card)
        raise UserError(f"{folder} cannot be read back as a Keras model: {reason}") from error
    return model


def _newer(card):
    """Return what to do about a Keras that is older than the one that a card names; nothing if it is not."""
    written = card.get("ran_on", {}).get("versions", {}).get("keras", "0")
    try:
        is_newer = Version(written) > Version(keras.__version__)
    except InvalidVersion:
        return ""
    return f" It was written by Keras {written}; install that, here is {keras.__version__}." if is_newer else ""


def _array(arrays, name):
    # TensorFlow writes a slash within a name as `.S`.
    stored = f"weights/{name.replace('.', '..').replace('/', '.S')}"
    if f"{stored}/{quantization.PARTS[0]}/{_VALUE}" in arrays:
        return quantization.dequantize(*(arrays[f"{stored}/{part}/{_VALUE}"] for part in quantization.PARTS))
    return arrays[f"{stored}/{_VALUE}"]


def named_weights(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, keras.Variable]]:
    """Yield the name and the `keras.Variable` of every weight, those of models within a model under that one's name."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from named_weights(layer, f"{prefix}{layer.name}/")
        else:
            yield from ((f"{prefix}{layer.name}/{_name_within(layer, weight)}", weight) for weight in layer.weights)


def _name_within(layer, weight):
    # What stands before the layer, and whether it is there, depends on where it was built first.
    parts = weight.path.split("/")
    start = len(parts) - parts[::-1].index(layer.name) if layer.name in parts else 0
    return "/".join(parts[start:])
