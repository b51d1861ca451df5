"""What the last layers of the builders have in common."""

import keras


def full_precision():
    """Return the dtype of the variables, which statistics and outputs keep under a mixed-precision policy."""
    return keras.config.dtype_policy().variable_dtype


def probabilities(num_classes):
    """Return the activation that outputs probabilities: of class 1 for one output, else of each class."""
    return "sigmoid" if num_classes == 1 else "softmax"
