"""The multilayer perceptron."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights


def mlp(
    num_features: int = 2,
    num_classes: int = 1,
    hidden_units: int | Sequence[int] = (4,),
    activation: str | Callable[[Any], Any] = "tanh",
    batch_normalization: bool = False,
    dropout: float = 0.0,
    l2: float = 0.0,
    classifier_activation: str | None = "auto",
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "mlp",
) -> keras.Model:
    """Build a multilayer perceptron: dense layers, each with an activation.

    With f the activation and g that of the output, h_k = f(h_(k-1) W_k + b_k), h_0 = x, and y = g(h_K V + c). Batch
    normalisation, if enabled, comes before the activation, dropout after it.

    Input: `features`, `(batch, num_features)`, float32; scale them to about -1..1. Output: `(batch, num_classes)`,
    class probabilities, in the dtype of the variables (float32 under a mixed-precision policy). For regression,
    `classifier_activation=None` outputs any real numbers, one for each of `num_classes` targets.

    Args:
        num_features: Number of features.
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        hidden_units: Width of each hidden layer; an integer for one layer.
        activation: Name or function of the hidden layers' activation.
        batch_normalization: Whether to normalise every hidden layer, which then has no bias.
        dropout: Dropout rate after every hidden layer, in [0, 1).
        l2: Factor of the L2 penalty on every kernel; 0 for none.
        classifier_activation: `"auto"` for softmax (sigmoid if `num_classes` is 1), `"softmax"` for two classes or
            more, `"sigmoid"`, of which each is independent of the others, or `None` for logits or for targets.
        include_top: Whether there is a head. Without one the outputs are the features that it would read, before its
            dropout, as in Keras Applications: `(batch, hidden_units[-1])`, in the dtype of the variables.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"fashion_mnist"`; or the
            path of an export's folder or of a `.keras` file. A head for another number of classes stays initial.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 17 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, the activation a softmax over one class, or the weights do not
            fit.

    Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".

    Differs from the listing (D3) it repairs, and learns the XOR that listing A2 gave to a linear model: biases are
    trained weights, not fresh noise at every step; gradients come from automatic differentiation, which includes the
    activations' derivatives; and labels depend on the inputs.

    With Adam, a learning rate of 0.05 and 1,000 steps it learns XOR for nine of ten seeds (0 to 9); seed 2 ends in a
    local minimum with two of four predictions right. With `hidden_units=(8,)` it learns XOR for all ten (both tested).

    >>> mlp(num_features=784, hidden_units=(256, 128), num_classes=10).output_shape
    (None, 10)
    """
    arguments.check_integer("num_features", num_features, minimum=1)
    hidden_units = arguments.widths("hidden_units", hidden_units)
    arguments.check_head(num_classes, classifier_activation)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    arguments.check_real("l2", l2, minimum=0)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    with heads.precision(dtype):
        features = keras.Input(shape=(num_features,), name="features")
        x = features
        for number, width in enumerate(hidden_units, start=1):
            # The dropout before the head is the head's.
            if dropout and number > 1:
                x = layers.Dropout(dropout, name=f"dropout{number - 1}")(x)
            x = layers.Dense(
                width, use_bias=not batch_normalization, kernel_regularizer=regularizer, name=f"hidden{number}"
            )(x)
            if batch_normalization:
                normalization = f"hidden{number}_normalization"
                x = layers.BatchNormalization(momentum=0.9, dtype=heads.full_precision(), name=normalization)(x)
            x = layers.Activation(activation, name=f"hidden{number}_activation")(x)
        outputs = heads.classify(
            x, num_classes, classifier_activation, include_top, dropout, kernel_regularizer=regularizer
        )
        model = keras.Model(features, outputs, name=name)
    return trained_weights.load(model, weights, "mlp")
