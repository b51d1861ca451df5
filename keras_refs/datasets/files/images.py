"""Folders of images, with a folder for each class, as `tfds.ImageFolder` takes them, and images of any size."""

import concurrent.futures
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_refs.datasets.files.checksums import checksum, files_in
from keras_refs.datasets.files.classes import number_classes
from keras_refs.datasets.files.splits import SPLITS, UNKNOWN, assign_splits
from keras_refs.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
LARGEST_SIDE = 96
"""Pixels that images of different sizes are resized to at most, unless a size is asked for."""
_THREADS = 4


def find_images(
    path: str | Path,
    image_size: int = 0,
    shape: tuple[int, ...] | None = None,
    validation: float = 5,
    class_names: Sequence[str] | None = None,
    needed: Sequence[str] = SPLITS,
) -> Any:
    """Find the images of a folder with a folder of images for each class, or with such a folder for each split.

    Args:
        path: The folder; its splits are called `train`, `validation` and `test`. Those that are missing are cut off
            training by a hash of each file's content. Files that are no images are left out, and said; hidden ones are
            passed over.
        image_size: Height and width to resize to, in pixels. With 0 images of one size keep it, and others are resized
            to squares of the median of their shorter sides, at most `LARGEST_SIDE`.
        shape: `(height, width, channels)` in place of that, of a model to score. Without it images are grey,
            one channel, if all files are, else they have three.
        validation: Percentage of all images to validate on, if there is no such folder.
        class_names: The classes of a model to score; by default those that there are images of to train on.
        needed: Names of the splits that must not be empty; those of others are not found.

    Returns:
        The tuple of class names, the shape to read the images in, and for each split the list of files and int64
        labels.

    Raises:
        UserError: If there is no such folder, it has no images or no classes, an image is of no known format, a split
            is empty or has a class that the training split or the model has not.
    """
    files, labels, codes = _find(Path(path))
    headers = Counter(_map(_header, files))
    digests = _map(checksum, files)
    codes = assign_splits(path, codes, digests.__getitem__, files.__getitem__, validation=validation, needed=needed)
    class_names, labels = number_classes(path, labels, codes, files.__getitem__, class_names)
    if shape is None:
        shape = _choose_shape(Path(path).name, headers, image_size)
    chosen: list[Any] = [
        np.flatnonzero(codes == number) if split in needed else [] for number, split in enumerate(SPLITS)
    ]
    return class_names, shape, [([files[row] for row in rows], labels[rows]) for rows in chosen]


def load_images(files: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return the images of files as uint8 `(files, height, width, channels)`, resized to a shape where they differ.

    Raises:
        UserError: If an image cannot be read.
    """
    images = np.empty((len(files), *shape), np.uint8)

    def read(index):
        images[index] = _read(files[index], shape)

    _map(read, range(len(files)))
    return images


def _find(folder):
    """Return the files of all images, the names of their classes, and an int8 array of their splits or `UNKNOWN`."""
    if not folder.is_dir():
        raise UserError(f"{folder} must be a folder with a folder of images for each class.")
    has_splits = (folder / SPLITS[0]).is_dir() or (folder / SPLITS[2]).is_dir()
    images, others = [], []
    for file in files_in(folder):
        parts = file.relative_to(folder).parts
        is_placed = len(parts) == 2 + has_splits and (not has_splits or parts[0] in SPLITS)
        (images if is_placed and file.suffix.lower() in SUFFIXES else others).append(file)
    layout = "SPLIT/CLASS/IMAGE" if has_splits else "CLASS/IMAGE"
    if others:
        first = others[0].relative_to(folder)
        print(f"{folder.name}: files that are left out as they are no images {layout}: {len(others):,}, first {first}.")
    if not images:
        raise UserError(
            f"{folder} has no images {layout}: it must have a folder for each class, or train, validation and test "
            f"with such folders, of files that end in {', '.join(SUFFIXES)}."
        )
    splits = [SPLITS.index(file.parts[-3]) if has_splits else UNKNOWN for file in images]
    return images, [file.parent.name for file in images], np.array(splits, np.int8)


def _map(function, values):
    """Return the results for values, in their order, of several threads: reading and decoding run beside each other."""
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(function, values))


def _choose_shape(name, headers, image_size):
    """Return the height, width and channels to read images with, and print them if the images differ in size.

    `headers` counts how many images have each of what `_header` returns.
    """
    sizes = {(height, width) for height, width, _ in headers}
    channels = 1 if all(is_grey for _, _, is_grey in headers) else 3
    if image_size:
        return image_size, image_size, channels
    if len(sizes) == 1:
        return *sizes.pop(), channels
    shorter = np.repeat([min(height, width) for height, width, _ in headers], list(headers.values()))
    side = min(LARGEST_SIDE, round(float(np.median(shorter))))
    (low_height, low_width), (high_height, high_width) = min(sizes, key=np.prod), max(sizes, key=np.prod)
    print(
        f"{name}: the images differ in size, from {low_height}x{low_width} to {high_height}x{high_width} "
        f"pixels, and are resized to {side}x{side}; --image-size chooses another size."
    )
    return side, side, channels


def _header(file):
    """Return the height and width of an image, and whether it is grey."""
    with _opened(file) as image:
        if image.mode.startswith(("I", "F")):
            raise UserError(f"{file} has more than 8 bits per channel: save it with 8.")
        return image.height, image.width, image.mode in ("1", "L", "LA") or _has_grey_palette(image)


def _has_grey_palette(image):
    colours = np.reshape(image.getpalette() or [0, 0, 1], (-1, 3))
    return bool((colours == colours[:, :1]).all())


def _read(file, shape):
    """Return the uint8 pixels of an image in a shape; of an animation, those of the first frame."""
    height, width, channels = shape
    with _opened(file) as image:
        try:
            image = image.convert("L" if channels == 1 else "RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise _broken(file, error) from error
        if image.size != (width, height):
            # As TensorFlow with `antialias=True`, which resizes what an export gets.
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(shape)


def _opened(file):
    try:
        return Image.open(file)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _broken(file, error) from error


def _broken(file, error):
    return UserError(f"{file} is no image that can be read: {error}. Mend it or take it out.")
