"""The two parts of a sequence-to-sequence model in TensorFlow's own operations: what exports decode with."""

import numpy as np
import tensorflow as tf

ACTIVATIONS = (tf.sigmoid, tf.sigmoid, tf.tanh, tf.sigmoid)
"""What the input gate, the forget gate, the candidate and the output gate go through, in Keras's order."""


class FastParts:
    """The parts of a trained `models.attention_seq2seq`, as `models.seq2seq_parts` has them, in less time.

    They give the same answers. What makes them faster: each gate is a product of its own, so that TensorFlow computes
    its bias and its activation with it, and gates are computed side by side; a symbol is a row of a table that already
    holds what the first layer makes of it; and the keys of an additive attention are computed once a source.

    Args:
        model: The model. Its weights are copied as they are now.
        half_precision: Whether the copies are rounded to float16, so that a SavedModel of them takes half of the space.
    """

    def __init__(self, model, half_precision=False):
        self._stored = tf.float16 if half_precision else tf.float32
        named = {layer.name: layer for layer in model.layers}
        tables = [
            named[f"{which}_embedding"].embeddings.numpy() if f"{which}_embedding" in named else None
            for which in ("source", "target")
        ]
        self._num_symbols = [None if table is None else len(table) for table in tables]
        encoders = [layer for name, layer in named.items() if name.removeprefix("encoder").isdigit()]
        self._encoders = [
            [_Cell(cell, self._stored, None if number else tables[0]) for cell in _cells(layer)]
            for number, layer in enumerate(encoders)
        ]
        self._decoder = _Cell(named["decoder"].cell, self._stored, tables[1])
        self._combination = self._variables(named["combination"].get_weights())
        scoring = ("attention_query", "attention_key", "attention") if "attention_key" in named else ()
        self._attention = self._variables(weight for name in scoring for weight in named[name].get_weights())
        # Without weights of its own the last layer shares the embedding's.
        self._probabilities = self._variables(named["probabilities"].get_weights() or [tables[1].T])

    def _variables(self, weights):
        return [_variable(weight, self._stored) for weight in weights]

    def __call__(self, dtype=tf.float32):
        """Return encoder and step, whose large products are computed in this dtype.

        The cells' states, the attention and the probabilities are float32 in any case. In large batches bfloat16 takes
        about two thirds of the time where the processor multiplies it in hardware (measured with AMX), and several
        times as long where it does not.

        Args:
            dtype: `tf.float32` or `tf.bfloat16`.
        """
        cells = [[cell.cast(dtype) for cell in layer] for layer in self._encoders]
        decoder, combination = self._decoder.cast(dtype), _cast(self._combination, dtype)
        scoring, last = _cast(self._attention, tf.float32), _cast(self._probabilities, tf.float32)

        def encoder(source):
            """Read sources once."""
            x = tf.transpose(_vectors(source, self._num_symbols[0], dtype), [1, 0, 2])
            mask = source != 0
            mask = mask if len(mask.shape) == 2 else tf.reduce_any(mask, axis=-1)
            steps_first = tf.transpose(mask)[:, :, tf.newaxis]
            for layer in cells:
                directions = [_read(cell, x, steps_first, place == 1) for place, cell in enumerate(layer)]
                x, hidden, cell = (tf.concat(both, axis=-1) for both in zip(*directions, strict=True))
            memory = tf.transpose(tf.cast(x, tf.float32), [1, 0, 2])
            keys = {"key": tf.tensordot(memory, scoring[1], 1)} if scoring else {}
            return {"memory": memory, **keys, "mask": mask, "hidden": hidden, "cell": cell}

        def step(inputs):
            """Answer one step."""
            symbol = _vectors(inputs["symbol"], self._num_symbols[1], dtype)
            hidden, cell = decoder([symbol, inputs["hidden"]], inputs["cell"])
            scores = _scores(tf.cast(hidden, tf.float32), inputs, scoring)
            weights = tf.nn.softmax(tf.where(inputs["mask"], scores, -1e9))
            context = tf.squeeze(tf.matmul(weights[:, tf.newaxis], inputs["memory"]), axis=1)
            combined = tf.concat([hidden, tf.cast(context, dtype)], axis=-1)
            combined = tf.cast(tf.tanh(_dense(combined, *combination)), tf.float32)
            return {
                "probabilities": tf.nn.softmax(_dense(combined, *last)),
                "attention": weights,
                "hidden": hidden,
                "cell": cell,
            }

        return encoder, step


class _Cell:
    """An LSTM's step, with the weights of its four gates."""

    def __init__(self, cell, stored, table=None):
        kernel = cell.kernel.numpy() if table is None else table @ cell.kernel.numpy()
        weights = np.split(np.concatenate([kernel, cell.recurrent_kernel.numpy()]), 4, axis=1)
        biases = np.split(cell.bias.numpy(), 4)
        pairs = zip(weights, biases, strict=True)
        self.gates = [[_variable(part, stored) for part in pair] for pair in pairs]
        self.units = cell.units

    def cast(self, dtype):
        """Return the step with weights of this dtype."""
        gates = [_cast(gate, dtype) for gate in self.gates]

        def step(inputs, cell):
            x = tf.concat(inputs, axis=-1)
            entry, keep, candidate, show = (
                activation(_dense(x, *gate)) for activation, gate in zip(ACTIVATIONS, gates, strict=True)
            )
            cell = tf.cast(keep, tf.float32) * cell + tf.cast(entry * candidate, tf.float32)
            return show * tf.cast(tf.tanh(cell), dtype), cell

        step.units = self.units
        return step


def _cells(layer):
    both = [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]
    return [one.cell for one in both]


def _variable(weight, stored):
    return tf.Variable(tf.cast(weight, stored))


def _cast(variables, dtype):
    # By way of float32: from float16 to bfloat16 at once takes TensorFlow twice as long as both ways together.
    return [tf.cast(tf.cast(variable, tf.float32), dtype) for variable in variables]


def _scores(hidden, known, scoring):
    """Return how well a state goes with each output of the encoder: by their product, or by weights for it."""
    if not scoring:
        return tf.squeeze(tf.matmul(known["memory"], hidden[:, :, tf.newaxis]), axis=-1)
    query, _, scale = scoring
    return tf.tensordot(tf.tanh(tf.matmul(hidden, query)[:, tf.newaxis] + known["key"]), scale, 1)


def _dense(x, kernel, bias=None):
    product = tf.matmul(x, kernel)
    return product if bias is None else tf.nn.bias_add(product, bias)


def _vectors(symbols, num_symbols, dtype):
    """Return one-hot vectors of tokens, or vectors as they are."""
    return tf.cast(symbols, dtype) if num_symbols is None else tf.one_hot(symbols, num_symbols, dtype=dtype)


def _read(cell, x, mask, backwards):
    """Return one direction's outputs, `(steps, batch, units)`, and its last states, which padding does not change."""
    steps, batch = tf.unstack(tf.shape(x))[:2]
    states = tf.zeros([batch, cell.units], x.dtype), tf.zeros([batch, cell.units])

    def take_step(number, hidden, state, outputs):
        place = steps - 1 - number if backwards else number
        known = tf.gather(mask, place)
        after = cell([tf.gather(x, place), hidden], state)
        hidden, state = tf.where(known, after[0], hidden), tf.where(known, after[1], state)
        return number + 1, hidden, state, outputs.write(number, hidden)

    outputs = tf.TensorArray(x.dtype, steps, element_shape=[None, cell.units])
    *_, hidden, state, outputs = tf.while_loop(lambda number, *_: number < steps, take_step, (0, *states, outputs))
    # Written in the order of reading, as `tf2onnx` takes it for granted.
    outputs = outputs.stack()
    return tf.reverse(outputs, [0]) if backwards else outputs, hidden, state
