"""Tell benign from malignant tumours by thirty measurements of their cells, by logistic regression.

    python -m keras_refs.train logistic_regression

The 5-fold cross-validation is the score to quote; that of the export is on the rows it was fitted to.
"""

import dataclasses

import numpy as np

from keras_refs import datasets, evaluation, export, models
from keras_refs.recipes import settings
from keras_refs.recipes.table import TableRecipe, TableSettings


@dataclasses.dataclass(frozen=True)
class Config(TableSettings):
    """Settings of the recipe."""

    dataset: str = "breast_cancer"
    """TFDS name of a data set with a vector of numbers and a class label."""
    batch_size: settings.Count = 569
    """Examples a training step; all of them, so that the gradient is exact."""
    l2: settings.NotNegative = 1e-3
    """Factor of the penalty on the sum of the squared weights."""
    folds: settings.Count = 5
    """Parts of the cross-validation; 1 for none."""


class Recipe(TableRecipe):
    """Fit `models.logistic_regression` to a table."""

    name = "logistic_regression"
    metrics = ("accuracy",)
    with_classes = True
    _cross_validated = None
    limits = (
        "The scores in sample are of the rows it was fitted to; those in cross-validation are of rows that the model "
        "which\nanswered had not seen. It is a demonstration of a method on a published table, no medical device."
    )

    @property
    def loss(self):
        """Cross-entropy for two classes or more."""
        return "binary_crossentropy" if len(self.data.class_names) == 2 else "sparse_categorical_crossentropy"

    @property
    def signatures(self):
        """What the export takes and returns, as Markdown."""
        names, classes = self.data.feature_names, self.data.class_names
        return (
            f"- `serving_default`: `features`, float32 `[batch, {len(names)}]`, raw: {', '.join(names)}\n\n"
            "It returns `label` (int64 `[batch]`), `class_name` (string `[batch]`) and `probabilities` (float32 "
            f"`[batch, {len(classes)}]`).\n\nClasses: {', '.join(classes)}."
        )

    def build_model(self):
        """Return the network for these features and classes."""
        classes = len(self.data.class_names)
        return models.logistic_regression(
            len(self.data.feature_names), 1 if classes == 2 else classes, l1=self.config.l1, l2=self.config.l2
        )

    def answer(self, outputs):
        """Return class, its name and all probabilities."""
        import tensorflow as tf

        if len(self.data.class_names) == 2:
            outputs = tf.concat([1 - outputs, outputs], axis=1)
        return export.tell_class(outputs, self.data.class_names)

    def name_weights(self, weights):
        """Return the weights of every class; of two, those of the second."""
        classes = self.data.class_names[-len(weights) :]
        return dict(zip(classes, weights, strict=True)), "change of the log-odds for one deviation of the feature"

    def score(self, folder):
        """Return the scores of the export on the rows it was fitted to."""
        rows = self.data.test
        probabilities = export.SavedFunction(folder).predict(features=rows.features)["probabilities"]
        return evaluation.classification_metrics(rows.labels, probabilities, self.data.class_names), probabilities

    def format_scores(self, scores):
        """Return precision, recall and F1 by class, then accuracy and loss."""
        return evaluation.format_classification_metrics(scores)

    def cross_validate(self, plan):
        """Return the scores of rows that a model fitted to the others gave, in as many parts as the settings say.

        Every part has its share of every class; which rows are in it follows from the seed.
        """
        config, rows, classes = self.config, self.data.train, len(self.data.class_names)
        if config.folds == 1:
            return None
        order = np.random.default_rng(config.seed).permutation(len(rows))
        order = order[np.argsort(rows.targets[order, 0], kind="stable")]
        probabilities = np.empty((len(rows), classes), "float32")
        for fold in range(config.folds):
            held_out = order[fold :: config.folds]
            fitted_to = rows.take(np.setdiff1d(order, held_out))
            scale = datasets.Standardization.of(fitted_to.features)
            model = self.compiled_model(plan)
            batches = datasets.shuffled_batches(
                (scale.apply(fitted_to.features), fitted_to.targets),
                min(config.batch_size, len(fitted_to)),
                config.seed,
                0,
                config.epochs * self.steps_per_epoch,
            )
            model.fit(batches, shuffle=False, verbose=0)
            probabilities[held_out] = self.answer(model(scale.apply(rows.features[held_out])))["probabilities"]
        self._cross_validated = rows.labels, probabilities
        return evaluation.classification_metrics(rows.labels, probabilities, self.data.class_names)

    def draw(self, history, scores, predictions, folder):
        """Draw learning curves, and of the cross-validation, if there is one, confusion matrix and ROC curve."""
        figures = evaluation.figures
        figures.save_learning_curves(history, folder / "learning_curves.png")
        labels, probabilities = self._cross_validated or (self.data.test.labels, predictions)
        confusion = evaluation.classification_metrics(labels, probabilities, self.data.class_names)["confusion_matrix"]
        figures.save_confusion_matrix(confusion, self.data.class_names, folder / "confusion_matrix.png")
        if len(self.data.class_names) == 2:
            figures.save_roc_curve(labels, probabilities[:, 1], folder / "roc_curve.png")
