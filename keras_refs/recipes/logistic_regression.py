"""Classify tumours as benign or malignant from thirty measurements of their cells, by logistic regression.

    python -m keras_refs.train logistic_regression

takes about a minute on 2 CPU cores. The score to quote is that of the 5-fold cross-validation; that of the export is on
the rows it was fitted to.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.errors import UserError
from keras_refs.recipes import classification, tables

if TYPE_CHECKING:
    import keras

SCORED_ON = "in sample"
LIMITS = (
    "The scores in sample are of the rows it was fitted to; those in cross-validation are of rows that the model had\n"
    "not seen. It is a demonstration of a method on a published table, no medical device."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossValidation(settings.Settings):
    """How the score of unseen rows is estimated."""

    folds: settings.Count = 5
    """Folds of the stratified cross-validation; 1 for none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe: all rows in one step, so the gradient is exact; no EMA, it lags behind the optimum."""

    data: tables.TableData = tables.TableData(dataset="breast_cancer")
    cross_validation: CrossValidation = CrossValidation()
    penalties: tables.Penalties = tables.Penalties(l2=1e-3)
    training: tables.TableTraining = tables.TableTraining(learning_rate=0.05, average_epochs=0.0)
    privacy: settings.Privacy = settings.Privacy()
    compute: settings.Compute = settings.Compute(precision="float32")


def build(config: Config, data: datasets.TableDataset) -> keras.Model:
    """Return the network for these classes, from standardised features: one output for two classes."""
    classes = len(data.class_names)
    outputs = 1 if classes == 2 else classes
    return models.logistic_regression(len(data.feature_names), num_classes=outputs, **vars(config.penalties))


def train_and_evaluate(
    config: Config,
    workdir: str | Path,
    export_dir: str | Path = "saved_models",
    resume: bool = False,
    *,
    build: Callable[..., Any] = build,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: str | Callable[..., Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Fit to all rows, export the best epoch, score the export on the same rows, and cross-validate.

    Arguments and result are those of every recipe, see `keras_refs.recipes`. The cross-validation trains with the same
    optimizer and loss, but without the callbacks.
    """
    run = training.Run("logistic_regression", config, workdir, export_dir, resume, family="dense")
    data = datasets.load_table(**vars(config.data), with_classes=True)
    rows, test, class_names = data.rows, data.test, data.class_names
    steps = run.steps_per_epoch(len(rows)) * config.training.passes_per_epoch
    # Before the training, as it may refuse the settings.
    folds = stratified_folds(rows, config)
    if config.privacy.private and folds:
        raise UserError("The cross-validation would spend more than --epsilon says: --private needs --folds 1.")
    scaler = datasets.fit_scaler(rows.features)
    standardized = datasets.standardize(rows.features, scaler), rows.targets
    loss = loss or ("binary_crossentropy" if len(class_names) == 2 else "sparse_categorical_crossentropy")

    def compiled_model():
        with run.scope():
            model = build(config, data)
            # Adam with linear warm-up and cosine decay.
            new_optimizer = _copy(optimizer) if optimizer else training.adam(config.training, steps)
            model.compile(new_optimizer, loss, metrics=["accuracy"], **run.compile_options(steps))
        return model

    model = compiled_model()
    # With --private the gradient of each row is clipped and noised, and nobody can tell which are in a batch.
    privacy = training.plan_privacy(config, model, len(rows), steps)
    training.make_private(model, privacy)
    batch_size, seed = config.training.batch_size or len(rows), training.batch_seed(privacy, config.compute.seed)
    batches = functools.partial(
        datasets.shuffled_batches, standardized, batch_size, seed, shard=run.shard, sampled=privacy is not None
    )
    held_out = data.validation
    arrays = datasets.standardize(held_out.features, scaler), held_out.targets
    validation = datasets.ordered_batches(arrays, batch_size=len(held_out))
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(
        model, batches, steps, validation, monitor="val_loss", mode="min", callbacks=callbacks, privacy=privacy
    )

    unseen, cross_validation = None, None
    if folds:
        unseen = cross_validate(config, data, folds, steps, compiled_model)
        cross_validation = evaluation.classification_metrics(rows.labels, unseen, class_names)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data)
        network.set_weights(model.get_weights())

        def classify(features):
            outputs = network(datasets.standardize(features, scaler), training=False)
            return export.class_outputs(class_probabilities(outputs), class_names)

        returned = (
            "It returns `label` (int64 `[batch]`), `class_name` (string `[batch]`) and `probabilities` (float32 "
            f"`[batch, {len(class_names)}]`).\n\nClasses: {', '.join(class_names)}."
        )
        signatures = tables.write_export(folder, network, classify, data, returned, scaler)
        probabilities = export.SavedFunction(folder).predict(features=test.features)["probabilities"]
        scores = evaluation.classification_metrics(test.labels, probabilities, class_names)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png")
        # Those of unseen rows, if there are any, say more than those in sample.
        confusion = (cross_validation or scores)["confusion_matrix"]
        evaluation.save_confusion_matrix(confusion, class_names, run.figures / "confusion_matrix.png")
        if len(class_names) == 2:
            labels, second = (rows.labels, unseen[:, 1]) if folds else (test.labels, probabilities[:, 1])
            evaluation.save_roc_curve(labels, second, run.figures / "roc_curve.png")
        limits = training.limits_on(config, LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": data.scored_on}
        card["columns"] = list(data.feature_names)
        card = training.with_privacy(card, privacy, history)
        return run.finish(folder, network, history, data, scores, format_scores, card, cross_validation)


def stratified_folds(rows: datasets.Table, config: Config) -> list[Any]:
    """Return for each fold of the cross-validation the indices of the rows to fit to, and of the held-out ones.

    Every fold has the same fraction of each class; which rows are in it follows from the seed. `--folds 1` has none.

    Raises:
        UserError: If there are more folds than rows of a class.
    """
    from sklearn.model_selection import StratifiedKFold

    folds, smallest = config.cross_validation.folds, np.unique(rows.labels, return_counts=True)[1].min()
    if folds == 1:
        return []
    if folds > smallest:
        raise UserError(
            f"--folds must be at most {smallest}, the number of rows of the smallest class, or 1 for none. "
            f"Received: {folds}"
        )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=config.compute.seed)
    return list(splitter.split(rows.features, rows.labels))


def cross_validate(
    config: Config,
    data: datasets.TableDataset,
    folds: Sequence[Any],
    steps_per_epoch: int,
    compiled_model: Callable[[], keras.Model],
) -> np.ndarray:
    """Return the class probabilities of each row by a model fitted to the other folds, float32 `(examples, classes)`.

    Each is what `compiled_model()` returns, and is fitted with as many steps as the one of all rows.
    """
    rows, seed = data.rows, config.compute.seed
    probabilities = np.empty((len(rows), len(data.class_names)), "float32")
    for fitted_to, held_out in folds:
        fold = rows.take(fitted_to)
        # The held-out rows must not contribute to the scale either.
        scaler = datasets.fit_scaler(fold.features)
        arrays = datasets.standardize(fold.features, scaler), fold.targets
        batch_size = min(config.training.batch_size or len(fold), len(fold))
        model = compiled_model()
        batches = datasets.shuffled_batches(arrays, batch_size, seed, 0, config.training.epochs * steps_per_epoch)
        model.fit(batches, shuffle=False, verbose=0)
        outputs = model(datasets.standardize(rows.features[held_out], scaler), training=False)
        probabilities[held_out] = class_probabilities(outputs)
    return probabilities


def class_probabilities(outputs: Any) -> Any:
    """Return one probability per class, `(batch, classes)`, where two classes have one output, that of the second."""
    import tensorflow as tf

    return tf.concat([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs


def _copy(optimizer):
    """Return a new optimizer with the same configuration: an optimizer belongs to one model."""
    import keras

    optimizer = keras.optimizers.get(optimizer)
    return type(optimizer).from_config(optimizer.get_config())


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return the classification metrics of an export on the test split, of a TFDS set all rows."""
    data = tables.load_to_score(folder, config, with_classes=True)
    probabilities = export.load_function(folder).predict(features=data.test.features)["probabilities"]
    return classification.score(data.test.labels, probabilities, data.class_names, data.name)


def format_scores(scores: dict[str, Any]) -> str:
    """Return precision, recall and F1 by class, then accuracy and loss."""
    return evaluation.format_classification_metrics(scores)


def explain(folder: str | Path, config: Config, figures: Path) -> None:
    """Draw the weights of every class; of two classes, those of the second."""
    data = tables.load_to_score(folder, config, with_classes=True)
    weights = export.load_model(folder).layers[-1].kernel.numpy().T
    # Of several classes, the log-odds of one depend on the weights of the others, too.
    changed = "log-odds" if len(weights) == 1 else "logit"
    label = f"change of the {changed} per standard deviation of the feature"
    coefficients = dict(zip(data.class_names[-len(weights) :], weights, strict=True))
    evaluation.save_coefficients(data.feature_names, coefficients, label, figures / "coefficients.png")
