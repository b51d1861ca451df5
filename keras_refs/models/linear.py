"""Linear and logistic regression."""

import keras
from keras import layers

from keras_refs.models import arguments, heads


def linear_regression(num_features=1, num_outputs=1, l1=0.0, l2=0.0, name="linear_regression"):
    """Build a linear regression: y = x W + b.

    Without a penalty its optimum for the mean squared error is least squares. Standardise features of different scales.

    Input: `features`, `(batch, num_features)`, float32, any real numbers. Output: `(batch, num_outputs)`, in the dtype
    of the variables (float32 under a mixed-precision policy), in the units of the targets.

    Args:
        num_features: Number of features.
        num_outputs: Number of targets.
        l1: Factor of the L1 penalty on the weights (lasso); 0 for none. The bias is not penalised.
        l2: Factor of the L2 penalty on the weights (ridge); 0 for none. The bias is not penalised.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 2 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Legendre 1805, "Nouvelles méthodes pour la détermination des orbites des comètes"; the penalties:
    Hoerl & Kennard 1970 and Tibshirani 1996.

    Differs from the listings (A1, B1, D1) it repairs: it has a bias, to fit data with an intercept (A1, D1), and is
    tested against the closed form, which a fixed number of steps may stop short of unnoticed (B1).

    >>> linear_regression(num_features=10).output_shape
    (None, 1)
    """
    return _linear(num_features, num_outputs, None, l1, l2, "prediction", name)


def logistic_regression(num_features=2, num_classes=1, l1=0.0, l2=0.0, name="logistic_regression"):
    """Build a logistic regression: p = sigmoid(x w + b), or p = softmax(x W + b) for several classes.

    Training with the cross-entropy is convex. Without a penalty, weights grow without bound where a hyperplane
    separates the classes. A line classifies at most three of the four points of XOR correctly; `mlp` learns it.

    Input: `features`, `(batch, num_features)`, float32, any real numbers. Output: `(batch, num_classes)`,
    probabilities, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        num_features: Number of features.
        num_classes: 1 for a binary classifier, which outputs the probability of class 1; else these sum to 1.
        l1: Factor of the L1 penalty on the weights; 0 for none. The bias is not penalised.
        l2: Factor of the L2 penalty on the weights; 0 for none. The bias is not penalised.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 3 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Cox 1958, "The regression analysis of binary sequences".

    Differs from the listings (A2, D2) it repairs: the sigmoid is part of the model, in training and in prediction (A2,
    D2); it has a bias (A2); and outputs keep two dimensions: labels `(batch, 1)` cannot broadcast (D2).

    >>> logistic_regression(num_features=30).output_shape
    (None, 1)
    """
    return _linear(num_features, num_classes, heads.probabilities(num_classes), l1, l2, "classifier", name)


def _linear(num_features, width, activation, l1, l2, layer_name, name):
    arguments.check_integer("num_features", num_features, minimum=1)
    arguments.check_integer("num_classes" if activation else "num_outputs", width, minimum=1)
    arguments.check_real("l1", l1, minimum=0)
    arguments.check_real("l2", l2, minimum=0)
    features = keras.Input(shape=(num_features,), name="features")
    outputs = layers.Dense(
        width,
        activation,
        kernel_regularizer=keras.regularizers.L1L2(l1, l2) if l1 or l2 else None,
        dtype=heads.full_precision(),
        name=layer_name,
    )(features)
    return keras.Model(features, outputs, name=name)
