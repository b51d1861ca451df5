"""Linear and logistic regression."""

import os

import keras
from keras import layers

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights


def linear_regression(
    num_features: int = 1,
    num_outputs: int = 1,
    l1: float = 0.0,
    l2: float = 0.0,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "linear_regression",
) -> keras.Model:
    """Build a linear regression: y = x W + b.

    Without a penalty its optimum for the mean squared error is least squares. Standardise features of different scales.

    Input: `features`, `(batch, num_features)`, float32, any real numbers. Output: `(batch, num_outputs)`, in the dtype
    of the variables (float32 under a mixed-precision policy), in the units of the targets.

    Args:
        num_features: Number of features.
        num_outputs: Number of targets.
        l1: Factor of the L1 penalty on the weights (lasso); 0 for none. The bias is not penalised.
        l2: Factor of the L2 penalty on the weights (ridge); 0 for none. The bias is not penalised.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"diabetes"`; or the path
            of an export's folder or of a `.keras` file. A head for another number of targets stays initial.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 2 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, or the weights do not fit.

    Source: Legendre 1805, "Nouvelles méthodes pour la détermination des orbites des comètes"; the penalties:
    Hoerl & Kennard 1970 and Tibshirani 1996.

    Differs from the listings (A1, B1, D1) it repairs: it has a bias, to fit data with an intercept (A1, D1), and is
    tested against the closed form, which a fixed number of steps may stop short of unnoticed (B1).

    >>> linear_regression(num_features=10).output_shape
    (None, 1)
    """
    arguments.check_integer("num_outputs", num_outputs, minimum=1)
    penalty = _penalty(num_features, l1, l2)
    with heads.precision(dtype):
        features = keras.Input(shape=(num_features,), name="features")
        head = layers.Dense(num_outputs, kernel_regularizer=penalty, dtype=heads.full_precision(), name="prediction")
        model = keras.Model(features, head(features), name=name)
    return trained_weights.load(model, weights, "linear_regression")


def logistic_regression(
    num_features: int = 2,
    num_classes: int = 1,
    l1: float = 0.0,
    l2: float = 0.0,
    classifier_activation: str | None = "auto",
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "logistic_regression",
) -> keras.Model:
    """Build a logistic regression: p = sigmoid(x w + b), or p = softmax(x W + b) for several classes.

    Training with the cross-entropy is convex. Without a penalty, weights grow without bound where a hyperplane
    separates the classes. A line classifies at most three of the four points of XOR correctly; `mlp` learns it.

    Input: `features`, `(batch, num_features)`, float32, any real numbers. Output: `(batch, num_classes)`,
    probabilities, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        num_features: Number of features.
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        l1: Factor of the L1 penalty on the weights; 0 for none. The bias is not penalised.
        l2: Factor of the L2 penalty on the weights; 0 for none. The bias is not penalised.
        classifier_activation: `"auto"` for softmax (sigmoid if `num_classes` is 1), `"softmax"` for two classes or
            more, `"sigmoid"`, or `None` for logits.
        include_top: Whether there is a head. Without one the outputs are what it would read: the features, in the dtype
            of the variables.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"breast_cancer"`; or the
            path of an export's folder or of a `.keras` file. The head is all there is: for another number of classes it
            stays initial.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 3 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, the activation a softmax over one class, or the weights do not
            fit.

    Source: Cox 1958, "The regression analysis of binary sequences".

    Differs from the listings (A2, D2) it repairs: the sigmoid is part of the model, in training and in prediction (A2,
    D2); it has a bias (A2); and outputs keep two dimensions: labels `(batch, 1)` cannot broadcast (D2).

    >>> logistic_regression(num_features=30).output_shape
    (None, 1)
    """
    arguments.check_head(num_classes, classifier_activation)
    penalty = _penalty(num_features, l1, l2)
    with heads.precision(dtype):
        features = keras.Input(shape=(num_features,), name="features")
        outputs = heads.classify(features, num_classes, classifier_activation, include_top, kernel_regularizer=penalty)
        model = keras.Model(features, outputs, name=name)
    return trained_weights.load(model, weights, "logistic_regression")


def _penalty(num_features, l1, l2):
    """Return the regularizer of the weights, after the arguments that both builders have were checked."""
    arguments.check_integer("num_features", num_features, minimum=1)
    arguments.check_real("l1", l1, minimum=0)
    arguments.check_real("l2", l2, minimum=0)
    return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None
