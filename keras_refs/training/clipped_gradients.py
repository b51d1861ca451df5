"""The sum of the gradients of examples, each clipped to a norm, which DP-SGD adds noise to."""

import functools

import keras
import tensorflow as tf

CHUNK, CHUNK_NUMBERS = 32, 2**22
"""Examples, and numbers, that the gradients in memory at the same time are of, at most."""


def clipped_sum(model: keras.Model, inputs: tf.Tensor, targets: tf.Tensor, clip: float) -> list[tf.Tensor]:
    """Return for each trainable variable the sum of the gradients of examples, each clipped to an L2 norm.

    The norm is that of all variables together. Loss and metrics of the model are updated.

    Args:
        model: A compiled functional or sequential model of one output.
        inputs: Tensor `(examples, ...)`; there may be none.
        targets: Tensor `(examples, ...)`.
        clip: The norm.
    """
    if model.output_shape[1:] == (1,):
        # Not all losses expand targets without the axis.
        targets = tf.reshape(targets, [-1, 1])
    if layers := _dense_layers(model):
        return _sum_of_dense(model, layers, inputs, targets, clip)
    size = tf.shape(targets)[0]
    # Of a large model fewer, which stay in the processor's cache.
    at_once = max(1, min(CHUNK, CHUNK_NUMBERS // model.count_params()))
    chunks = (size + at_once - 1) // at_once
    # Zeros, which count as no examples, fill the last chunk.
    missing = chunks * at_once - size
    filled = [tf.pad(each, [[0, missing]] + [[0, 0]] * (each.shape.rank - 1)) for each in (inputs, targets)]
    is_example = tf.range(chunks * at_once) < size
    gradients_of = _mapped(model)

    def add(chunk, sums):
        rows = slice(chunk * at_once, (chunk + 1) * at_once)
        some, real = [tf.ensure_shape(each[rows], [at_once, *each.shape[1:]]) for each in filled], is_example[rows]
        gradients, losses, outputs = gradients_of(tuple(some))
        norms = tf.sqrt(sum(tf.reduce_sum(tf.reshape(each, [at_once, -1]) ** 2, axis=1) for each in gradients))
        factors = tf.where(real, _factors(clip, norms), 0.0)
        model._loss_tracker.update_state(losses[real])
        model.compute_metrics(some[0][real], some[1][real], outputs[real])
        return chunk + 1, [total + tf.tensordot(factors, each, 1) for total, each in zip(sums, gradients, strict=True)]

    start = [tf.zeros(variable.shape) for variable in model.trainable_variables]
    return tf.while_loop(lambda chunk, _: chunk < chunks, add, (0, start), parallel_iterations=1)[1]


def _factors(clip, norms):
    return tf.minimum(1.0, tf.math.divide_no_nan(clip, norms))


def _dense_layers(model):
    """Return the layers with weights if all of them are dense, take vectors, are used once and have no penalty."""
    network = _network(model)
    trained = [layer for layer in model._flatten_layers() if layer.trainable_variables and not _is_model(layer)]
    found = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense) and layer in trained]
    if not found or len(found) != len(trained) or model.losses or found[-1].output is not network.outputs[0]:
        return []
    usable = all(len(layer._inbound_nodes) == 1 and len(layer.input.shape) == 2 for layer in found)
    whole = all(len(layer.trainable_variables) == 1 + layer.use_bias for layer in found)
    return found if usable and whole else []


def _is_model(layer):
    return isinstance(layer, keras.Model)


def _network(model):
    """Return the model that ends a model, after its preprocessing, or the model itself."""
    return model.layers[-1] if _is_model(model.layers[-1]) else model


def _around(model, layers):
    """Return the model of the inputs and the outputs of these layers."""
    network = _network(model)
    around = {"before": [layer.input for layer in layers], "after": [layer.output for layer in layers]}
    found = keras.Model(network.inputs, around)
    if network is model:
        return found
    return keras.Model(model.inputs, found(network._inbound_nodes[-1].input_tensors[0]))


def _sum_of_dense(model, layers, inputs, targets, clip):
    """Return the sum for dense layers, without the gradients of examples.

    For one example, that of a kernel is x g^T and that of a bias g, with the layer's input x and the gradient g of what
    its activation takes: squared norms are |x|^2 |g|^2 and |g|^2, and the sum over examples is one product (Goodfellow
    2015, "Efficient per-example gradient computations").
    """
    with tf.GradientTape() as tape:
        found = _around(model, layers)(inputs, training=True)
        before, after = found["before"], found["after"]
        vectors = [tf.cast(x, tf.float32) for x in before]
        # Once more, as Keras computes cross-entropy from what a softmax takes.
        logits = _affine(layers[-1], vectors[-1])
        output = layers[-1].activation(logits)
        loss = keras.losses.get(model.loss)
        # A loss object would average.
        losses = getattr(loss, "call", loss)(targets, output)
    model._loss_tracker.update_state(losses)
    model.compute_metrics(inputs, targets, output)
    *upstream, last = tape.gradient(losses, [*after[:-1], logits])
    hidden = zip(layers[:-1], vectors[:-1], upstream, strict=True)
    slopes = [*(_before_activation(*each) for each in hidden), last]
    squares = [
        _squares(g) * (_squares(x) + layer.use_bias) for layer, x, g in zip(layers, vectors, slopes, strict=True)
    ]
    factors = _factors(clip, tf.sqrt(tf.add_n(squares)))[:, tf.newaxis]
    sums = {}
    for layer, x, g in zip(layers, vectors, slopes, strict=True):
        sums[layer.kernel.path] = tf.matmul(x, factors * g, transpose_a=True)
        if layer.use_bias:
            sums[layer.bias.path] = tf.reduce_sum(factors * g, axis=0)
    return [sums[variable.path] for variable in model.trainable_variables]


def _affine(layer, x):
    return tf.matmul(x, layer.kernel.value) + (layer.bias.value if layer.use_bias else 0.0)


def _before_activation(layer, x, upstream):
    """Return the gradient with respect to what a layer's activation takes, float32."""
    with tf.GradientTape() as tape:
        taken = _affine(layer, x)
        given = layer.activation(taken)
    return tape.gradient(given, taken, output_gradients=tf.cast(upstream, tf.float32))


def _squares(vectors):
    return tf.reduce_sum(vectors**2, axis=1)


def _mapped(model):
    """Return the function that maps `_gradients` over examples: all at once or, with recurrent layers, one by one.

    TensorFlow cannot compute the gradients of several loops at once.
    """
    of_one = functools.partial(_gradients, model)
    if not any(isinstance(layer, keras.layers.RNN) for layer in model._flatten_layers()):
        return functools.partial(tf.vectorized_map, of_one)
    gradients = [tf.TensorSpec(variable.shape, tf.float32) for variable in model.trainable_variables]
    signature = (gradients, tf.TensorSpec([], tf.float32), tf.TensorSpec(model.output_shape[1:], tf.float32))
    return functools.partial(tf.map_fn, of_one, fn_output_signature=signature)


def _gradients(model, example):
    """Return the gradients of the loss of one example, its loss and its output."""
    inputs, target = (part[tf.newaxis] for part in example)
    weights = [tf.identity(variable.value) for variable in model.trainable_variables]
    others = [tf.identity(variable.value) for variable in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        output, _, penalties = model.stateless_call(weights, others, inputs, training=True, return_losses=True)
        loss = tf.reduce_sum(keras.losses.get(model.loss)(target, output)) + sum(penalties)
    # Dense: those of an embedding come as rows.
    gradients = [tf.convert_to_tensor(each) for each in tape.gradient(loss, weights)]
    return gradients, loss, output[0]
