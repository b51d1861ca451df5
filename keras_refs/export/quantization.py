"""Weights as int8, in a quarter of the space: a scale for each row and one for each column of every matrix."""

from typing import Any

import numpy as np

PARTS = ("numbers", "row_scales", "column_scales")
LARGEST = 127
# Of those tried, 0.5, 0.75 and 1, the best for all-MiniLM-L6-v2, by little.
POWER = 0.75


def quantize(array: np.ndarray) -> dict[str, np.ndarray]:
    """Return the parts of an array that `dequantize` multiplies: W = row_scale * column_scale * numbers, rounded.

    With a scale for columns alone, that is for outputs, the few inputs with large weights that trained BERTs have would
    cost all other weights their digits. So rows are scaled first, nearly to the same root mean square: by a power of it
    between 0, which helps the largest weights, and 1, which helps the smallest ones.

    Args:
        array: Real numbers with two axes or more. It is read as the matrix with the fewest rows and columns: the kernel
            `(inputs, heads, width)` of an attention has as many rows as inputs.

    Returns:
        `numbers`, int8, of the shape of the array, `row_scales` and `column_scales`, float32 vectors.
    """
    sizes = [(int(np.prod(array.shape[:split])), int(np.prod(array.shape[split:]))) for split in range(1, array.ndim)]
    matrix = np.asarray(array, np.float32).reshape(min(sizes, key=sum))
    row_scales = _without_zeros(np.sqrt(np.mean(matrix**2, axis=1)) ** POWER)
    scaled = matrix / row_scales[:, np.newaxis]
    column_scales = _without_zeros(np.abs(scaled).max(axis=0) / LARGEST)
    numbers = np.round(scaled / column_scales).astype(np.int8)
    return dict(zip(PARTS, (numbers.reshape(array.shape), row_scales, column_scales), strict=True))


def dequantize(numbers: Any, row_scales: Any, column_scales: Any) -> Any:
    """Return the float32 array that the parts of `quantize` stand for; NumPy's arrays, or tensors within a graph."""
    scales = row_scales[:, np.newaxis] * column_scales
    if isinstance(numbers, np.ndarray):
        return numbers.astype(np.float32) * scales.reshape(numbers.shape)
    import tensorflow as tf

    return tf.cast(numbers, tf.float32) * tf.reshape(scales, numbers.shape)


def _without_zeros(scales):
    return np.where(scales == 0, np.float32(1), scales)
