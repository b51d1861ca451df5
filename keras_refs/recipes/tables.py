"""What the recipes for tables of numbers share, beside the steps of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import datasets, export, preprocessing
from keras_refs.recipes import classification
from keras_refs.settings import Count, CountOrZero, Data, NotNegative, Settings, Training

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableData(Data):
    """A data set whose examples are rows of numbers."""

    dataset: str
    """TFDS name of a data set with numbers and a target: a number, or a class label to classify by."""
    target: str | None = None
    """Column to predict; by default the one that is called target, or the only one that it can be."""
    inputs: tuple[str, ...] = ()
    """Columns of numbers to predict from; by default all others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableTraining(Training):
    """How long and how fast a linear model learns, whose steps are so short that an epoch has many passes."""

    epochs: Count = 20
    """Epochs of --passes-per-epoch passes over the rows; each ends with a validation and a checkpoint."""
    passes_per_epoch: Count = 200
    """Passes over the rows in an epoch."""
    batch_size: CountOrZero = 0
    """Rows per training step; 0 takes all of them, so that the gradient is exact."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Penalties(Settings):
    """Penalties on the weights of a linear model; the bias is not penalised."""

    l1: NotNegative = 0.0
    """Factor of the L1 penalty, on the sum of the absolute weights."""
    l2: NotNegative = 0.0
    """Factor of the L2 penalty, on the sum of the squared weights."""


def load_to_score(
    folder: str | Path, config: Any, with_classes: bool = False, needed: Sequence[str] = ("test",)
) -> datasets.TableDataset:
    """Return the `datasets.TableDataset` to score an export on: of a file, the columns and classes that the model has.

    A file has to have the splits `needed` alone.
    """
    options, card = dict(vars(config.data)), export.read_model_card(folder)
    if card and config.data.data is not None:
        options["inputs"] = tuple(card.get("columns", ()))
        options["class_names"] = classification.class_names_of(folder) if with_classes else None
    return datasets.load_table(**options, with_classes=with_classes, needed=needed)


def write_export(
    folder: str | Path,
    network: keras.Model,
    predict: Callable[..., Any],
    data: datasets.TableDataset,
    outputs: str,
    scaler: Any,
    target_scaler: Any = None,
) -> str:
    """Write a SavedModel whose signature `serving_default` takes raw `features`, float32 `(batch, columns)`.

    `predict` returns a dictionary of outputs for them, by the weights of `network`; `outputs` describes these as
    Markdown. `scaler` and `target_scaler` are what standardised its inputs and targets. The first row of `data` becomes
    the warm-up request. The whole signature is returned as Markdown.
    """
    import tensorflow as tf

    names = data.feature_names
    signatures = {"serving_default": export.checked(predict, {"features": (tf.float32, (len(names),))})}
    examples = {"serving_default": {"features": data.test.features[:1]}}
    export.write_saved_model(folder, network, signatures, examples)
    scalers = [scaler, target_scaler] if target_scaler else [scaler]
    scales = [array.astype("float32") for each in scalers for array in (each.mean_, each.scale_)]
    preprocessing.write(folder, preprocessing.Table(*scales))
    return f"- `serving_default`: `features`, float32 `[batch, {len(names)}]`, raw: {', '.join(names)}\n\n{outputs}"
