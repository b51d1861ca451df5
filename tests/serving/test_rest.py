import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_refs.serving import rest

NUMBERS = {"numbers": tf.TensorSpec([None, 2], tf.float32)}
SEVERAL = {
    "words": tf.TensorSpec([None], tf.string),
    "loud": tf.TensorSpec([None], tf.bool),
    "pixels": tf.TensorSpec([None, 2], tf.uint8),
}
ONE = {"words": ["a", "é"], "loud": [True, False], "pixels": [[0, 255], [1, 2]]}
B64 = {"b64": base64.b64encode(b"\xff\x00").decode()}


def inputs(specifications, **body):
    return rest.read_inputs(rest.read_body(json.dumps(body).encode()), specifications)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, 2], [3, 4.5]]},
        {"instances": [{"numbers": [1, 2]}, {"numbers": [3, 4.5]}]},
        {"inputs": [[1, 2], [3, 4.5]]},
        {"inputs": {"numbers": [[1, 2], [3, 4.5]]}},
    ],
)
def test_one_input_in_every_format(body):
    (result,) = inputs(NUMBERS, **body).values()
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[1, 2], [3, 4.5]])


@pytest.mark.parametrize(
    "body", [{"inputs": ONE}, {"instances": [{name: ONE[name][row] for name in ONE} for row in range(2)]}]
)
def test_several_inputs_in_both_formats(body):
    result = inputs(SEVERAL, **body)
    assert list(result) == list(SEVERAL)
    assert result["words"].tolist() == [b"a", "é".encode()]
    assert result["loud"].tolist() == [True, False]
    assert result["pixels"].dtype == np.uint8
    np.testing.assert_array_equal(result["pixels"], ONE["pixels"])


@pytest.mark.parametrize("body", [{"instances": [B64]}, {"inputs": {"words": [B64]}}, {"instances": [{"words": B64}]}])
def test_bytes(body):
    assert inputs({"words": SEVERAL["words"]}, **body)["words"].tolist() == [b"\xff\x00"]


def test_scalars_in_columnar_format():
    result = inputs({"seed": tf.TensorSpec([], tf.int64)}, inputs={"seed": 2**60})
    assert result["seed"].shape == ()
    assert result["seed"] == 2**60


def test_an_empty_batch_in_columnar_format():
    assert inputs({"words": SEVERAL["words"]}, inputs={"words": []})["words"].shape == (0,)


def test_numbers_that_are_not_finite_are_read():
    result = inputs(NUMBERS, inputs=[[float("nan"), float("-inf")]])["numbers"]
    np.testing.assert_array_equal(result, [[np.nan, -np.inf]])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"inputs": [1, 2', "JSON parse error"),
        (b"\xff\xfe", "JSON parse error"),
        (b"[" * 100_000, "JSON parse error"),
        (b"[1]", "must be a JSON object"),
        (b"{}", "either 'instances' .* or 'inputs'"),
        (b'{"inputs": 1, "instances": 2}', "either 'instances' .* or 'inputs'"),
        (b'{"inputs": 1, "signature_name": 3}', "'signature_name' must be a string"),
    ],
)
def test_invalid_bodies(body, message):
    with pytest.raises(rest.RequestError, match=message) as raised:
        rest.read_body(body)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("specifications", "body", "message"),
    [
        (NUMBERS, {"inputs": [[1, 2], [3]]}, "'numbers' is not a rectangular list of float32"),
        (NUMBERS, {"inputs": [[1, "2"]]}, "holds strings"),
        (NUMBERS, {"inputs": [[1, None]]}, "holds null"),
        (NUMBERS, {"inputs": [[True, False]]}, "holds true or false"),
        (NUMBERS, {"inputs": [[10**400, 1]]}, "'numbers' is not a rectangular list of float32"),
        (NUMBERS, {"inputs": [1, 2]}, r"must have the shape \(None, 2\). Received: \(2,\)"),
        (NUMBERS, {"inputs": {"number": [[1, 2]]}}, "Missing inputs: numbers"),
        (NUMBERS, {"inputs": {"numbers": [[1, 2]], "more": 1}}, "Unknown inputs: more"),
        (NUMBERS, {"instances": []}, "at least one instance"),
        (NUMBERS, {"instances": 3}, "must be a list"),
        (NUMBERS, {"instances": [{"numbers": [1, 2]}, {"other": [1, 2]}]}, "same inputs"),
        (SEVERAL, {"inputs": [1]}, "several inputs; name them: words, loud, pixels"),
        (SEVERAL, {"inputs": {**ONE, "pixels": [[0, 256], [1, 2]]}}, "must be from 0 to 255"),
        (SEVERAL, {"inputs": {**ONE, "pixels": [[0.5, 6], [1, 2]]}}, "holds fractions"),
        (SEVERAL, {"inputs": {**ONE, "loud": [1, 0]}}, "is not a rectangular list of bool"),
        (SEVERAL, {"inputs": {**ONE, "words": [1, "a"]}}, "neither a string nor"),
        (SEVERAL, {"inputs": {**ONE, "words": [["a"], "a"]}}, "different lengths"),
        (SEVERAL, {"inputs": {**ONE, "words": [{"b64": "?"}, "a"]}}, "not valid base64"),
        (SEVERAL, {"inputs": {**ONE, "words": [{"b64": "é"}, "a"]}}, "not valid base64"),
    ],
)
def test_inputs_that_do_not_fit(specifications, body, message):
    with pytest.raises(rest.RequestError, match=message) as raised:
        inputs(specifications, **body)
    assert raised.value.status == 400


OUTPUTS = {
    "score": np.array([0.5, -np.inf], "float32"),
    "name": np.array([b"a", "é".encode()], dtype=object),
    "png_bytes": np.array([b"\xff", b""], dtype=object),
}


def test_responses_in_columnar_format():
    result = json.loads(rest.write_response(OUTPUTS, by_rows=False))
    assert result == {
        "outputs": {"score": [0.5, -np.inf], "name": ["a", "é"], "png_bytes": [{"b64": "/w=="}, {"b64": ""}]}
    }
    assert json.loads(rest.write_response({"score": OUTPUTS["score"]}, by_rows=False)) == {"outputs": [0.5, -np.inf]}


def test_responses_in_row_format():
    (first, second) = json.loads(rest.write_response(OUTPUTS, by_rows=True))["predictions"]
    assert first == {"score": 0.5, "name": "a", "png_bytes": {"b64": "/w=="}}
    assert second["name"] == "é"
    assert json.loads(rest.write_response({"name": OUTPUTS["name"]}, by_rows=True)) == {"predictions": ["a", "é"]}


def test_rows_need_as_many_of_each_output():
    with pytest.raises(rest.RequestError, match="different numbers of rows"):
        rest.write_response({"one": np.zeros(2), "other": np.zeros(3)}, by_rows=True)


def test_strings_that_are_not_utf_8_are_encoded_as_base64():
    assert json.loads(rest.write_response({"name": np.array([b"\xff"], object)}, by_rows=True)) == {
        "predictions": [{"b64": "/w=="}]
    }
