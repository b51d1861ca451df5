"""From a trained network into a model that was just built: weights, where they fit."""

from collections.abc import Iterator

import keras

from keras_refs.errors import UserError
from keras_refs.export.keras_model import named_weights

HEADS = ("classifier", "forecast", "output", "prediction")
"""Names of the layer that outputs classes or targets, of which another task has other ones."""


def copy_weights(model: keras.Model, trained: keras.Model) -> None:
    """Give a model the weights of a trained one, or of the network within it that has layers of the same names.

    A head keeps its own where the trained one has another number of outputs, or none.

    Raises:
        UserError: If other weights do not fit; the model is as it was.
    """
    body, head = _parts(model)
    networks = [_parts(network) for network in _networks(trained)]
    # The one that has most in common; of several, the outermost.
    trained_body, trained_head = max(networks, key=lambda parts: len(parts[0].keys() & body.keys()) - len(parts[0]))
    for name in [*body, *trained_body]:
        if name not in body or name not in trained_body:
            other, lacking = ("model", "trained one") if name in body else ("trained model", "one built here")
            raise UserError(f"The weights do not fit: the {other} has {name}, and the {lacking} has not.")
    pairs = [(name, variable, trained_body[name]) for name, variable in body.items()]
    kernels = [parts.get("kernel") for parts in (head, trained_head)]
    if all(kernel is not None for kernel in kernels):
        inputs, outputs = zip(*(kernel.shape for kernel in kernels), strict=True)
        if inputs[0] != inputs[1] or outputs[0] == outputs[1]:
            pairs += [(f"the head's {name}", variable, trained_head[name]) for name, variable in head.items()]
    for name, variable, value in pairs:
        if variable.shape != value.shape:
            raise UserError(
                f"The weights do not fit: {name} has the shape {tuple(variable.shape)} in the model and "
                f"{tuple(value.shape)} in the trained one."
            )
    for _, variable, value in pairs:
        variable.assign(value)


def fits(model: keras.Model, trained: keras.Model) -> bool:
    """Return whether a trained model has a network whose layers before the head have names and shapes of a model's."""
    shapes = _shapes(model)
    return any(_shapes(network) == shapes for network in _networks(trained))


def _shapes(model):
    return {name: tuple(variable.shape) for name, variable in _parts(model)[0].items()}


def _parts(model):
    """Return the weights before the head by name, and the head's by their names within it."""
    body, head = {}, {}
    for name, variable in named_weights(model):
        layer, _, rest = name.partition("/")
        part, key = (head, rest) if layer in HEADS else (body, name)
        part[key] = variable
    return body, head


def _networks(model) -> Iterator[keras.Model]:
    """Yield a model and all models within it."""
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _networks(layer)
