"""The multilayer perceptron."""

import keras
from keras import layers

from keras_refs.models import arguments, heads


def mlp(
    num_features=2,
    hidden_units=(4,),
    num_outputs=1,
    activation="tanh",
    output_activation="sigmoid",
    batch_normalization=False,
    dropout=0.0,
    l2=0.0,
    name="mlp",
):
    """Build a multilayer perceptron: dense layers, each with an activation.

    With f the activation and g that of the output, h_k = f(h_(k-1) W_k + b_k), h_0 = x, and y = g(h_K V + c). Batch
    normalisation, if enabled, comes before the activation, dropout after it.

    Input: `features`, `(batch, num_features)`, float32; scale them to about -1..1. Output: `(batch, num_outputs)`, in
    the dtype of the variables (float32 under a mixed-precision policy); probabilities with `"sigmoid"` (independent
    ones) and `"softmax"` (which sum to 1).

    Args:
        num_features: Number of features.
        hidden_units: Width of each hidden layer.
        num_outputs: Number of targets or classes.
        activation: Name or function of the hidden layers' activation.
        output_activation: `"sigmoid"`; `"softmax"`, which needs two outputs or more; or `None` for any real numbers.
        batch_normalization: Whether to normalise every hidden layer, which then has no bias.
        dropout: Dropout rate after every hidden layer, in [0, 1).
        l2: Factor of the L2 penalty on every kernel; 0 for none.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 17 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, or the activation is a softmax over one output.

    Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".

    Differs from the listing (D3) it repairs, and learns the XOR that listing A2 gave to a linear model: biases are
    trained weights, not fresh noise at every step; gradients come from automatic differentiation, which includes the
    activations' derivatives; and labels depend on the inputs.

    With Adam, a learning rate of 0.05 and 1,000 steps it learns XOR for nine of ten seeds (0 to 9); seed 2 ends in a
    local minimum with two of four predictions right. With `hidden_units=(8,)` it learns XOR for all ten (both tested).

    >>> mlp(num_features=784, hidden_units=(256, 128), num_outputs=10, output_activation="softmax").output_shape
    (None, 10)
    """
    arguments.check_integer("num_features", num_features, minimum=1)
    arguments.check_integers("hidden_units", hidden_units, minimum=1)
    arguments.check_integer("num_outputs", num_outputs, minimum=1)
    activations = ("sigmoid", "softmax", None)
    arguments.check_output_activation("output_activation", output_activation, activations, num_outputs=num_outputs)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    arguments.check_real("l2", l2, minimum=0)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    full_precision = heads.full_precision()

    features = keras.Input(shape=(num_features,), name="features")
    x = features
    for number, width in enumerate(hidden_units, start=1):
        x = layers.Dense(
            width, use_bias=not batch_normalization, kernel_regularizer=regularizer, name=f"hidden{number}"
        )(x)
        if batch_normalization:
            x = layers.BatchNormalization(momentum=0.9, dtype=full_precision, name=f"hidden{number}_normalization")(x)
        x = layers.Activation(activation, name=f"hidden{number}_activation")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"hidden{number}_dropout")(x)
    outputs = layers.Dense(
        num_outputs, output_activation, kernel_regularizer=regularizer, dtype=full_precision, name="output"
    )(x)
    return keras.Model(features, outputs, name=name)
