"""What the recipes that classify share, beside the steps of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import evaluation, export
from keras_refs.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def class_names_of(folder: str | Path) -> tuple[str, ...] | None:
    """Return the tuple of class names on the model card of an export, `None` while it has no card yet."""
    card = export.read_model_card(folder)
    return tuple(card["test"]["per_class"]) if card else None


def score(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], dataset: str) -> dict[str, Any]:
    """Return the classification metrics of an export's probabilities for the examples of a data set of this name.

    Raises:
        UserError: If the model has another number of classes than the data set.
    """
    if probabilities.shape[1] != len(class_names):
        raise UserError(
            f"The model has {probabilities.shape[1]} classes and the data set {dataset!r} has {len(class_names)}; "
            "score it on a data set with the classes it was trained on."
        )
    return evaluation.classification_metrics(labels, probabilities, class_names)
