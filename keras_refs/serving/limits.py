"""What a request costs, known before it is computed, and the memory that is left."""

import ctypes
import functools
import gc
import io
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from keras_refs.serving.options import ServerOptions
from keras_refs.serving.rest import RequestError

_IN_WORDS = {
    "instances": "instances",
    "elements": "numbers, or bytes of strings, in an input",
    "length": "steps in a sequence",
    "steps": "instances times steps",
    "pixels": "pixels in encoded images",
}


def check_size(arrays: dict[str, np.ndarray], signature: Any, options: ServerOptions) -> None:
    """Refuse a request that is larger than the options allow.

    Args:
        arrays: An array for each input by name.
        signature: A signature of a `Servable`.
        options: `ServerOptions`.

    Raises:
        RequestError: If it is, with status 413; or 400 if what should be an image is none.
    """
    for option, value in _costs(arrays, signature).items():
        if value > (most := getattr(options, option)):
            raise RequestError(f"The request has {value:,} {_IN_WORDS[option]}; at most {most:,} are allowed.", 413)


def _costs(arrays, signature):
    costs = dict.fromkeys(_IN_WORDS, 0)
    for name, array in arrays.items():
        open_axes = zip(array.shape[1:], signature.inputs[name].shape[1:], strict=True)
        length = max((size for size, known in open_axes if known is None), default=1)
        rows = len(array) if array.ndim else 1
        own = {"instances": rows, "length": length, "steps": rows * length, "elements": array.size}
        if array.dtype == object:
            kind, cost = ("pixels", _pixels) if signature.decodes_images else ("elements", len)
            own[kind] = sum(map(cost, array.flat))
        costs = {option: max(costs[option], own.get(option, 0)) for option in costs}
    return costs


def _pixels(encoded):
    """Return the number of pixels that the header of an image file says it has."""
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as image:
            return image.width * image.height
    except Image.DecompressionBombError as error:
        raise RequestError(f"The encoded image is too large: {error}", 413) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise RequestError("Encoded images must be PNG or JPEG files.") from error


def decodes_images(function: tf.types.experimental.ConcreteFunction) -> bool:
    """Return whether a function decodes images, so that the size of its strings says nothing of their cost."""
    graph = function.graph.as_graph_def()
    bodies = [graph.node, *(inner.node_def for inner in graph.library.function)]
    images = {"DecodeImage", "DecodePng", "DecodeJpeg", "DecodeAndCropJpeg", "DecodeGif", "DecodeBmp"}
    return any(node.op in images for body in bodies for node in body)


def memory_left(options: ServerOptions) -> float:
    """Return the bytes that the process may still take, negative if it has taken too many."""
    most = options.max_memory * 2**20 or 0.9 * _memory_of_machine()
    return most - _PROCESS.memory_info().rss


_PROCESS = psutil.Process()


@functools.cache
def _memory_of_machine():
    sizes = [psutil.virtual_memory().total]
    # A container's limit, in version 2 and 1 of Linux's control groups.
    for path in map(Path, ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if path.exists() and (text := path.read_text().strip()).isdecimal():
            sizes.append(int(text))
    return min(sizes)


def free_memory() -> None:
    """Return unused memory to the system, and exempt what stays from the garbage collection.

    Scanning the hundreds of thousands of objects of loaded models would delay requests.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # Of glibc, which else keeps what a large request or a dropped version took.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
