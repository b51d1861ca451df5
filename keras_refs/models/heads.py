"""What the builders have in common: their precision, and their last layers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops


@contextlib.contextmanager
def precision(dtype: str | keras.DTypePolicy | None) -> Iterator[None]:
    """Build what is built inside under a dtype policy, or its name; `None` leaves Keras's global one.

    Raises:
        ValueError: If Keras has no such policy.
    """
    before = keras.config.dtype_policy()
    try:
        policy = before if dtype is None else keras.dtype_policies.get(dtype)
    except (AttributeError, TypeError, ValueError) as error:
        raise _no_policy(dtype) from error
    if policy.variable_dtype is None or "float" not in policy.variable_dtype:
        raise _no_policy(dtype)
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _no_policy(dtype: Any) -> ValueError:
    return ValueError(
        "`dtype` must be a dtype of real numbers or a policy such as 'float32', 'mixed_bfloat16' or 'mixed_float16', "
        f"or None for Keras's global policy. Received: dtype={dtype!r}"
    )


def full_precision() -> str:
    """Return the dtype of the variables, which statistics and outputs keep under a mixed-precision policy."""
    return keras.config.dtype_policy().variable_dtype


def cudnn(use_cudnn: bool | str) -> bool | str:
    """Return the argument `use_cudnn` for LSTM layers: JAX has cuDNN's in float32 alone, and fails in other dtypes."""
    fails = keras.backend.backend() == "jax" and keras.config.dtype_policy().compute_dtype != "float32"
    return False if use_cudnn == "auto" and fails else use_cudnn


def classify(
    x: Any, num_classes: int, activation: str | None, include_top: bool, dropout: float = 0.0, **options: Any
) -> Any:
    """Return the outputs of a classifier: of its head after dropout, or without it the features that it would read.

    `activation` is a builder's `classifier_activation`, and `options` are those of the dense layer.
    """
    if not include_top:
        return layers.Identity(dtype=full_precision(), name="head_input")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    if activation == "auto":
        activation = "sigmoid" if num_classes == 1 else "softmax"
    return layers.Dense(num_classes, activation, dtype=full_precision(), name="classifier", **options)(x)


def masked_mean(x: Any, mask: Any) -> Any:
    """Return the mean of vectors `(batch, steps, width)` over the steps with a mask of 1; 0 where there are none."""
    mask = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)
