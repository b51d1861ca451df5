"""Compressed files of an export, each called through its own runtime."""

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError, first_line
from keras_refs.export.saved_model import SavedFunction


def load_function(path: str | os.PathLike, encode: Callable[..., dict[str, Any]] | None = None) -> SavedFunction:
    """Return the function that an export serves: of a folder a `SavedFunction`, of a file a `CompressedFunction`.

    Args:
        path: A version folder, for its `serving_default`, or a compressed file of one.
        encode: For an export whose compressed files take numbers in place of strings, the function from the inputs of
            `serving_default`, by name, to those of `numeric`.

    Raises:
        UserError: If it cannot be loaded.
    """
    return CompressedFunction(path, encode) if Path(path).is_file() else SavedFunction(path)


class CompressedFunction(SavedFunction):
    """A signature of an export as a file for another runtime.

    Args:
        path: A file that `python -m keras_refs.compress` wrote: `.tflite` for LiteRT, `.onnx` for ONNX Runtime.
        encode: See `load_function`.

    Raises:
        UserError: If it cannot be loaded, or the runtime is not installed.
    """

    def __init__(self, path: str | os.PathLike, encode: Callable[..., dict[str, Any]] | None = None) -> None:
        path = Path(path)
        if path.suffix not in RUNTIMES:
            raise UserError(f"A compressed model must end in {' or '.join(RUNTIMES)}. Received: {path}")
        package, load = RUNTIMES[path.suffix]
        try:
            runtime = importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"{path} needs {package}: pip install 'keras_refs[compress]'") from error
        self._encode = encode or dict
        try:
            self.inputs, self.signature = load(runtime, path)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{path} cannot be loaded: {first_line(error)}") from error

    def predict(
        self, batch_size: int = 1000, outputs: Sequence[str] | None = None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Return the outputs by name, as arrays; arguments and errors are those of `SavedFunction.predict`.

        Shorter outputs of a batch are padded with zeros at the end.
        """
        return super().predict(batch_size, outputs, **self._encode(**inputs))


def _load_litert(interpreters, path):
    """Return the inputs, `tf.TensorSpec` by name, and the function of a LiteRT model, which runs one example a time."""
    interpreter = interpreters.Interpreter(model_path=str(path))
    (name,) = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(name)
    inputs = {
        key: tf.TensorSpec([None, *(None if size < 0 else size for size in detail["shape_signature"][1:])], dtype)
        for key, detail in runner.get_input_details().items()
        for dtype in [detail["dtype"]]
    }

    def call(**batch):
        batch = {key: np.asarray(values) for key, values in batch.items()}
        size = len(next(iter(batch.values())))
        rows = [runner(**{key: values[row : row + 1] for key, values in batch.items()}) for row in range(size)]
        return {key: _joined([row[key] for row in rows]) for key in rows[0]}

    return inputs, call


def _load_onnx(onnxruntime, path):
    """Return the inputs, `tf.TensorSpec` by name, and the function of an ONNX model."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtypes = {"tensor(float)": tf.float32, "tensor(double)": tf.float64}
    inputs = {
        each.name: tf.TensorSpec(
            [size if isinstance(size, int) else None for size in each.shape],
            dtypes.get(each.type) or each.type.removeprefix("tensor(").removesuffix(")"),
        )
        for each in session.get_inputs()
    }
    names = [output.name for output in session.get_outputs()]

    def call(**batch):
        arrays = {key: np.asarray(values) for key, values in batch.items()}
        return dict(zip(names, session.run(names, arrays), strict=True))

    return inputs, call


def _joined(arrays):
    """Return batches as one, the shorter ones padded with zeros at the end of their other axes."""
    shape = np.max([array.shape for array in arrays], axis=0)

    def padded(array):
        return np.pad(array, [(0, 0), *((0, most) for most in (shape - array.shape)[1:])])

    return np.concatenate([padded(array) for array in arrays])


RUNTIMES = {".tflite": ("ai_edge_litert.interpreter", _load_litert), ".onnx": ("onnxruntime", _load_onnx)}
"""By the ending of a file the module of its runtime, and the function that loads it."""
