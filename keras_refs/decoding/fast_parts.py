"""The two parts of a sequence-to-sequence model in TensorFlow's own operations, which exports decode with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_refs.models.seq2seq import SHARPNESS

if TYPE_CHECKING:
    import keras

ACTIVATIONS = (tf.sigmoid, tf.sigmoid, tf.tanh, tf.sigmoid)
"""Activations of the input gate, the forget gate, the candidate and the output gate, in Keras's order."""


class FastParts:
    """The parts of a trained `models.attention_seq2seq`, as `models.seq2seq_parts` returns them, but faster.

    Their outputs are the same up to rounding. The product of an LSTM's inputs and its kernel is computed for all steps
    at once; for tokens it is a table with one row per symbol. Each gate has a product of its own with the state, so
    that TensorFlow computes the four in parallel. The keys of an additive attention are computed once per source.

    It has no variables: each call reads those of `model` as they are then, or as a `keras.StatelessScope` around it has
    them. Call it inside a `tf.function`, which then reads them again whenever it runs.
    """

    def __init__(self, model: keras.Model) -> None:
        self._layers = {layer.name: layer for layer in model.layers}

    def __call__(self, dtype: tf.DType = tf.float32) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return encoder and step, whose large products are computed in `dtype`, `tf.float32` or `tf.bfloat16`.

        The cells' states, the attention and the probabilities are float32 in any case. In large batches bfloat16 takes
        two thirds of the time on a processor with AMX, and several times as long on one without instructions for it;
        measure it on others.
        """
        encoder_layers = [layer for name, layer in self._layers.items() if name.removeprefix("encoder").isdigit()]
        encoders = [
            [_Cell(cell, dtype, None if number else self._layers["source_embedding"]) for cell in _cells(layer)]
            for number, layer in enumerate(encoder_layers)
        ]
        decoder = _Cell(self._layers["decoder"].cell, dtype, self._layers["target_embedding"])
        combination, probabilities = self._values("combination", dtype), self._values("probabilities")
        names = ("attention_query", "attention_key", "attention") if "attention_key" in self._layers else ()
        scoring = [value for name in names for value in self._values(name)]
        is_hard = "symbol_and_context" in self._layers

        def encoder(source):
            """Read sources once."""
            mask = source != 0
            x, mask_by_step = tf.transpose(source), tf.transpose(mask)[:, :, tf.newaxis]
            for cells in encoders:
                directions = [_run(cell, x, mask_by_step, number == 1) for number, cell in enumerate(cells)]
                x, hidden, cell = (tf.concat(both, axis=-1) for both in zip(*directions, strict=True))
            memory = tf.transpose(tf.cast(x, tf.float32), [1, 0, 2])
            keys = {"key": tf.tensordot(memory, scoring[1], 1)} if scoring else {}
            position = {"position": tf.zeros_like(source[:, 0])} if is_hard else {}
            return {"memory": memory, **keys, "mask": mask, "hidden": hidden, "cell": cell, **position}

        def step(inputs):
            """Predict the next symbol."""
            symbol, states, position = inputs["symbol"], (inputs["hidden"], inputs["cell"]), {}
            if is_hard:
                moves = tf.cast(symbol == probabilities[1].shape[0] - 1, tf.int32)
                position = {"position": inputs["position"] + moves}
                context, weights = _attend(_scores_around(position["position"], inputs), inputs)
                hidden, cell = decoder.step(decoder.project(symbol, context), *states)
            else:
                hidden, cell = decoder.step(decoder.project(symbol), *states)
                context, weights = _attend(_scores(tf.cast(hidden, tf.float32), inputs, scoring), inputs)
            combined = tf.concat([hidden, tf.cast(context, dtype)], axis=-1)
            combined = tf.cast(tf.tanh(_dense(combined, *combination)), tf.float32)
            predicted = tf.nn.softmax(_dense(combined, *probabilities))
            return {"probabilities": predicted, "attention": weights, "hidden": hidden, "cell": cell, **position}

        return encoder, step

    def _values(self, name, dtype=tf.float32):
        return [_value(variable, dtype) for variable in self._layers[name].weights]


class _Cell:
    """Keras's LSTM cell with products in `dtype`; its step takes the projected input.

    `embedding` is the layer before, if the inputs are tokens, beside which there may be a context.
    """

    def __init__(self, cell, dtype, embedding=None):
        self.units, self.dtype = cell.units, dtype
        kernel, bias = _value(cell.kernel), _value(cell.bias)
        if embedding is None:
            self._table, self._input_weights = None, (tf.cast(kernel, dtype), tf.cast(bias, dtype))
        else:
            embeddings = _value(embedding.embeddings)
            kernel, of_context = kernel[: embeddings.shape[1]], kernel[embeddings.shape[1] :]
            self._table = tf.cast(_dense(embeddings, kernel, bias), dtype)
            self._context_kernel = tf.cast(of_context, dtype)
        self._recurrent_kernels = tf.split(_value(cell.recurrent_kernel, dtype), 4, axis=1)

    def project(self, inputs, context=None):
        """Return the inputs' part of the gates: of tokens of any shape, or of vectors `(steps, batch, width)`.

        Beside tokens `(batch,)` there may be a context, float32 `(batch, width)`.
        """
        if context is not None:
            return tf.gather(self._table, inputs) + tf.matmul(tf.cast(context, self.dtype), self._context_kernel)
        if self._table is not None:
            return tf.gather(self._table, inputs)
        rows = _dense(tf.reshape(inputs, [-1, inputs.shape[-1]]), *self._input_weights)
        return tf.reshape(rows, [*tf.unstack(tf.shape(inputs)[:2]), 4 * self.units])

    def step(self, projected, hidden, cell):
        """Return the next state."""
        input_gate, forget_gate, candidate, output_gate = (
            activation(part + tf.matmul(hidden, kernel))
            for activation, part, kernel in zip(
                ACTIVATIONS, tf.split(projected, 4, axis=-1), self._recurrent_kernels, strict=True
            )
        )
        cell = tf.cast(forget_gate, tf.float32) * cell + tf.cast(input_gate * candidate, tf.float32)
        return output_gate * tf.cast(tf.tanh(cell), self.dtype), cell


def _cells(layer):
    directions = [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]
    return [direction.cell for direction in directions]


def _value(variable, dtype=tf.float32):
    # Read here: a cast to its own dtype would return the variable.
    return tf.cast(tf.convert_to_tensor(variable.value), dtype)


def _dense(x, kernel, bias):
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _attend(scores, encoded):
    """Return the context `(batch, units)` and the attention weights for scores `(batch, source steps)`."""
    weights = tf.nn.softmax(tf.where(encoded["mask"], scores, scores - 1e9))
    return tf.squeeze(tf.matmul(weights[:, tf.newaxis], encoded["memory"]), axis=1), weights


def _scores_around(position, encoded):
    """Return the scores of hard attention, as the model computes them: without the part that all steps have."""
    steps = tf.range(tf.shape(encoded["mask"])[1])
    return SHARPNESS * tf.cast(steps * (2 * position[:, tf.newaxis] - steps), tf.float32)


def _scores(hidden, encoded, scoring):
    """Return the attention scores of a state and the encoder's outputs: dot products, or additive with weights."""
    if not scoring:
        return tf.squeeze(tf.matmul(encoded["memory"], hidden[:, :, tf.newaxis]), axis=-1)
    query, _, scale = scoring
    return tf.tensordot(tf.tanh(tf.matmul(hidden, query)[:, tf.newaxis] + encoded["key"]), scale, 1)


def _run(cell, inputs, mask, backwards):
    """Return one direction's outputs, `(steps, batch, units)`, and its last states, which padding does not change."""
    projected = cell.project(inputs)
    steps, batch = tf.unstack(tf.shape(projected)[:2])
    initial = tf.zeros([batch, cell.units], cell.dtype), tf.zeros([batch, cell.units])

    def take_step(number, hidden, state, outputs):
        index = steps - 1 - number if backwards else number
        is_token = tf.gather(mask, index)
        next_hidden, next_state = cell.step(tf.gather(projected, index), hidden, state)
        hidden, state = tf.where(is_token, next_hidden, hidden), tf.where(is_token, next_state, state)
        return number + 1, hidden, state, outputs.write(number, hidden)

    outputs = tf.TensorArray(cell.dtype, steps, element_shape=[None, cell.units])
    *_, hidden, state, outputs = tf.while_loop(lambda number, *_: number < steps, take_step, (0, *initial, outputs))
    # Written in the order of reading, which `tf2onnx` takes for granted.
    outputs = outputs.stack()
    return tf.reverse(outputs, [0]) if backwards else outputs, hidden, state
