"""Pictures that a generator made, as sheets, animations and beside real ones; PNG and GIF files."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

GAP = 2
"""Pixels between two pictures of a sheet."""


def sheet(images, columns):
    """Return one picture of many, row by row, white between them.

    Args:
        images: uint8 `(examples, height, width, channels)`, with 1 or 3 channels.
        columns: How many stand side by side.
    """
    rows = -(-len(images) // columns)
    height, width, channels = images.shape[1:]
    found = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = place // columns * (height + GAP), place % columns * (width + GAP)
        found[top : top + height, left : left + width] = image
    return found


def save(image, path, scale=2):
    """Write a picture, uint8 `(height, width, channels)`, enlarged to squares of `scale` pixels."""
    _of(image).resize((scale * image.shape[1], scale * image.shape[0]), Image.Resampling.NEAREST).save(path)


def save_animation(paths, path, frames=24, seconds=6.0):
    """Write a GIF of pictures that lie in files, which shows the last one longest.

    Args:
        paths: Files of pictures of one size, in order.
        path: GIF file to write.
        frames: How many to show at most, equally far apart.
        seconds: How long they take together.
    """
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(frames, len(paths))).round().astype(int))
    # Sixteen shades look the same in a small moving picture, in half of the space.
    pictures = [Image.open(paths[place]).convert("RGB").quantize(16) for place in chosen]
    durations = [round(1000 * seconds / len(pictures))] * (len(pictures) - 1) + [2000]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)


def save_players(history, path):
    """Draw the losses of generator and discriminator against epochs, and the distance that chose the best one.

    Args:
        history: The `training.History`; its epochs have `generator_loss` and `discriminator_loss`.
        path: PNG file to write.
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history.epochs]
    for player in ("generator", "discriminator"):
        left.plot(epochs, [row[f"{player}_loss"] for row in history.epochs], label=player)
    left.set(xlabel="epoch", ylabel="loss, training")
    left.legend()
    distance, best = history.monitor, epochs[history.best_epoch()]
    right.plot(epochs, [row[distance] for row in history.epochs])
    right.axvline(best, color="grey", linestyle=":", label=f"best epoch ({best})")
    right.set(xlabel="epoch", ylabel=distance.removeprefix("val_").replace("_", " ") + ", validation", yscale="log")
    right.legend()
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _of(image):
    return Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
