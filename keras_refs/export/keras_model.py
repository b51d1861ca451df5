"""From a SavedModel back to the trained `keras.Model`: without the data, the recipe, or TensorFlow's loader."""

import keras
import tensorflow as tf

from keras_refs.errors import UserError, first_line
from keras_refs.export import quantization
from keras_refs.export.saved_model import ARCHITECTURE, named_weights
from keras_refs.export.version import newest_version

_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"


def load_model(folder):
    """Return the trained network of an export as an uncompiled `keras.Model` in float32.

    It takes what the network does, tokens in place of strings for example. Weights stored as float16 or int8 stay so
    rounded.

    Args:
        folder: A version folder, or a model's folder, of which the newest version is taken.

    Raises:
        UserError: If it is no export, or one without a Keras model.
    """
    folder = newest_version(folder)
    path = folder / ARCHITECTURE
    if not path.exists():
        raise UserError(f"{folder} cannot be read back as a Keras model: it has no {ARCHITECTURE}.")
    try:
        model = keras.models.model_from_json(path.read_text(encoding="utf-8"))
        weights = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        for name, variable in named_weights(model):
            variable.assign(_read(weights, name))
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{folder} cannot be read back as a Keras model: {first_line(error)}") from error
    return model


def _read(weights, name):
    # TensorFlow writes a slash within a name as `.S`.
    stored = f"weights/{name.replace('.', '..').replace('/', '.S')}"
    if weights.has_tensor(f"{stored}/{_VALUE}"):
        return weights.get_tensor(f"{stored}/{_VALUE}")
    return quantization.dequantize(*(weights.get_tensor(f"{stored}/{part}/{_VALUE}") for part in quantization.PARTS))
