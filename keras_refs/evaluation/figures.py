"""Figures of a training and its result, as PNG files.

Drawn with matplotlib's object interface: no window, no global state, so a notebook's own figures stay untouched.
"""

import numpy as np
from matplotlib.figure import Figure


def save_learning_curves(history, path):
    """Draw loss and accuracy against epochs.

    Args:
        history: A dictionary of metrics for each epoch, with `epoch`, `loss`, `val_loss`, `accuracy` and
            `val_accuracy`.
        path: PNG file to write.
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [row["epoch"] for row in history]
    best = max(history, key=lambda row: row["val_accuracy"])["epoch"]
    for axes, metric, label in zip(
        figure.subplots(1, 2), ("loss", "accuracy"), ("cross-entropy", "accuracy"), strict=True
    ):
        axes.plot(epochs, [row[metric] for row in history], label="training (augmented)")
        axes.plot(epochs, [row[f"val_{metric}"] for row in history], label="validation")
        axes.axvline(best, color="grey", linestyle=":", label=f"best epoch ({best})")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def save_confusion_matrix(confusion, class_names, path):
    """Draw a confusion matrix, coloured by the share of each true class.

    Args:
        confusion: Counts, true classes down and predicted ones across.
        class_names: A name for each class.
        path: PNG file to write.
    """
    confusion = np.asarray(confusion)
    size = 2.5 + 0.55 * len(class_names)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    # The square root separates the few mistakes from none at all.
    axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel="predicted", ylabel="true")
    if len(class_names) <= 30:
        for row, column in np.argwhere(confusion):
            colour = "white" if share[row, column] > 0.3 else "black"
            axes.text(column, row, confusion[row, column], ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=120)


def save_confident_mistakes(images, labels, probabilities, class_names, path, count=24):
    """Draw the images whose wrong class got the highest probability.

    Args:
        images: uint8 `(examples, height, width, channels)`.
        labels: True classes, integers `(examples,)`.
        probabilities: `(examples, classes)`.
        class_names: A name for each class.
        path: PNG file to write.
        count: How many at most.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]
    columns = 8
    rows = max(1, -(-len(worst) // columns))
    figure = Figure(figsize=(1.5 * columns, 1.9 * rows), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, index in zip(figure.axes, worst, strict=False):
        axes.imshow(images[index].squeeze(), cmap="gray")
        axes.set_title(
            f"{class_names[predicted[index]]} {probabilities[index].max():.0%}\nis {class_names[labels[index]]}",
            fontsize=8,
        )
    figure.suptitle(f"The most confident of {len(wrong)} mistakes on {len(labels)} test images")
    figure.savefig(path, dpi=120)
