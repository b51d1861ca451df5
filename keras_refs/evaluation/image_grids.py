"""Many images as one: grids and animations, as PNG and GIF files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

GAP = 2
"""White pixels between two images of a grid."""


def image_grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Return one image of many, uint8 `(examples, height, width, channels)`, arranged row by row on white.

    The result is uint8 `(rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels)`.
    """
    rows = -(-len(images) // columns)
    height, width, channels = images.shape[1:]
    grid = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid


def save_image(image: np.ndarray, path: str | Path, scale: int = 2) -> None:
    """Write an image, uint8 `(height, width, channels)` with 1 or 3 channels, enlarged by an integer factor."""
    pixels = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
    Image.fromarray(pixels.squeeze(axis=2) if image.shape[2] == 1 else pixels).save(path)


def save_animation(paths: Sequence[Path], path: str | Path, frames: int = 24, seconds: float = 6.0) -> None:
    """Write an animated GIF of image files, which shows the last image for two seconds.

    Of `paths`, images of one size, at most `frames` are selected at equal distances, the first and the last among them.
    All but the last take `seconds` together.
    """
    selected = np.unique(np.linspace(0, len(paths) - 1, min(frames, len(paths))).round().astype(int))
    # Sixteen shades look the same in a small animation, at half the file size.
    images = [Image.open(paths[index]).convert("RGB").quantize(16) for index in selected]
    durations = [round(1000 * seconds / len(images))] * (len(images) - 1) + [2000]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0)
