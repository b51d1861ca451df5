"""Folders and files elsewhere, at any path that `tf.io.gfile` knows, such as `gs://bucket/saved_models/mlp`."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

from keras_refs.errors import UserError, first_line


def is_remote(path: str | os.PathLike) -> bool:
    """Return whether a path has a scheme, such as `gs://`."""
    return "://" in str(path)


def fetch(path: str | os.PathLike) -> Path:
    """Return a copy of a file, or of a version folder, that is removed at the end of the process.

    Of a model's folder the newest version is copied. A version that was copied before is not read again.

    Raises:
        UserError: If it cannot be read, or TensorFlow, which reads it, is not installed.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UserError(f"TensorFlow, which reads {path}, is not installed.") from error
    path = str(path).rstrip("/")
    try:
        return _copy(_version(tf.io.gfile, path))
    except (tf.errors.OpError, OSError) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error


def _version(gfile, path):
    from keras_refs.export.version import newest_name

    if not gfile.isdir(path):
        if not gfile.exists(path):
            raise UserError(f"There is no model or folder {path!r}.")
        return path
    names = [name.rstrip("/") for name in gfile.listdir(path)]
    newest = newest_name(path, names, lambda name: gfile.exists(f"{path}/{name}/saved_model.pb"))
    return f"{path}/{newest}".rstrip("/")


@functools.cache
def _copy(path):
    import tensorflow as tf

    gfile = tf.io.gfile
    target = Path(tempfile.mkdtemp(prefix="keras_refs-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    if not gfile.isdir(path):
        target /= path.rsplit("/", 1)[-1]
        gfile.copy(path, str(target))
        return target
    for folder, _, files in gfile.walk(path):
        copy = target / folder.removeprefix(path).strip("/")
        copy.mkdir(parents=True, exist_ok=True)
        for name in files:
            gfile.copy(f"{folder.rstrip('/')}/{name}", str(copy / name))
    return target
