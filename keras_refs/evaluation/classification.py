"""Scores and figures of a classifier."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics

from keras_refs.evaluation.figures import new_figure


def classification_metrics(labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str]) -> dict[str, Any]:
    """Score predicted class probabilities.

    Args:
        labels: True classes, integers `(examples,)`.
        probabilities: `(examples, classes)`, in [0, 1].
        class_names: A name for each class.

    Returns:
        A dictionary of plain numbers: `accuracy` and `loss` (mean cross-entropy in nats); `per_class` with
        `precision`, `recall`, `f1` and `examples` by class name, where 0 / 0 counts as 0; and `confusion_matrix`, a
        list of rows, one for each true class, with a column for each predicted one.

    Raises:
        ValueError: If there are no examples, or a probability is not a number.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    predicted, classes = probabilities.argmax(axis=1), np.arange(len(class_names))
    # Of the true class alone: rows of float32 sum to 1 only roughly, which `log_loss` warns of or refuses.
    of_true_class = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1).clip(max=1)
    *scores, _ = metrics.precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    # Where no prediction is right, scikit-learn counts no examples of any class.
    examples = np.bincount(labels, minlength=len(class_names))
    rows = zip(*(score.tolist() for score in (*scores, examples)), strict=True)
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "loss": float(metrics.log_loss(np.ones(len(labels)), of_true_class, labels=[0, 1])),
        "per_class": {
            name: dict(zip(("precision", "recall", "f1", "examples"), row, strict=True))
            for name, row in zip(class_names, rows, strict=True)
        },
        "confusion_matrix": metrics.confusion_matrix(labels, predicted, labels=classes).tolist(),
    }


def save_confusion_matrix(confusion: ArrayLike, class_names: Sequence[str], path: str | Path) -> None:
    """Draw a confusion matrix, each row coloured by its fractions of the true class.

    `confusion` has counts `(classes, classes)`, a row for each true class and a column for each predicted one, in the
    order of `class_names`.
    """
    confusion = np.asarray(confusion)
    fractions = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    ticks, many = range(len(class_names)), len(class_names) > 30
    size = 12 if many else 2.5 + 0.55 * len(class_names)
    with new_figure(path, size, size) as (axes,):
        # The square root makes rare mistakes visible.
        axes.imshow(np.sqrt(fractions), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(ticks, class_names, rotation=60 if many else 45, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, class_names)
        axes.set(xlabel="predicted class", ylabel="true class")
        for row, column in np.argwhere(confusion) if not many else []:
            colour = "white" if fractions[row, column] > 0.3 else "black"
            axes.text(column, row, confusion[row, column], ha="center", va="center", color=colour, fontsize=8)


def save_roc_curve(labels: np.ndarray, probabilities: np.ndarray, path: str | Path) -> None:
    """Draw the receiver operating characteristic (ROC) of a binary classifier, with the area under it (AUC).

    Both arguments are `(examples,)`: true classes, 0 or 1, each at least once, and probabilities of class 1.
    """
    false_positive_rate, true_positive_rate, _ = metrics.roc_curve(labels, probabilities)
    area = metrics.auc(false_positive_rate, true_positive_rate)
    with new_figure(path, 4.5, 4.5) as (axes,):
        axes.plot(false_positive_rate, true_positive_rate, label=f"classifier (AUC {area:.4f})")
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance (AUC 0.5)")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        axes.legend(loc="lower right")
        axes.grid(alpha=0.3)


def save_confident_mistakes(
    images: Any,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    path: str | Path,
    count: int = 24,
) -> None:
    """Draw the misclassified images whose predicted class has the highest probabilities.

    `images` are uint8 `(examples, height, width, channels)`; the next three arguments are those of
    `classification_metrics`; `count` is the maximum number of images.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]
    rows = max(1, -(-len(worst) // 8))
    with new_figure(path, 12, 1.9 * rows, rows, 8) as panels:
        for axes in panels:
            axes.axis("off")
        for axes, index in zip(panels, worst, strict=False):
            axes.imshow(images[index].squeeze(), cmap="gray")
            name, probability = class_names[predicted[index]], probabilities[index].max()
            axes.set_title(f"{name} {probability:.0%}\ntrue: {class_names[labels[index]]}", fontsize=8)
        title = f"{len(wrong)} of {len(labels)} test images are misclassified; the most confident errors"
        axes.figure.suptitle(title)
