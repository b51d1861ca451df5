import numpy as np
import pytest

from keras_refs.export.quantization import dequantize, quantize


def relative_error(array):
    return np.linalg.norm(dequantize(**quantize(array)) - array) / np.linalg.norm(array)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [((30, 5), 30, 5), ((384, 12, 32), 384, 384), ((12, 32, 384), 384, 384), ((5, 5, 3, 8), 25, 24)],
)
def test_parts_and_their_error(shape, rows, columns):
    array = np.random.default_rng(0).normal(size=shape).astype("float32")
    parts = quantize(array)
    assert parts["numbers"].dtype == np.int8
    assert [part.shape for part in parts.values()] == [shape, (rows,), (columns,)]
    assert 127 in np.abs(parts["numbers"])
    # Of normal numbers whose largest of a column is about three: 3 / 127 / sqrt(12).
    assert 0.001 < relative_error(array) < 0.012


def test_a_large_row_costs_others_less_than_with_scales_of_columns_alone():
    array = np.random.default_rng(0).normal(size=(300, 200)).astype("float32")
    array[7] *= 40
    others = np.delete(array, 7, axis=0)
    error = np.abs(np.delete(dequantize(**quantize(array)), 7, axis=0) - others)
    scales = np.abs(array).max(axis=0) / 127
    by_columns = np.abs(np.delete(np.round(array / scales) * scales, 7, axis=0) - others)
    assert error.mean() < by_columns.mean() / 4


def test_zeros_stay_zeros():
    array = np.zeros((3, 4), "float32")
    np.testing.assert_array_equal(dequantize(**quantize(array)), array)
    array[1, 2] = -5
    np.testing.assert_allclose(dequantize(**quantize(array)), array, rtol=1e-6)
