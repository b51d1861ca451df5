"""Figures of the playground."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike


def draw_attention(source: str, target: str, weights: np.ndarray) -> Figure:
    """Return a figure of the source symbols that each target symbol attends to.

    Args:
        source: The input, a string of characters.
        target: The output: words if it has spaces, else characters.
        weights: Attention weights, `(target symbols, source symbols)`, possibly padded.
    """
    symbols = target.split() if " " in target else list(target)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Attention weights")
    axes.imshow(weights[: len(symbols), : len(source)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(min(len(source), weights.shape[1])), list(source)[: weights.shape[1]])
    axes.set_yticks(range(len(symbols)), symbols)
    return figure


def draw_characters(text: str, weights: np.ndarray) -> Figure:
    """Return a figure of the attention weight of each character of a text, of as many as there are weights."""
    characters = text[: len(weights)]
    figure = Figure(figsize=(9, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(characters)), weights[: len(characters)])
    axes.set_xticks(range(len(characters)), characters, family="monospace")
    axes.set(title="Attention weights")
    return figure


def draw_forecast(series: ArrayLike, forecast: np.ndarray, start: str, card: Mapping[str, Any]) -> Figure:
    """Return a figure of a forecast, and of the past of the same column where the model card tells which that is.

    Args:
        series: The model's input, `(steps, columns)`.
        forecast: The model's output, `(horizon,)`.
        start: Time of the first step of the forecast.
        card: The model card. Its `columns` has the names of the series' columns, in order, and the setting `target`
            the name of the column that is forecast. A series of one column needs neither.
    """
    series = np.asarray(series)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    axes = figure.subplots()
    target = card.get("settings", {}).get("target", "series")
    columns = card.get("columns", [target] if series.shape[1] == 1 else [])
    if target in columns:
        axes.plot(range(-len(series), 0), series[:, columns.index(target)], color="black", label=target)
    axes.plot(range(len(forecast)), forecast, marker=".", label="forecast")
    axes.set(xlabel=f"steps from {start}")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
