"""Which data sets there are, answered without importing TensorFlow or TFDS."""

import importlib.util
import os
from difflib import get_close_matches
from pathlib import Path

from keras_refs.errors import UserError

BUNDLED_DATA_DIR = Path(__file__).parent / "prepared"
"""A TFDS `data_dir`: the data sets that come with the package, prepared."""


def bundled_names():
    """Return the names of the data sets that come with the package."""
    return sorted(folder.name for folder in BUNDLED_DATA_DIR.iterdir() if folder.is_dir())


def data_dir_of(name, data_dir=None):
    """Return where TFDS shall look for a data set, after checking that there is one of that name.

    Args:
        name: TFDS name, such as `"fashion_mnist"` or `"emnist/letters"`.
        data_dir: TFDS data folder; by default the package's own for a bundled data set, else TFDS's default.

    Returns:
        A path as a string, or `None` for TFDS's default folder.

    Raises:
        UserError: If the folder is missing or no data set has that name; the nearest names are offered.
    """
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(f"--data-dir must be an existing folder of TFDS data sets. Received: {data_dir}")
    base_name = name.split("/")[0].split(":")[0]
    bundled = bundled_names()
    if data_dir is None and base_name in bundled:
        return str(BUNDLED_DATA_DIR)
    folder = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    prepared = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    known = {*bundled, *prepared, *_tfds_names()}
    if base_name not in known:
        near = get_close_matches(base_name, known, n=3) or bundled
        raise UserError(f"No data set is called {name!r}. The nearest names are: {', '.join(near)}.")
    return str(data_dir) if data_dir is not None else None


def _tfds_names():
    """Return the names of the data sets that TFDS can download, read from its folders.

    TFDS's own list costs an import of all its builders, which is seconds; these are file names.
    """
    package = Path(importlib.util.find_spec("tensorflow_datasets").origin).parent
    names = {path.stem for path in (package / "url_checksums").glob("*.txt")}
    names |= {path.name for path in (package / "datasets").iterdir() if path.is_dir()}
    names |= {path.stem for path in (package / "image_classification").glob("*.py")}
    return {name for name in names if not name.startswith("_") and not name.endswith("_test")}
