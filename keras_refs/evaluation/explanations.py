"""Figures of what a prediction depends on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm

from keras_refs.evaluation.figures import new_figure

HEAT = "inferno"
"""A colour map of increasing brightness, readable in greyscale and with colour-vision deficiency."""


def save_maps(images: np.ndarray, titles: Sequence[str], maps: dict[str, np.ndarray], path: str | Path) -> None:
    """Draw images, one per column, and under each its attribution maps, each scaled to its own maximum.

    Args:
        images: uint8 `(examples, height, width, channels)`.
        titles: A title for each image.
        maps: Non-negative attributions by name: `(examples, height, width)`; or coarser, `(examples, rows, columns)`,
            enlarged and laid over the image; or `(examples, height)`, drawn as a bar for each row of pixels.
        path: PNG file to write.
    """
    names, count = ["image", *maps], len(images)
    with new_figure(path, 1.35 * count + 0.4, 1.35 * len(names) + 0.45, len(names), count) as panels:
        for axes in panels:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        rows = np.reshape(panels, (len(names), count))
        for axes, name in zip(rows[:, 0], names, strict=True):
            axes.set_ylabel(name)
        for index, (image, title) in enumerate(zip(images, titles, strict=True)):
            rows[0, index].imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            rows[0, index].set_title(title, fontsize=8)
            for axes, values in zip(rows[1:, index], maps.values(), strict=True):
                _draw_map(axes, image, _relative(values[index]))


def _draw_map(axes, image, values):
    height, width = image.shape[:2]
    if values.ndim == 1:
        axes.barh(range(height), values, height=0.9, color="C0")
        axes.set(xlim=(0, 1), ylim=(height - 0.5, -0.5))
    elif values.shape == (height, width):
        axes.imshow(values, cmap=HEAT, vmin=0, vmax=1)
    else:
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        axes.imshow(values, cmap=HEAT, alpha=0.8 * values**0.5, extent=extent, interpolation="bilinear")


def _relative(values):
    # Where nothing supports a class, all are zero.
    return values / max(values.max(), 1e-12)


def save_influence(influence: np.ndarray, names: Sequence[str], label: str, path: str | Path) -> None:
    """Draw how strongly each step of a forecast depends on each step of its input window, one panel per feature.

    `influence` is non-negative, `(features, horizon, window)`, the last step of the window last; `names` has a name for
    each feature; `label` says what is shown, with its unit.
    """
    features, horizon, window = influence.shape
    extent = (-window - 0.5, -0.5, horizon + 0.5, 0.5)
    # The square root makes weak influence visible.
    scale = PowerNorm(0.5, vmin=0, vmax=influence.max())
    with new_figure(path, 9, 1 + features * (0.7 if horizon == 1 else 3.2), features, sharex=True) as panels:
        for axes, name, values in zip(panels, names, influence, strict=True):
            image = axes.imshow(values, cmap=HEAT, norm=scale, extent=extent, aspect="auto", interpolation="nearest")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if horizon == 1:
                axes.set_yticks([1], [name])
            else:
                axes.set(ylabel="steps ahead", title=name)
        axes.set(xlabel="step of the input window, relative to the first forecast step")
        axes.figure.colorbar(image, ax=panels, label=label)


def save_characters(
    texts: Sequence[str], titles: Sequence[str], strengths: Sequence[np.ndarray], label: str, path: str | Path
) -> None:
    """Draw texts, one per row, with every character coloured by its attribution, relative to the maximum of its text.

    Each text has a title, such as the predicted class, and in `strengths` an array with a non-negative attribution for
    each of its characters; `label` says what that is.
    """
    width = max(map(len, texts))
    fractions = np.full((len(texts), width), np.nan)
    with new_figure(path, 2.5 + 0.21 * width, 1.1 + 0.33 * len(texts)) as (axes,):
        for row, (text, values) in enumerate(zip(texts, strengths, strict=True)):
            fractions[row, : len(text)] = _relative(values)
            for column, character in enumerate(text):
                colour = "white" if fractions[row, column] > 0.6 else "black"
                axes.text(column, row, character, ha="center", va="center", color=colour, family="monospace")
        image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set(xticks=[], yticks=range(len(texts)), yticklabels=titles)
        axes.spines[:].set_visible(False)
        axes.figure.colorbar(image, ax=axes, label=f"{label}, relative\nto the text's maximum", fraction=0.03)


def save_marked_values(
    values: np.ndarray, marks: np.ndarray, gradients: dict[str, np.ndarray], path: str | Path
) -> None:
    """Draw the gradients of networks for the adding problem with respect to each value, one panel per sequence.

    All arrays are `(sequences, length)`: `marks` has 1 where a value is to be added, else 0; `gradients` has by network
    the gradient of its output with respect to each value.
    """
    count, length = values.shape
    with new_figure(path, 9, 0.8 + 1.9 * count, count, sharex=True, sharey=True) as panels:
        for index, axes in enumerate(panels):
            marked = np.flatnonzero(marks[index])
            axes.vlines(marked, 0, 1, color="lightgrey", linewidth=6, label="exact: 1 at the two marks, 0 elsewhere")
            for name, by_step in gradients.items():
                axes.plot(range(length), by_step[index], marker=".", linewidth=1, label=name)
            axes.set_title("marked values " + ", ".join(f"{value:.2f}" for value in values[index, marked]), fontsize=10)
            axes.grid(alpha=0.3)
        axes.set(xlabel="step")
        panels[count // 2].set(ylabel="gradient of the output")
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(gradients))


def save_coefficients(names: Sequence[str], coefficients: dict[str, np.ndarray], label: str, path: str | Path) -> None:
    """Draw the weights of a linear model as bars, sorted by magnitude, one panel per output.

    `names` has a name for each feature, `coefficients` by output an array `(features,)`; `label` says what a weight
    means, with its unit.
    """
    count = len(coefficients)
    with new_figure(path, 1.5 + 5 * count, 1 + 0.26 * len(names), columns=count) as panels:
        for axes, (output, values) in zip(panels, coefficients.items(), strict=True):
            order = np.argsort(-abs(values), kind="stable")
            colours = np.where(values[order] > 0, "C0", "C1")
            axes.barh(range(len(names)), values[order], color=colours, tick_label=[names[index] for index in order])
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.axvline(0, color="black", linewidth=0.8)
            axes.grid(alpha=0.3, axis="x")
            axes.set(title=output, xlabel=label)
