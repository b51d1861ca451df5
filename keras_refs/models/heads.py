"""What the last layers of the builders have in common."""

import keras
from keras import ops


def full_precision():
    """Return the dtype of the variables, which statistics and outputs keep under a mixed-precision policy."""
    return keras.config.dtype_policy().variable_dtype


def probabilities(num_classes):
    """Return the activation that outputs probabilities: of class 1 for one output, else of each class."""
    return "sigmoid" if num_classes == 1 else "softmax"


def masked_mean(x, mask):
    """Return the mean of vectors `(batch, steps, width)` over the steps with a mask of 1; 0 where there are none."""
    mask = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)
