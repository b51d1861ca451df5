"""Figures: what all share, and learning curves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    import numpy as np

CLASSIFICATION_CURVES = {"loss": "cross-entropy", "accuracy": "accuracy"}


@contextlib.contextmanager
def new_figure(
    path: str | Path, width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[list[Any]]:
    """Give the axes of a new figure as a list, row by row, and write the figure to the PNG file `path` at the end.

    Width and height are in inches; `options` are more arguments of `Figure.subplots`.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subplots(rows, columns, squeeze=False, **options)
    yield figure.axes
    figure.savefig(path, dpi=120)


def save_learning_curves(history: Any, path: str | Path, metrics: Mapping[str, str] = CLASSIFICATION_CURVES) -> None:
    """Draw metrics of training and validation against epochs, with the best epoch.

    The epochs of the `training.History` have every metric and its `val_` twin; `metrics` has an axis label for each.
    """
    with new_figure(path, 4.5 * len(metrics), 3.5, columns=len(metrics)) as panels:
        for axes, (metric, label) in zip(panels, metrics.items(), strict=True):
            _plot(axes, history, {metric: "training", f"val_{metric}": "validation"}, label, mark_best_epoch=True)


def save_gan_losses(history: Any, path: str | Path) -> None:
    """Draw the losses of generator and discriminator, and the monitored distance with the best epoch.

    The epochs of the `training.History` have `generator_loss`, `discriminator_loss` and the monitored metric.
    """
    networks = {"generator_loss": "generator", "discriminator_loss": "discriminator"}
    name = history.monitor.removeprefix("val_").replace("_", " ").replace("frechet", "Fréchet")
    with new_figure(path, 9, 3.5, columns=2) as (losses, distance):
        _plot(losses, history, networks, "training loss", mark_best_epoch=False)
        _plot(distance, history, {history.monitor: "generated images"}, f"validation {name}", mark_best_epoch=True)
        distance.set(yscale="log")


def save_memory(
    curves: Mapping[str, Sequence[float]],
    chance: float,
    gradients: Mapping[str, dict[str, np.ndarray]],
    path: str | Path,
) -> None:
    """Draw the learning curves of networks on a task that needs memory, and how far back their gradients reach.

    `curves` has by network its mean squared error on the validation split after each epoch; `chance` is that of the
    best constant prediction; `gradients` has by stage of training, two at most, the `gradient_norms` of each network.
    """
    colours = {name: f"C{index}" for index, name in enumerate(curves)}
    with new_figure(path, 11, 4, columns=2) as (left, right):
        for name, errors in curves.items():
            left.plot(range(1, len(errors) + 1), errors, color=colours[name], label=name)
        left.axhline(chance, color="grey", linestyle=":", label=f"constant prediction ({chance:.3f})")
        left.set(xlabel="epoch", ylabel="validation mean squared error", yscale="log")
        left.xaxis.get_major_locator().set_params(integer=True)
        for (stage, norms), style in zip(gradients.items(), ("--", "-"), strict=False):
            for name, by_step in norms.items():
                right.plot(range(len(by_step))[::-1], by_step, style, color=colours[name], label=f"{name}, {stage}")
        right.set(xlabel="distance to the last step", ylabel="norm of the gradient of the output", yscale="log")
        # Smaller values are rounding errors of float32.
        right.set_ylim(bottom=max(1e-12, right.get_ylim()[0]))
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)


def _plot(axes, history, metrics, ylabel, mark_best_epoch):
    epochs = [row["epoch"] for row in history.epochs]
    for metric, label in metrics.items():
        axes.plot(epochs, [row[metric] for row in history.epochs], label=label)
    if mark_best_epoch:
        best = epochs[history.best_epoch()]
        axes.axvline(best, color="grey", linestyle=":", label=f"best epoch ({best})")
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
