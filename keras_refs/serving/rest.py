"""TensorFlow Serving's JSON: from the body of a request to arrays, and from arrays to the body of a response.

https://www.tensorflow.org/tfx/serving/api_rest documents the formats. As there, numbers that are not finite are written
as `NaN`, `Infinity` and `-Infinity`.
"""

import base64
import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson


class RequestError(Exception):
    """A request that cannot be served: the message for the client, and the HTTP status."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def read_body(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body of a request.

    Args:
        body: Bytes of JSON.

    Raises:
        RequestError: If they are not valid JSON, or not an object with either `instances` or `inputs`.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            # It reads `NaN`, too.
            request = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"JSON parse error: {str(error) or 'nested too deeply'}") from error
    if not isinstance(request, dict):
        raise RequestError("The body must be a JSON object.")
    if ("instances" in request) == ("inputs" in request):
        raise RequestError("The body must have either 'instances' (row format) or 'inputs' (columnar format).")
    if not isinstance(request.get("signature_name", ""), str):
        raise RequestError("'signature_name' must be a string.")
    return request


def read_inputs(request: Mapping[str, Any], specifications: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return an array for each input of a signature.

    Args:
        request: The object that `read_body` returns.
        specifications: A `tf.TensorSpec` for each input, by name.

    Raises:
        RequestError: If an input is missing, unknown, or of another type or shape.
    """
    values = _columns(request["instances"]) if "instances" in request else request["inputs"]
    if not _has_names(values):
        if len(specifications) != 1:
            raise RequestError(f"The signature has several inputs; name them: {', '.join(specifications)}.")
        values = dict.fromkeys(specifications, values)
    if missing := sorted(specifications.keys() - values.keys()):
        raise RequestError(f"Missing inputs: {', '.join(missing)}. The signature has: {', '.join(specifications)}.")
    if unknown := sorted(values.keys() - specifications.keys()):
        raise RequestError(f"Unknown inputs: {', '.join(unknown)}. The signature has: {', '.join(specifications)}.")
    return {name: _array(name, values[name], specification) for name, specification in specifications.items()}


def _columns(instances):
    """Return the list of each input by name, if the instances name them."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("'instances' must be a list of at least one instance.")
    if not all(map(_has_names, instances)):
        return instances
    names = instances[0].keys()
    if any(instance.keys() != names for instance in instances):
        raise RequestError("All instances must have the same inputs.")
    return {name: [instance[name] for instance in instances] for name in names}


def _has_names(value):
    # The object of one name, b64, is a string of bytes.
    return isinstance(value, dict) and value.keys() != {"b64"}


def _array(name, value, specification):
    dtype = np.dtype(specification.dtype.as_numpy_dtype)
    try:
        leaves, kinds, shape = _flattened(value)
        leaves = list(map(_string, leaves)) if dtype.kind == "O" else _numbers(leaves, kinds, dtype)
        # A number out of the range of float32 becomes infinite, which the signatures refuse.
        with np.errstate(over="ignore"):
            array = np.array(leaves, dtype).reshape(shape)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RequestError(f"'{name}' is not a rectangular list of {specification.dtype.name}: {error}") from error
    if not specification.shape.is_compatible_with(array.shape):
        raise RequestError(f"'{name}' must have the shape {tuple(specification.shape)}. Received: {array.shape}")
    return array


def _numbers(leaves, kinds, dtype):
    if wrong := kinds - {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}[dtype.kind]:
        raise ValueError(f"holds {' and '.join(sorted(_NAMES.get(kind, 'objects') for kind in wrong))}")
    if dtype.kind in "iu" and leaves:
        limits = np.iinfo(dtype)
        if min(leaves) < limits.min or max(leaves) > limits.max:
            raise ValueError(f"numbers must be from {limits.min} to {limits.max}")
    return leaves


_NAMES = {bool: "true or false", int: "integers", float: "fractions", str: "strings", type(None): "null"}


def _flattened(value):
    """Return the leaves of lists in lists, their types and the shape, several times faster than NumPy."""
    shape, leaves = [], [value]
    while list in (kinds := set(map(type, leaves))):
        lengths = set(map(len, leaves)) if kinds == {list} else ()
        if len(lengths) != 1:
            raise ValueError("lists of different lengths")
        shape += lengths
        leaves = list(itertools.chain.from_iterable(leaves))
    return leaves, kinds, shape


def _string(leaf):
    if isinstance(leaf, str):
        # JSON can contain a lone surrogate, which UTF-8 cannot encode.
        return leaf.encode("utf-8", errors="replace")
    if isinstance(leaf, dict) and leaf.keys() == {"b64"} and isinstance(leaf["b64"], str):
        try:
            return base64.b64decode(leaf["b64"], validate=True)
        except ValueError as error:
            raise ValueError(f"'b64' is not valid base64: {error}") from error
    raise ValueError('holds a value that is neither a string nor {"b64": "..."}')


def write_response(outputs: Mapping[str, np.ndarray], by_rows: bool) -> bytes:
    """Return the body of a response as bytes of JSON.

    Args:
        outputs: An array for each output by name.
        by_rows: Whether to use the row format, with an entry for each instance.

    Raises:
        RequestError: If, in row format, the outputs differ in their number of rows.
    """
    values = {name: as_json(name, array) for name, array in outputs.items()}
    if by_rows:
        rows = {array.shape[:1] for array in outputs.values()}
        if len(rows) != 1 or () in rows:
            raise RequestError("The outputs have different numbers of rows; use the columnar format, with 'inputs'.")
    key, content = ("predictions" if by_rows else "outputs"), values
    if len(values) == 1:
        (content,) = values.values()
    elif by_rows:
        content = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return to_json({key: content})


def to_json(content: Any) -> bytes:
    """Return a value of JSON as bytes."""
    return json.dumps(content, separators=(",", ":")).encode()


def as_json(name: str, array: np.ndarray) -> Any:
    """Return an array as lists of lists; strings are text if they are UTF-8 and their name does not say bytes."""
    if array.dtype != object:
        return array.tolist()
    convert = np.vectorize(encoded if name.endswith("_bytes") else _text, otypes=[object])
    return convert(array).tolist()


def _text(string):
    try:
        return string.decode()
    except UnicodeDecodeError:
        return encoded(string)


def encoded(string: bytes) -> dict[str, str]:
    """Return the object that stands for bytes in JSON."""
    return {"b64": base64.b64encode(string).decode()}
