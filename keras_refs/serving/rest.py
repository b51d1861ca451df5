"""TensorFlow Serving's JSON: from the body of a request to arrays, and from arrays to the body of an answer.

https://www.tensorflow.org/tfx/serving/api_rest has the formats. Numbers that are not finite are written as `NaN`,
`Infinity` and `-Infinity`, as there.
"""

import base64
import binascii
import itertools
import json

import numpy as np
import orjson


class RequestError(Exception):
    """What is wrong with a request, and the HTTP status that says so."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


def read_body(body):
    """Return the object that a request's body holds.

    Args:
        body: Bytes of JSON.

    Raises:
        RequestError: If they are no JSON, or no object with either `instances` or `inputs`.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = _read_any(body)
    if not isinstance(request, dict):
        raise RequestError("The body must be a JSON object.")
    if ("instances" in request) == ("inputs" in request):
        raise RequestError("The body must have either 'instances' (row format) or 'inputs' (columnar format).")
    if not isinstance(request.get("signature_name", ""), str):
        raise RequestError("'signature_name' must be a string.")
    return request


def _read_any(body):
    """Return what a body holds that is no JSON in the strict sense, such as one with `NaN`."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"JSON parse error: {str(error) or 'nested too deeply'}") from error


def read_inputs(request, specifications):
    """Return an array for each input of a signature.

    Args:
        request: What `read_body` returns.
        specifications: A `tf.TensorSpec` for each input, by name.

    Raises:
        RequestError: If an input is missing, unknown, or of another type or shape.
    """
    read, given = (_rows, "instances") if "instances" in request else (_columns, "inputs")
    values = read(request[given], specifications)
    if missing := sorted(specifications.keys() - values.keys()):
        raise RequestError(f"Missing inputs: {', '.join(missing)}. The signature has: {', '.join(specifications)}.")
    if unknown := sorted(values.keys() - specifications.keys()):
        raise RequestError(f"Unknown inputs: {', '.join(unknown)}. The signature has: {', '.join(specifications)}.")
    return {name: _array(name, values[name], specification) for name, specification in specifications.items()}


def _columns(inputs, specifications):
    if isinstance(inputs, dict) and not _is_bytes(inputs):
        return inputs
    return {_only(specifications): inputs}


def _rows(instances, specifications):
    if not isinstance(instances, list) or not instances:
        raise RequestError("'instances' must be a list of at least one instance.")
    if not all(isinstance(instance, dict) and not _is_bytes(instance) for instance in instances):
        return {_only(specifications): instances}
    names = instances[0].keys()
    if any(instance.keys() != names for instance in instances):
        raise RequestError("All instances must have the same inputs.")
    return {name: [instance[name] for instance in instances] for name in names}


def _only(specifications):
    if len(specifications) != 1:
        raise RequestError(f"The signature has several inputs; name them: {', '.join(specifications)}.")
    return next(iter(specifications))


def _is_bytes(value):
    return isinstance(value, dict) and value.keys() == {"b64"}


def _array(name, value, specification):
    dtype = specification.dtype.as_numpy_dtype
    try:
        array = _strings(value) if np.dtype(dtype).kind == "O" else _numbers(value, dtype)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RequestError(f"'{name}' is not a rectangular list of {specification.dtype.name}: {error}") from error
    if not specification.shape.is_compatible_with(array.shape):
        raise RequestError(f"'{name}' must have the shape {tuple(specification.shape)}. Received: {array.shape}")
    return array


def _numbers(value, dtype):
    leaves, kinds, shape = _flattened(value)
    kind = np.dtype(dtype).kind
    if wrong := kinds - {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}[kind]:
        raise ValueError(f"holds {' and '.join(sorted(_NAMES.get(found, 'objects') for found in wrong))}")
    if kind in "iu" and leaves:
        limits = np.iinfo(dtype)
        if min(leaves) < limits.min or max(leaves) > limits.max:
            raise ValueError(f"numbers must be from {limits.min} to {limits.max}")
    # Beyond the range of float32 a number becomes infinite, which the signatures refuse.
    with np.errstate(over="ignore"):
        return np.array(leaves, dtype).reshape(shape)


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


def _strings(value):
    leaves, _, shape = _flattened(value)
    array = np.empty(len(leaves), dtype=object)
    array[:] = [_string(leaf) for leaf in leaves]
    return array.reshape(shape)


def _string(leaf):
    if isinstance(leaf, str):
        # A lone surrogate, which JSON can write, is no character.
        return leaf.encode("utf-8", errors="replace")
    if _is_bytes(leaf) and isinstance(leaf["b64"], str):
        try:
            return base64.b64decode(leaf["b64"], validate=True)
        except binascii.Error as error:
            raise ValueError(f"'b64' holds no base64: {error}") from error
    raise ValueError('holds something else than strings and {"b64": "..."}')


def write_answer(outputs, by_rows):
    """Return the body of an answer as bytes of JSON.

    Args:
        outputs: An array for each output by name.
        by_rows: Whether to answer in row format, an entry for each instance.

    Raises:
        RequestError: If outputs have no common number of rows.
    """
    values = {name: _values(name, array) for name, array in outputs.items()}
    if not by_rows:
        return _json({"outputs": values if len(values) > 1 else next(iter(values.values()))})
    rows = {array.shape[:1] for array in outputs.values()}
    if len(rows) != 1 or () in rows:
        raise RequestError("The outputs have different numbers of rows; ask in columnar format, with 'inputs'.")
    if len(values) == 1:
        return _json({"predictions": next(iter(values.values()))})
    return _json({"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]})


def write_error(message):
    """Return the body that says what went wrong."""
    return _json({"error": message})


def _json(content):
    return json.dumps(content, separators=(",", ":")).encode()


def _values(name, array):
    if array.dtype != object:
        return array.tolist()
    as_json = np.vectorize(_encoded if name.endswith("_bytes") else _text, otypes=[object])
    return as_json(array).tolist()


def _text(string):
    try:
        return string.decode()
    except UnicodeDecodeError:
        return _encoded(string)


def _encoded(string):
    return {"b64": base64.b64encode(string).decode()}
