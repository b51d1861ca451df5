"""Figures of what a model looks at, as PNG files."""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

HEAT = "inferno"
"""A colour map that grows brighter throughout, also in grey and for the colour-blind."""


def save_maps(images, titles, maps, path):
    """Draw pictures, a column each, and under them where a model looks; every map in colours up to its own maximum.

    Args:
        images: uint8 `(examples, height, width, channels)`.
        titles: A text for each.
        maps: By name `(examples, height, width)` for a number a pixel; `(examples, rows, columns)`, coarser, which is
            enlarged and laid over the picture; or `(examples, height)` for a bar beside each row.
        path: PNG file to write.
    """
    count, (height, width) = len(images), images.shape[1:3]
    figure = Figure(figsize=(1.35 * count + 0.4, 1.35 * (1 + len(maps)) + 0.45), layout="constrained")
    panels = figure.subplots(1 + len(maps), count, squeeze=False)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for row, name in enumerate(["picture", *maps]):
        panels[row, 0].set_ylabel(name)
    for axes, image, title in zip(panels[0], images, titles, strict=True):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=8)
    for row, values in zip(panels[1:], maps.values(), strict=True):
        for axes, image, found in zip(row, images, values, strict=True):
            # Where nothing speaks for a class, a map is zero all over.
            highest = max(found.max(), 1e-12)
            if found.ndim == 1:
                axes.barh(range(height), found / highest, height=0.9, color="C0")
                axes.set(xlim=(0, 1), ylim=(height - 0.5, -0.5))
            elif found.shape == (height, width):
                axes.imshow(found, cmap=HEAT, vmin=0, vmax=highest)
            else:
                axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
                extent = (-0.5, width - 0.5, height - 0.5, -0.5)
                share = found / highest
                axes.imshow(share, cmap=HEAT, alpha=0.8 * share**0.5, extent=extent, interpolation="bilinear")
    figure.savefig(path, dpi=120)


def save_influence(influence, names, label, path):
    """Draw how much each step of a window counts for each step of a forecast, a panel for each number of the window.

    Args:
        influence: `(numbers, horizon, window)`, the last step of the window last.
        names: A name for each number.
        label: What is shown, with its unit.
        path: PNG file to write.
    """
    numbers, horizon, window = influence.shape
    figure = Figure(figsize=(9, 1 + numbers * (0.7 if horizon == 1 else 3.2)), layout="constrained")
    panels = figure.subplots(numbers, 1, squeeze=False, sharex=True)[:, 0]
    # The square root separates what counts little from what does not count.
    scale = PowerNorm(0.5, vmin=0, vmax=influence.max())
    for axes, name, values in zip(panels, names, influence, strict=True):
        extent = (-window - 0.5, -0.5, horizon + 0.5, 0.5)
        image = axes.imshow(values, cmap=HEAT, norm=scale, extent=extent, aspect="auto", interpolation="nearest")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if horizon == 1:
            axes.set_yticks([1], [name])
        else:
            axes.set(ylabel="steps ahead, of the forecast", title=name)
    panels[-1].set(xlabel="steps of the window, counted from the first step to forecast")
    figure.colorbar(image, ax=list(panels), label=label)
    figure.savefig(path, dpi=120)


def save_characters(texts, titles, strengths, path):
    """Draw texts, a row each, every character on a colour for how much it counts, up to the most of its text.

    Args:
        texts: Strings.
        titles: What was answered to each.
        strengths: For each text a number, not negative, for each of its characters.
        path: PNG file to write.
    """
    width = max(map(len, texts))
    shares = np.full((len(texts), width), np.nan)
    for row, found in zip(shares, strengths, strict=True):
        row[: len(found)] = found / max(found.max(), 1e-12)
    figure = Figure(figsize=(2.5 + 0.21 * width, 1.1 + 0.33 * len(texts)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, text in enumerate(texts):
        for column, character in enumerate(text):
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, character, ha="center", va="center", color=colour, family="monospace")
    axes.set_yticks(range(len(texts)), titles)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="gradient, of the text's highest", fraction=0.03)
    figure.savefig(path, dpi=120)


def save_marked_values(values, marks, gradients, path):
    """Draw by which values of a sequence the answers of networks change, a panel a sequence.

    Args:
        values: `(sequences, length)`.
        marks: 1 where a value is to be added, else 0, `(sequences, length)`.
        gradients: For each network by name the derivative of its answer by each value, `(sequences, length)`.
        path: PNG file to write.
    """
    count, length = values.shape
    figure = Figure(figsize=(9, 0.8 + 1.9 * count), layout="constrained")
    panels = figure.subplots(count, 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for number, axes in enumerate(panels):
        places = np.flatnonzero(marks[number])
        axes.vlines(places, 0, 1, color="lightgrey", linewidth=6, label="right: 1 at the two marks, 0 elsewhere")
        for name, found in gradients.items():
            axes.plot(range(length), found[number], marker=".", linewidth=1, label=name)
        told = ", ".join(f"{value:.2f}" for value in values[number, places])
        axes.set_title(f"marked values {told}", fontsize="medium")
        axes.grid(alpha=0.3)
    panels[-1].set(xlabel="step")
    panels[count // 2].set(ylabel="derivative of the answer by the value")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(gradients))
    figure.savefig(path, dpi=120)


def save_coefficients(names, coefficients, label, path):
    """Draw the weights of a linear model as bars, the greatest first, a panel for each of its outputs.

    Args:
        names: A name for each feature.
        coefficients: For each output by name a number for each feature.
        label: What a weight says, with its unit.
        path: PNG file to write.
    """
    figure = Figure(figsize=(1.5 + 5 * len(coefficients), 1 + 0.26 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(coefficients), squeeze=False)[0]
    for axes, (output, values) in zip(panels, coefficients.items(), strict=True):
        order = np.argsort(-abs(values), kind="stable")
        colours = ["C0" if value > 0 else "C1" for value in values[order]]
        axes.barh(range(len(names)), values[order], color=colours)
        axes.set_yticks(range(len(names)), [names[place] for place in order])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.grid(alpha=0.3, axis="x")
        axes.set(title=output, xlabel=label)
    figure.savefig(path, dpi=120)
